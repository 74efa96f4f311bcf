"""TIFF: which of its pages is the photograph, and the kinds of samples that Pillow does not read.

Pillow reads 8-bit pictures, whatever their compression; tifffile reads what is deeper, or has channels
besides its colours, at full depth. Neither of them turns anything.

References
----------
TIFF revision 6.0, Adobe, 1992, sections 8 (pages), 18 (alpha), 23 (Lab). DNG 1.7, Adobe, 2023, chapter 4.
"""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import TiffImagePlugin

from pst_core.errors import ImageError
from pst_core.images.kinds import TIFF
from pst_core.images.limits import ImageLimits, check_frames, check_size
from pst_core.images.metadata import Directory, check_directories, directories
from pst_core.images.pillow import ACCEPTED, from_pillow
from pst_core.images.rasters import Picture, Raster
from pst_core.images.tiff_samples import COMPRESSIONS, PHOTOMETRICS, unpack

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC = 254, 255, 256, 257, 262
_SAMPLES, _SUB_DIRECTORIES, _XMP, _PROFILE, _DNG_VERSION = 277, 330, 700, 34675, 50706
_REDUCED, _MASK, _DEPTH_MAP = 1, 4, 8  # bits of the subfile type
_OLD_REDUCED = 2  # value of the old one
_BYTES = 1  # a tag's type
_SENSOR = (32803, 34892)  # photometrics of what a sensor saw
_PILLOW_BITS = {1, 2, 4, 8}
_FLOATING, _SIGNED = (3, 6), (2, 5)
# Both report through loggers; without a handler Python would print their lines on standard error.
for _name in ("tifffile", "PIL"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose samples stay as stored: Pillow turns TIFFs alone, and the deep decoder turns nothing."""

    def load_end(self) -> None:
        """Undo what the header's parser made of the size, instead of turning the picture."""
        self._size = self.im.size


class _Choice(NamedTuple):
    """The page that is the photograph, counted from 0, and what is said of the others."""

    page: int
    notes: tuple[str, ...]


def is_raw(data: bytes) -> bool:
    """Tell a camera's raw file, of the many kinds that begin as TIFFs do, from a TIFF.

    Raises
    ------
    ValueError
        Its directories are broken.
    """
    found = list(directories(data))
    if any(page.types.get(_DNG_VERSION) == _BYTES for page in found):
        return True
    if any(page.values.get(_PHOTOMETRIC) in _SENSOR for page in found):
        return True
    # A preview, with the photograph in a directory below: how most cameras' makers arrange it.
    return bool(found) and all(_what_it_is(page) for page in found) and _SUB_DIRECTORIES in found[0].types


def open_tiff(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse the header of the page that is the photograph.

    Raises
    ------
    ImageError
        Several pages may be it, its samples are of a kind that is not read, or it is not within `limits`.
    """
    check_directories(data)
    pages = list(directories(data))
    choice = _choose(path, pages)
    size = pages[choice.page].values.get(_WIDTH, 0), pages[choice.page].values.get(_HEIGHT, 0)
    check_size(path, size, limits)
    image = _by_pillow(data, choice.page)
    if image is not None and image.size == size:
        profile, xmp = image.info.get("icc_profile"), image.tag_v2.get(_XMP, b"")
        return Picture(
            TIFF, size, lambda: _loaded(image, path), profile, data,
            xmp if isinstance(xmp, bytes) else b"", notes=choice.notes,
            is_lossless="jpeg" not in str(image.info.get("compression", "raw")),
        )  # fmt: skip
    return _by_tifffile(data, path, choice, size)


def _choose(path: Path, pages: Sequence[Directory]) -> _Choice:
    """Find the photograph among thumbnails, masks and a scanner's infrared plane."""
    called = {index: _what_it_is(page) for index, page in enumerate(pages)}
    photographs = [index for index, name in called.items() if name is None]
    colored = [index for index in photographs if pages[index].values.get(_SAMPLES, 1) >= 3]
    if len(photographs) > 1 and len(colored) == 1:
        shape = [pages[colored[0]].values.get(tag) for tag in (_WIDTH, _HEIGHT)]
        others = [index for index in photographs if index not in colored]
        if all([pages[index].values.get(tag) for tag in (_WIDTH, _HEIGHT)] == shape for index in others):
            called |= dict.fromkeys(others, "a gray plane of the same size, such as a scanner's infrared")
            photographs = colored
    check_frames(path, len(photographs))
    chosen = photographs[0] if photographs else 0
    return _Choice(
        chosen,
        tuple(
            f"page {index + 1} of the TIFF left out: {name}"
            for index, name in called.items()
            if index != chosen and name
        ),
    )


def _what_it_is(page: Directory) -> str | None:
    """Name what a page is if it is no photograph."""
    subfile = page.values.get(_SUBFILE, 0)
    if subfile & _REDUCED or page.values.get(_OLD_SUBFILE) == _OLD_REDUCED:
        return "a reduced copy"
    if subfile & _MASK or page.values.get(_PHOTOMETRIC) == 4:
        return "a mask"
    return "a depth map" if subfile & _DEPTH_MAP else None


def _by_pillow(data: bytes, index: int) -> _Tiff | None:
    """Open a page with Pillow; None where it cannot, or would lose depth."""
    try:
        image = _Tiff(io.BytesIO(data))
        image.seek(index)
        tags = image.tag_v2
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - it raises nearly everything on kinds that it does not know
        return None
    bits = set(tags.get(258, (1,)))
    is_plain = not {*_FLOATING, *_SIGNED} & set(tags.get(339, ()))
    return image if bits <= _PILLOW_BITS and is_plain and image.mode not in ("I", "F") else None


def _loaded(image: _Tiff, path: Path) -> Raster:
    image.load()
    return from_pillow(image, path)


def _by_tifffile(data: bytes, path: Path, choice: _Choice, size: tuple[int, int]) -> Picture:
    import tifffile

    file = tifffile.TiffFile(io.BytesIO(data))
    page = file.pages[choice.page]
    if (page.imagewidth, page.imagelength) != size:
        raise ValueError("two sizes")
    _check_kind(page, path)
    profile, xmp = page.tags.valueof(_PROFILE), page.tags.valueof(_XMP)
    return Picture(
        TIFF, size, lambda: unpack(page, len(data)), profile if isinstance(profile, bytes) else None, data,
        xmp if isinstance(xmp, bytes) else b"", notes=choice.notes, is_lossless=True,
    )  # fmt: skip


def _check_kind(page: Any, path: Path) -> None:  # noqa: ANN401 - tifffile's are not typed
    """Refuse, by its name, what is not read."""
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if page.sampleformat in _FLOATING or page.sampleformat in _SIGNED or bits > 16:
        numbers = "floating-point" if page.sampleformat in _FLOATING else "unusual whole"
        raise ImageError(
            f"{path} holds {numbers} numbers ({bits} bits a channel); export it with 8 or 16 bits a channel."
        )
    if page.photometric not in PHOTOMETRICS:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageError(f"{path} has colours of an unusual kind ({name}); save it again as {ACCEPTED}.")
    if page.compression not in COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise ImageError(
            f"{path} is compressed in a way that is not read at this depth ({name}); "
            "save it again with LZW, ZIP or no compression."
        )
