"""What the tests of measures share."""

import pytest

from pst_core.images.reading import read_photograph
from pst_core.samples import find_samples


@pytest.fixture(autouse=True)
def _no_models_from_outside(monkeypatch):
    monkeypatch.delenv("PST_QUALITY_MODELS", raising=False)


@pytest.fixture(scope="module")
def flower():
    return read_photograph(find_samples() / "content" / "still.jpg").pixels
