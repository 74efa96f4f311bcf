"""IPTC-IIM: captions, credits and places as news agencies have written them since 1991, before XMP.

References
----------
IPTC-NAA Information Interchange Model, version 4.2, 2014. IPTC Photo Metadata Standard 2023.1, for what each
dataset is called in XMP. Adobe Photoshop File Formats Specification, "Image Resources".
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pst_core.images.xmp import Property

MAX_IPTC_BYTES = 60_000  # what fits into a JPEG segment, with what is around it
RESOURCES_HEADER = b"Photoshop 3.0\0"
"""What a JPEG segment begins with that holds Photoshop's image resources."""

_RESOURCE = 0x0404
_UTF_8 = b"\x1b%G"
_PLACE = {26, 27, 90, 92, 95, 100, 101}
# A picture's layout, previews and sound: of the old file.
_OF_THE_FILE = {125, 130, 131, 150, 151, 152, 153, 154, 200, 201, 202}

_DC, _PHOTOSHOP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/photoshop/1.0/"
_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
# Dataset of record 2 -> prefix, namespace, name and container of the same property in XMP.
_IN_XMP: dict[int, tuple[str, str, str, str]] = {
    5: ("dc", _DC, "title", "Alt"),
    25: ("dc", _DC, "subject", "Bag"),
    40: ("photoshop", _PHOTOSHOP, "Instructions", ""),
    80: ("dc", _DC, "creator", "Seq"),
    85: ("photoshop", _PHOTOSHOP, "AuthorsPosition", ""),
    90: ("photoshop", _PHOTOSHOP, "City", ""),
    92: ("Iptc4xmpCore", _CORE, "Location", ""),
    95: ("photoshop", _PHOTOSHOP, "State", ""),
    100: ("Iptc4xmpCore", _CORE, "CountryCode", ""),
    101: ("photoshop", _PHOTOSHOP, "Country", ""),
    103: ("photoshop", _PHOTOSHOP, "TransmissionReference", ""),
    105: ("photoshop", _PHOTOSHOP, "Headline", ""),
    110: ("photoshop", _PHOTOSHOP, "Credit", ""),
    115: ("photoshop", _PHOTOSHOP, "Source", ""),
    116: ("dc", _DC, "rights", "Alt"),
    120: ("dc", _DC, "description", "Alt"),
    122: ("photoshop", _PHOTOSHOP, "CaptionWriter", ""),
}


class _Dataset(NamedTuple):
    record: int
    number: int
    value: bytes


def clean_iptc(block: bytes, *, with_place: bool = True) -> bytes:
    """Copy what describes the photograph, and leave what describes the old file.

    Parameters
    ----------
    block
        Datasets one after another.
    with_place
        Whether to copy what says where the photograph was taken.

    Raises
    ------
    ValueError
        It is broken.
    """
    left = _OF_THE_FILE | (set() if with_place else _PLACE)
    kept = [
        each for each in _datasets(block)
        if (each.record, each.number) == (1, 90) or (each.record == 2 and each.number not in left)
    ]  # fmt: skip
    if not any(each.record == 2 and each.number for each in kept):  # 2:00 is the version alone
        return b""
    return b"".join(_packed(each) for each in kept)


def as_properties(block: bytes) -> list[Property]:
    """The same in XMP's words, for formats that have no place for IPTC.

    Raises
    ------
    ValueError
        It is broken.
    """
    datasets = list(_datasets(block))
    utf_8 = any((each.record, each.number, each.value) == (1, 90, _UTF_8) for each in datasets)
    values: dict[int, list[str]] = {}
    for each in datasets:
        text = _text(each.value, utf_8=utf_8)
        if each.record == 2 and each.number in _IN_XMP and text:
            values.setdefault(each.number, []).append(text)
    return [
        Property(*_IN_XMP[number][:3], tuple(texts), _IN_XMP[number][3])
        for number, texts in sorted(values.items())
    ]


def in_resources(resources: bytes) -> bytes:
    """Find the IPTC block among Photoshop's image resources; empty if there is none.

    Raises
    ------
    ValueError
        The resources are broken before it.
    """
    position = 0
    try:
        while resources[position : position + 4] == b"8BIM":
            (number,) = struct.unpack_from(">H", resources, position + 4)
            position += 6
            position += (resources[position] // 2 + 1) * 2  # a name, with its length, to an even end
            (size,) = struct.unpack_from(">I", resources, position)
            position += 4
            if number == _RESOURCE:
                return resources[position : position + size]
            position += size + size % 2
    except (struct.error, IndexError) as error:
        raise ValueError("truncated resources") from error
    return b""


def as_resource(block: bytes) -> bytes:
    """Wrap an IPTC block into Photoshop's image resources, as a JPEG's APP13 segment holds them."""
    return b"8BIM" + struct.pack(">HHI", _RESOURCE, 0, len(block)) + block + bytes(len(block) % 2)


def _datasets(block: bytes) -> Iterator[_Dataset]:
    position = 0
    while position < len(block) and block[position] == 0x1C:
        if position + 5 > len(block):
            raise ValueError("a truncated dataset")
        record, number, size = struct.unpack_from(">BBH", block, position + 1)
        position += 5
        if size & 0x8000:  # extended: the length of the length
            digits = size & 0x7FFF
            size = int.from_bytes(block[position : position + digits], "big")
            position += digits
        if position + size > len(block):
            raise ValueError("a truncated dataset")
        yield _Dataset(record, number, block[position : position + size])
        position += size
    if block[position:].strip(b"\0"):  # padding is common
        raise ValueError("something else than datasets")


def _packed(dataset: _Dataset) -> bytes:
    size = len(dataset.value)
    head = struct.pack(">H", size) if size < 0x8000 else struct.pack(">HI", 0x8004, size)
    return bytes([0x1C, dataset.record, dataset.number]) + head + dataset.value


def _text(value: bytes, *, utf_8: bool) -> str:
    """Decode a text; many programs write UTF-8 and do not say so."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("utf-8" if utf_8 else "latin-1", errors="replace")
    # XML has no place for control characters.
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n\r").strip()
