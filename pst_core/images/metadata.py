"""EXIF: what a photograph says about itself, read with care and cleaned for a restyled copy.

An EXIF block has the structure of a TIFF file: directories of tags, each tag a number of values at an
offset. Nothing in that structure keeps every tag of a directory from pointing at the same megabytes, and
Pillow copies what each tag points at. So directories are added up here before Pillow sees them.

References
----------
TIFF revision 6.0, Adobe, 1992, section 2. Exif 3.0, CIPA DC-008-2023, section 4.6.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import Image

MAX_EXIF_BYTES = 64 * 1024 - 3  # what fits into a JPEG segment, behind its length

EXIF_HEADER = b"Exif\0\0"
_ACROSS, _DOWN, _UNIT, _CENTIMETRES = 282, 283, 296, 3
_ORIENTATION, _EXIF, _GPS = 274, 34665, 34853
_MAKER_NOTE, _COLOR_SPACE = 37500, 40961
_MAX_DIRECTORIES = 64
# Bytes of one value, by the type's number; unknown types count as the largest.
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}

# Types of whole numbers without a sign, as `struct` calls them.
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}

# What describes the photograph. Everything else in the first directory describes the old file's bytes
# (strips, tiles, colour profile, orientation, thumbnail) and would be wrong in the new one.
_KEPT = (
    {270, 271, 272, 305, 306, 315, 316, 33432, _EXIF, _GPS}  # description, camera, software, date, people
    | {282, 283, 296}  # resolution in print
    | {18246, 18249, 40091, 40092, 40093, 40094, 40095}  # ratings and titles as Windows writes them
)
# In the EXIF directory: sizes in pixels of the old file, and the offset of a directory that is not copied.
_DROPPED_EXIF = {40962, 40963, 40965}


class TooLargeError(ValueError):
    """What describes the photograph does not fit into a block of EXIF."""


class Directory(NamedTuple):
    """One directory of a TIFF structure.

    Attributes
    ----------
    values
        Tag -> its value, where that is one whole number that stands in the directory itself.
    types
        Tag -> the number of its type, for all tags.
    total_bytes
        What all its tags point at.
    next_offset
        Where the next directory begins; 0 behind the last one.
    """

    values: dict[int, int]
    types: dict[int, int]
    total_bytes: int
    next_offset: int


def directories(data: bytes) -> Iterator[Directory]:
    """Walk over the chain of directories of a TIFF or BigTIFF structure, at most 64 of them.

    Raises
    ------
    ValueError
        The structure is broken, or its directories form a ring.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\0", b"\0\x2b")
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        seen: set[int] = set()
        while offset and len(seen) < _MAX_DIRECTORIES:
            if offset in seen:
                raise ValueError("the directories form a ring")
            seen.add(offset)
            directory = _directory(data, offset, order, big=big)
            yield directory
            offset = directory.next_offset
    except struct.error as error:
        raise ValueError("a truncated directory") from error


