"""JPEG, read with its decoder's warnings: damage, bytes that belong nowhere, and ends that are no end.

Pillow reads the header and what the file says besides; libjpeg-turbo, through simplejpeg, decodes, because
it tells what Pillow keeps to itself: that the data did not add up.

References
----------
ITU-T T.81, annexes B (markers) and G (progressive scans).
"""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import JpegImagePlugin

from pst_core.errors import ImageError
from pst_core.images.kinds import JPEG
from pst_core.images.limits import ImageLimits, check_size
from pst_core.images.metadata import EXIF_HEADER, bare_exif
from pst_core.images.pillow import from_pillow
from pst_core.images.profiles import Samples, Space
from pst_core.images.rasters import Picture, Raster

_ICC = b"ICC_PROFILE\0"
_END = b"\xff\xd9"
# What ends the coded data of a scan: a marker that is neither a stuffed byte nor a restart.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_BEYOND = re.compile(r"([1-9]\d*) extraneous bytes before marker 0xd9")  # how the decoder tells of them
_START_OF_SCAN, _APP2, _FRAMES = 0xDA, 0xE2, (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)  # any number of bytes may fill the place before it
# simplejpeg's name of the samples that each of Pillow's modes has, and what they mean.
_SPACES: dict[str, tuple[str, Space]] = {
    "L": ("GRAY", "gray"), "RGB": ("RGB", "rgb"), "CMYK": ("CMYK", "cmyk"),
}  # fmt: skip


def segments(data: bytes) -> Iterator[tuple[int, slice]]:
    """Walk over a JPEG's segments up to its first scan: each one's marker, and where its body lies."""
    position = 2
    while found := _MARKER.match(data, position):
        marker, length = found[1][0], int.from_bytes(data[found.end() : found.end() + 2], "big")
        if marker == _START_OF_SCAN or length < 2:
            return
        position = found.end() + length
        yield marker, slice(found.end() + 2, position)


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose EXIF is not parsed while its header is read, when nobody has measured it yet."""

    def _read_dpi_from_exif(self) -> None:
        """Leave the resolution alone; nothing here depends on it."""


def open_jpeg(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse a JPEG's header; of a multi-picture file, as phones write them, the first is the photograph."""
    image = _Jpeg(io.BytesIO(data))
    check_size(path, image.size, limits)
    profile = image.info.get("icc_profile")
    exif = image.info.get("exif", b"")
    notes = ["EXIF found behind a doubled header"] if exif.startswith(2 * EXIF_HEADER) else []
    lost = profile is None and any(
        marker == "APP2" and segment.startswith(_ICC) for marker, segment in image.applist
    )
    if lost:
        notes.append("colour profile ignored: a part of it is missing")
    return Picture(
        JPEG, image.size, lambda: _unpack(image, data, path), profile, bare_exif(exif),
        image.info.get("xmp", b""), notes=tuple(notes),
    )  # fmt: skip


def _unpack(image: _Jpeg, data: bytes, path: Path) -> Raster:
    try:
        samples = _decoded(data, image)
    except ValueError as error:  # a warning of the decoder's, in its words, or what it cannot decode
        complaint = str(error)
        if "ICC" not in complaint:
            return _odd(image, data, complaint, path)
        try:  # it warns of one thing only, and of this one the header's reader has told already
            samples = _decoded(_without_profile(data), image)
        except ValueError as another:
            return _odd(image, data, str(another), path)
    return Raster(samples, _SPACES[image.mode][1])


def _decoded(data: bytes, image: _Jpeg) -> Samples:
    """Decode what leaves the decoder without a complaint.

    Raises
    ------
    ValueError
        The decoder complains; of damage in words that begin with a capital.
    """
    import simplejpeg

    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    if (width, height) != image.size:  # what was checked is Pillow's; nothing else may be allocated
        raise ValueError("two sizes")
    colors, space = _SPACES[image.mode]
    samples: Samples = simplejpeg.decode_jpeg(data, colors)
    if space == "gray":
        return samples[..., 0]
    return ~samples if space == "cmyk" else samples  # Adobe's inks are stored inverted, and all follow


def _odd(image: _Jpeg, data: bytes, complaint: str, path: Path) -> Raster:
    """Decode what the decoder complains about, and say so; refuse what is really cut short."""
    body, notes = _without_tail(data), []
    if body is not None:
        notes = ["the file's end marker is missing"]
        samples, complaint = _before_end(body, image)
        if samples is not None:
            return Raster(samples, _SPACES[image.mode][1], notes=tuple(notes))
        if "premature end" in complaint:
            raise ImageError(f"{path} is a JPEG picture that is cut short; copy or export it again.")
        image = _Jpeg(io.BytesIO(body + _END))
    image.load()
    notes.append(f"damaged JPEG data, a part of the picture may be wrong (its decoder: {_plain(complaint)})")
    return replace(from_pillow(image, path), notes=tuple(notes))


def _before_end(body: bytes, image: _Jpeg) -> tuple[Samples | None, str]:
    """Decode what lacks its end marker, and leave what the decoder says to be beyond its last pixels.

    Returns
    -------
    samples : ndarray or None
        None if it complains of anything else.
    complaint : str
    """
    complaint = ""
    for _ in range(3):
        try:
            return _decoded(body + _END, image), ""
        except ValueError as error:
            complaint = str(error)
        if (beyond := _BEYOND.search(complaint)) is None:
            break
        body = body[: -int(beyond[1])]
    return None, complaint


def _without_profile(data: bytes) -> bytes:
    """Leave the segments out that hold parts of a colour profile."""
    kept, position = [data[:2]], 2
    for marker, body in segments(data):
        if marker != _APP2:
            kept.append(data[position : body.stop])
        position = body.stop
    return b"".join([*kept, data[position:]])


def _plain(complaint: str) -> str:
    return complaint.removeprefix("Corrupt JPEG data: ")


def _without_tail(data: bytes) -> bytes | None:
    """Return a JPEG up to where its coded data end, if no end marker is there; None if one is, or data lack.

    The walk over markers ends at the first thing that is none, such as what a maker's program has put there.
    """
    lacking: dict[int, set[int]] = {}
    end, position = 0, 2
    while found := _MARKER.match(data, position):
        marker, position = found[1][0], found.end() - 2
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if marker == _END[1]:
            return None
        if not (0xC0 <= marker <= 0xCF or 0xDA <= marker <= 0xEF or marker == 0xFE) or length < 2:
            break
        position += 2 + length
        if marker in _FRAMES and len(segment) > 5:
            lacking = {component: set(range(64)) for component in segment[6 : 6 + 3 * segment[5] : 3]}
        elif marker == _START_OF_SCAN:
            _strike(lacking, segment)
            following = _AFTER_SCAN.search(data, position)
            end = position = following.start() if following else len(data.rstrip(b"\xff"))
    return data[:end] if end and lacking and not any(lacking.values()) else None


def _strike(lacking: dict[int, set[int]], scan: bytes) -> None:
    """Strike off the coefficients that a scan brings to their last bit."""
    count = scan[0] if scan else 0
    first, last, bits = scan[1 + 2 * count : 4 + 2 * count].ljust(3, b"\0")
    for index in range(count):
        if bits & 15 == 0:
            lacking.get(scan[1 + 2 * index], set()).difference_update(range(first, last + 1))
