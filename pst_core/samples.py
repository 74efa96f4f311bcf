"""The sample pairs that come with the program: beside the code in a wheel, under ``data`` in a checkout."""

from dataclasses import dataclass
from pathlib import Path

from pst_core.errors import ImageError

__all__ = ["SamplePair", "find_samples", "sample_pair"]

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "_sample", _HERE.parent / "data" / "sample")


@dataclass(frozen=True)
class SamplePair:
    """Files of one sample: two photographs and their semantic maps."""

    content: Path
    style: Path
    content_map: Path
    style_map: Path


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


def sample_pair(name: str = "pagoda") -> SamplePair:
    """Return the files of the sample pair `name`.

    Raises
    ------
    ImageError
        One of its files is missing.
    """
    root = find_samples()
    files = []
    for folder in ("content", "style", "content_maps", "style_maps"):
        found = sorted((root / folder).glob(f"{name}.*"))
        if not found:
            raise ImageError(f"{root / folder} lacks the sample {name!r}: install the package anew.")
        files.append(found[0])
    return SamplePair(*files)
