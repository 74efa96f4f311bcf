"""Results as TIFF: tifffile writes the picture, and what it does not write of EXIF is added here.

References
----------
TIFF revision 6.0, Adobe, 1992, section 2. XMP specification, part 3, for the tags of XMP and IPTC.
"""

import io
import struct
from typing import Any

from PIL import Image, TiffImagePlugin

from pst_core.images.carried import Carried
from pst_core.images.pillow import quiet_pillow
from pst_core.images.profiles import Samples, srgb_profile

_EXIF_TAG, _GPS_TAG, _XMP_TAG, _IPTC_TAG = 34665, 34853, 700, 33723
_BYTE, _ASCII, _SHORT, _UNDEFINED = 1, 2, 3, 7
# Tags of EXIF's first directory that are short texts: image description, camera, software, date, people.
_TEXT_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432)
_RATING_TAGS, _WINDOWS_TEXT_TAGS = (18246, 18249), (40091, 40092, 40093, 40094, 40095)

_Tag = tuple[int, int, int, bytes | int, bool]


def encode_tiff(samples: Samples, carried: Carried) -> bytes:
    """Encode a picture as TIFF.

    Parameters
    ----------
    samples
        Shape (H, W, 3), or (H, W, 4) with alpha.
    carried
        What is written besides; the recipe is in its XMP.
    """
    import tifffile

    tags, directories = _exif_parts(carried.exif)
    if carried.xmp:
        tags.append((_XMP_TAG, _BYTE, len(carried.xmp), carried.xmp, True))
    if carried.iptc:
        tags.append((_IPTC_TAG, _UNDEFINED, len(carried.iptc), carried.iptc, True))
    resolution = {} if carried.resolution is None else {"resolution": carried.resolution, "resolutionunit": 2}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, samples, byteorder="<", photometric="rgb", compression="zlib", predictor=True,
        extrasamples=["unassalpha"] if samples.shape[2] == 4 else None, rowsperstrip=256,
        iccprofile=srgb_profile(), metadata=None, software=False, extratags=tags, **resolution,
    )  # fmt: skip
    return _with_directories(buffer.getvalue(), directories) if directories else buffer.getvalue()


def _exif_parts(exif: bytes) -> tuple[list[_Tag], dict[int, dict[int, Any]]]:
    """Return the tags of EXIF's first directory (texts in UTF-8), and its sub-directories."""
    parsed = Image.Exif()
    if not exif:
        return [], {}
    with quiet_pillow():
        parsed.load(exif)
        tags: list[_Tag] = [
            (tag, _ASCII, 0, str(parsed[tag]).encode(), True) for tag in _TEXT_TAGS if parsed.get(tag)
        ]
        tags += [
            (tag, _SHORT, 1, parsed[tag], True) for tag in _RATING_TAGS if isinstance(parsed.get(tag), int)
        ]
        tags += [
            (tag, _BYTE, len(parsed[tag]), parsed[tag], True)
            for tag in _WINDOWS_TEXT_TAGS
            if isinstance(parsed.get(tag), bytes)
        ]
        return tags, {tag: found for tag in (_EXIF_TAG, _GPS_TAG) if (found := parsed.get_ifd(tag))}


def _with_directories(tiff: bytes, directories: dict[int, dict[int, Any]]) -> bytes:
    """Append sub-directories to a little-endian TIFF, and then its first directory anew, pointing at them.

    Every offset in a TIFF counts from its beginning, so all that is there can stay where it is.
    """
    if tiff[2:4] != b"\x2a\0":  # BigTIFF, which tifffile chooses beyond 4 GB
        raise ValueError("too large for EXIF")
    (first,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, first)
    entries = [tiff[start : start + 12] for start in range(first + 2, first + 2 + 12 * count, 12)]
    data = bytearray(tiff)
    for tag, directory in directories.items():
        data.extend(bytes(len(data) % 2))  # directories begin on even offsets
        entries.append(struct.pack("<HHII", tag, 4, 1, len(data)))
        data.extend(_serialised(tag, directory, len(data)))
    data.extend(bytes(len(data) % 2))
    struct.pack_into("<I", data, 4, len(data))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    data.extend(struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
    return bytes(data)


def _serialised(tag: int, directory: dict[int, Any], offset: int) -> bytes:
    writer = TiffImagePlugin.ImageFileDirectory_v2(group=tag)
    with quiet_pillow():
        for key, value in directory.items():
            writer[key] = value
        return writer.tobytes(offset)
