"""Which way up a picture is: what EXIF says, or else XMP, wherever and however programs write it.

What Pillow's own `exif_transpose` obeys is obeyed here, and what browsers do.

References
----------
Exif 3.0, CIPA DC-008-2023, section 4.6.5. XMP specification, part 2, section 3.1 (tiff:Orientation).
"""

import re
from typing import Any

from numpy.typing import NDArray

from pst_core.images.metadata import Directory, directories
from pst_core.images.rasters import Picture
from pst_core.images.xmp import MAX_XMP_BYTES

_ORIENTATION, _SHORT = 274, 3
_IN_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\b")


def orientation_of(picture: Picture) -> tuple[int, list[str]]:
    """Tell a picture's orientation as EXIF counts it.

    Returns
    -------
    orientation : int
        1 to 8; 1 where nothing says another, or what says it is nonsense.
    notes : list of str
        Where it was found, if that is not where it belongs.
    """
    if picture.orientation is not None:
        return picture.orientation, []
    if (value := exif_orientation(picture.exif)) is not None:
        odd = value > 1 and _first_directory(picture.exif).types[_ORIENTATION] != _SHORT
        return value, [f"turned by an EXIF orientation ({value}) of an unusual type"] if odd else []
    found = _IN_XMP.search(picture.xmp) if len(picture.xmp) <= MAX_XMP_BYTES else None
    value = int(found[1]) if found else 1
    return value, [f"turned by the orientation in its XMP ({value})"] if value > 1 else []


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation that bare EXIF speaks of, 1 where it speaks nonsense; None if of none."""
    first = _first_directory(exif)
    if _ORIENTATION not in first.types:
        return None
    value = first.values.get(_ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror (H, W) or (H, W, C) as the EXIF orientation demands; a view of the same memory."""
    if orientation >= 5:  # stored lying on its side: rows are columns
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _first_directory(exif: bytes) -> Directory:
    try:
        return next(directories(exif), Directory({}, {}, 0, 0))
    except ValueError:
        return Directory({}, {}, 0, 0)
