"""What the tests of pairing share."""

import io

import pytest
from PIL import Image


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


@pytest.fixture
def photograph():
    """Return a function that makes the bytes of a small picture in a format of Pillow's."""

    def make(form):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 40), (200, 90, 30)).save(buffer, form)
        return buffer.getvalue()

    return make
