"""What the tests of pairing share."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes empty files in a folder, which it returns."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make