def check_directories(data: bytes) -> None:
    """Refuse a TIFF structure whose tags would unfold to far more bytes than it has.

    Raises
    ------
    ValueError
        They would, or the structure is broken.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\0", b"\0\x2b")
    total = 0
    for directory in directories(data):
        total += directory.total_bytes
        for tag in (_EXIF, _GPS):
            if offset := directory.values.get(tag):
                try:
                    total += _directory(data, offset, order, big=big).total_bytes
                except struct.error:  # a lost sub-directory is common and costs nothing
                    continue
    if total > 2 * len(data) + 2**20:
        raise ValueError("its tags overlap")


def bare_exif(block: bytes) -> bytes:
    """Return the TIFF structure of an EXIF block, behind its header, or behind several: some write two."""
    while block.startswith(EXIF_HEADER):
        block = block[len(EXIF_HEADER) :]
    return block


def read_tags(structure: bytes) -> Image.Exif:
    """Read the tags of a TIFF or BigTIFF structure's first directory.

    Raises
    ------
    Exception
        Whatever Pillow raises on a broken one; it is of many kinds.
    """
    tags, offset = Image.Exif(), None
    # Pillow takes the head for a TIFF's, unless it is told; with the high byte first it cannot be told.
    if structure[:4] == b"II\x2b\0":
        tags.bigtiff, tags.endian = True, "<"
        (offset,) = struct.unpack_from("<Q", structure, 8)
    tags.load_from_fp(io.BytesIO(structure), offset)
    return tags


def clean_exif(exif: bytes, *, with_place: bool = True) -> bytes | None:
    """Copy what describes the photograph, and leave what describes the old file's bytes.

    Orientation, thumbnail and pixel sizes go, since the picture is upright and new; the colour space is sRGB.

    Parameters
    ----------
    exif
        A TIFF structure: the EXIF block without its ``Exif`` header, or a whole TIFF file.
    with_place
        Whether to copy what says where the photograph was taken: GPS, and the maker's own notes, in which
        some cameras name the place, too.

    Returns
    -------
    bytes or None
        An EXIF block of at most `MAX_EXIF_BYTES` that begins with ``Exif``, or None if nothing is left.

    Raises
    ------
    TooLargeError
        It does not fit into `MAX_EXIF_BYTES`.
    Exception
        Whatever Pillow raises on broken EXIF; it is of many kinds.
    """
    old = read_tags(exif)
    new = Image.Exif()
    new.endian = "<"
    for tag in sorted(_KEPT & set(old) - (set() if with_place else {_GPS})):
        value = _sub_directory(old, tag) if tag in (_EXIF, _GPS) else old[tag]
        if tag == _EXIF and not with_place:
            value.pop(_MAKER_NOTE, None)
        if value not in (None, {}):
            new[tag] = value
    if not new:
        return None
    block = new.tobytes()
    if len(block) > MAX_EXIF_BYTES and isinstance(new.get(_EXIF), dict):
        # The one large tag, private to the camera's maker, and broken by any move of the block anyway.
        new[_EXIF] = {tag: value for tag, value in new[_EXIF].items() if tag != _MAKER_NOTE}
        block = new.tobytes()
    if len(block) > MAX_EXIF_BYTES:
        raise TooLargeError(f"more than {MAX_EXIF_BYTES} bytes")
    return block


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Dots per inch, across and down, by a cleaned EXIF block; None where it does not say so."""
    if not exif:
        return None
    parsed = Image.Exif()
    parsed.load(exif)
    try:
        across, down = (float(parsed.get(tag, 0)) for tag in (_ACROSS, _DOWN))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    scale = 2.54 if parsed.get(_UNIT) == _CENTIMETRES else 1.0
    return sensible_resolution(scale * across, scale * down)


def sensible_resolution(across: float, down: float) -> tuple[float, float] | None:
    """A resolution in dots per inch that can be one; otherwise None."""
    return (across, down) if min(across, down) >= 1 and max(across, down) <= 65535 else None


def with_resolution(exif: bytes, resolution: tuple[float, float]) -> bytes:
    """An EXIF block, empty or not, that says a resolution in dots per inch."""
    block = Image.Exif()
    if exif:
        block.load(exif)
    block.endian = "<"
    block[_ACROSS], block[_DOWN], block[_UNIT] = *resolution, 2
    for tag in (_EXIF, _GPS):
        if tag in block:
            block[tag] = dict(block.get_ifd(tag))
    return block.tobytes()


def _sub_directory(exif: Image.Exif, tag: int) -> dict[int, Any]:
    found = {
        key: value for key, value in exif.get_ifd(tag).items() if key not in _DROPPED_EXIF or tag == _GPS
    }
    if tag == _EXIF and _COLOR_SPACE in found:
        found[_COLOR_SPACE] = 1  # sRGB
    return found


def _directory(data: bytes, offset: int, order: str, *, big: bool) -> Directory:
    """Read one directory.

    Raises
    ------
    struct.error
        It does not lie within the data.
    """
    count_format, entry_format, entry_size = (
        (order + "Q", order + "HHQ", 20) if big else (order + "H", order + "HHI", 12)
    )
    if offset > len(data):
        raise struct.error("offset beyond the end")
    (count,) = struct.unpack_from(count_format, data, offset)
    position = offset + struct.calcsize(count_format)
    inline = entry_size - struct.calcsize(entry_format)
    values, types, total = {}, {}, 0
    for _ in range(count):
        tag, kind, amount = struct.unpack_from(entry_format, data, position)
        size = _TYPE_SIZES.get(kind, 8) * amount
        types[tag] = kind
        if size > inline:
            total += min(size, len(data))
        elif kind in _WHOLE_NUMBERS and amount == 1:
            place = position + entry_size - inline
            (values[tag],) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], data, place)
        position += entry_size
    tail = data[position : position + (8 if big else 4)]
    following = int.from_bytes(tail, "little" if order == "<" else "big")
    return Directory(values, types, total, following)
