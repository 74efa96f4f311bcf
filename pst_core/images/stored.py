"""What a picture's file says about the photograph, as it is stored: found, measured, and not yet parsed.

References
----------
ITU-T T.81 and T.871 (JPEG and JFIF). PNG, third edition, W3C, 2025, sections 11.3.3 and 11.3.4. TIFF 6.0.
XMP specification, part 3, table 12: what texts of a PNG are called in XMP.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from pst_core.images import png
from pst_core.images.iptc import MAX_IPTC_BYTES, RESOURCES_HEADER, in_resources
from pst_core.images.jpeg import segments
from pst_core.images.kinds import BMP, JPEG, PNG, RAW, TIFF, Kind
from pst_core.images.metadata import (
    MAX_EXIF_BYTES,
    TooLargeError,
    check_directories,
    clean_exif,
    read_tags,
    sensible_resolution,
)
from pst_core.images.pillow import quiet_pillow
from pst_core.images.rasters import Picture
from pst_core.images.xmp import MAX_XMP_BYTES, Property

_DC = "http://purl.org/dc/elements/1.1/"
_PNG_TEXTS = {
    b"Title": ("title", "Alt"), b"Author": ("creator", "Seq"), b"Description": ("description", "Alt"),
    b"Copyright": ("rights", "Alt"),
}  # fmt: skip
_MAX_TEXT_BYTES = 2**16
_APP0, _APP13 = 0xE0, 0xED
_IPTC_TAG, _RESOURCES_TAG = 33723, 34377
_INCH, _METRE = 2.54, 0.0254


class Stored(NamedTuple):
    """What a photograph's file says about it.

    Attributes
    ----------
    exif
        A block that begins with ``Exif``, without orientation and thumbnail; empty for none.
    xmp
        The packet as it is stored, neither parsed nor trusted; empty for none.
    iptc
        IPTC-IIM's datasets, as they are stored.
    resolution
        Dots per inch, across and down, where the format has a place of its own for them.
    texts
        A PNG's own texts, in XMP's words.
    notes
        What of it is too large or broken and was left out, as plain sentences.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    resolution: tuple[float, float] | None = None
    texts: tuple[Property, ...] = ()
    notes: tuple[str, ...] = ()


NOTHING_STORED = Stored()


def find_stored(data: bytes, picture: Picture) -> Stored:
    """Find what a file says about its photograph.

    Parameters
    ----------
    data
        The whole file.
    picture
        What its header was read as.
    """
    notes: list[str] = []
    xmp = picture.xmp
    if len(xmp) > MAX_XMP_BYTES:
        notes.append(f"XMP of {len(xmp)} bytes left out: more than {MAX_XMP_BYTES} bytes")
        xmp = b""
    iptc = _cleanly("IPTC", lambda: _iptc_of(data, picture.kind), notes)
    if len(iptc) > MAX_IPTC_BYTES:
        notes.append(f"IPTC of {len(iptc)} bytes left out: more than {MAX_IPTC_BYTES} bytes")
        iptc = b""
    exif = _exif_of(picture, notes)
    texts = _texts_of(data) if picture.kind is PNG else ()
    return Stored(exif, xmp, iptc, _resolution_of(data, picture.kind), texts, tuple(notes))


def _cleanly(name: str, find: Callable[[], bytes | None], notes: list[str]) -> bytes:
    """What is found; nothing, and a note, where it is broken or too large."""
    try:
        with quiet_pillow():
            return find() or b""
    except TooLargeError as error:
        notes.append(f"{name} left out: {error}")
    except Exception:  # noqa: BLE001 - Pillow raises nearly everything on broken EXIF, and no picture hangs on it
        notes.append(f"{name} left out: it is broken")
    return b""


def _exif_of(picture: Picture, notes: list[str]) -> bytes:
    block = picture.exif
    # Where the file is one block, only a small part of it is kept.
    if len(block) > MAX_EXIF_BYTES and picture.kind not in (TIFF, RAW):
        notes.append(f"EXIF of {len(block)} bytes left out: more than {MAX_EXIF_BYTES} bytes")
        return b""

    def find() -> bytes | None:
        check_directories(block)
        return clean_exif(block)

    return _cleanly("EXIF", find, notes) if block else b""


def _iptc_of(data: bytes, kind: Kind) -> bytes:
    if kind is JPEG:
        parts = [data[body] for marker, body in segments(data) if marker == _APP13]
        resources = (
            part.removeprefix(RESOURCES_HEADER) for part in parts if part.startswith(RESOURCES_HEADER)
        )
        return in_resources(b"".join(resources))
    if kind is not TIFF:
        return b""
    check_directories(data)
    tags = read_tags(data)
    block = _as_bytes(tags.get(_IPTC_TAG), data)
    return block or in_resources(_as_bytes(tags.get(_RESOURCES_TAG), data))


def _as_bytes(value: object, data: bytes) -> bytes:
    """A tag's bytes: some programs declare IPTC as a row of 32-bit numbers, which it is not."""
    if isinstance(value, tuple) and all(isinstance(number, int) for number in value):
        order = "<" if data[:2] == b"II" else ">"
        return struct.pack(f"{order}{len(value)}I", *value)
    return value if isinstance(value, bytes) else b""


def _resolution_of(data: bytes, kind: Kind) -> tuple[float, float] | None:
    """Dots per inch by JFIF, PNG or BMP; of TIFF, EXIF says it."""
    across, down = 0.0, 0.0
    if kind is JPEG:
        marker, body = next(segments(data), (0, slice(0)))
        if marker == _APP0 and data[body].startswith(b"JFIF\0") and len(data[body]) >= 12:
            unit, *density = struct.unpack_from(">BHH", data[body], 7)
            across, down = (each * {1: 1.0, 2: _INCH}.get(unit, 0.0) for each in density)
    elif kind is PNG:
        found = next((chunk.payload(data) for chunk in png.walk(data) if chunk.kind == b"pHYs"), b"")
        if len(found) == 9 and found[8] == 1:
            across, down = (each * _METRE for each in struct.unpack(">II", found[:8]))
    elif kind is BMP and len(data) > 46:
        across, down = (max(each, 0) * _METRE for each in struct.unpack_from("<ii", data, 38))
    return sensible_resolution(across, down)


def _texts_of(data: bytes) -> tuple[Property, ...]:
    found = {}
    for chunk in png.walk(data):
        if chunk.kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        payload = chunk.payload(data)
        name = payload.partition(b"\0")[0]
        if name in _PNG_TEXTS and (text := _png_text(chunk.kind, payload, name)):
            local, container = _PNG_TEXTS[name]
            found[local] = Property("dc", _DC, local, (text,), container)
    return tuple(found.values())


def _png_text(kind: bytes, payload: bytes, name: bytes) -> str:
    """Decode one of a PNG's texts; empty if it is broken, or longer than texts about a picture are."""
    try:
        text = png.read_text(kind, payload, name, _MAX_TEXT_BYTES) or b""
        return text.decode("utf-8" if kind == b"iTXt" else "latin-1").strip()
    except ValueError:
        return ""
