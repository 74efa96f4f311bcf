"""The sample pairs that come with the program: beside the code in a wheel, under ``data`` in a checkout."""

from pathlib import Path

from pst_core.errors import ImageError

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "_sample", _HERE.parent / "data" / "sample")


def find_samples() -> Path:
    """Return the folder of the sample pairs.

    Raises
    ------
    ImageError
        This installation has none.
    """
    for place in _PLACES:
        if place.is_dir():
            return place
    raise ImageError("The sample photographs are missing from this installation: install the package anew.")
