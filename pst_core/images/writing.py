"""Results, out: 8 or 16 bits a channel, in sRGB and saying so, with their EXIF and their recipe."""

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pst_core.errors import OutputError
from pst_core.files import write_bytes_atomically
from pst_core.images import png
from pst_core.images.embedding import KEYWORD, recipe_text, xmp_packet
from pst_core.images.metadata import MAX_EXIF_BYTES, check_directories, clean_exif
from pst_core.images.pillow import quiet_pillow
from pst_core.images.profiles import Samples, srgb_profile
from pst_core.images.transparency import on_white
from pst_core.shapes import expect_shapes

OutputFormat = Literal["PNG", "JPEG", "WEBP", "TIFF"]

_EXTENSIONS: dict[str, OutputFormat] = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
_LONGEST_SIDE: dict[OutputFormat, int] = {"JPEG": 65535, "WEBP": 16383}
# A JPEG segment holds 65533 bytes; XMP's begins with the 29 bytes of its identifier.
_MAX_JPEG_XMP = 65533 - 29
_EXIF_HEADER = b"Exif\0\0"
_EXIF_TAG, _GPS_TAG, _XMP_TAG = 34665, 34853, 700
# Tags of EXIF's first directory that are short texts: image description, camera, software, date, people.
_TEXT_TAGS = (270, 271, 272, 306, 315, 316, 33432)


@dataclass(frozen=True)
class _Metadata:
    exif: bytes | None
    recipe: str | None

    @property
    def xmp(self) -> bytes:
        return b"" if self.recipe is None else xmp_packet(self.recipe)


def output_format(path: str | os.PathLike[str]) -> OutputFormat:
    """Return the format that a result's extension asks for.

    Raises
    ------
    OutputError
        It is none of .png, .jpg, .jpeg, .webp, .tif, .tiff, in either case.
    """
    extension = Path(path).suffix.lower()
    if extension not in _EXTENSIONS:
        accepted = ", ".join(_EXTENSIONS)
        raise OutputError(f"{path} does not say which format to write; end its name with one of {accepted}.")
    return _EXTENSIONS[extension]


def write_image(
    path: str | os.PathLike[str],
    pixels: NDArray[np.float32],
    *,
    bit_depth: int = 8,
    alpha: NDArray[np.float32] | None = None,
    exif: bytes | None = None,
    recipe: dict[str, Any] | None = None,
    overwrite: bool = False,
    quality: int = 95,
) -> None:
    """Write a picture atomically, with an sRGB profile; the same input gives the same bytes.

    Parameters
    ----------
    path
        Where to; its extension decides the format (see `output_format`). Missing folders are created.
    pixels
        Shape (3, H, W), sRGB in [0, 1]; clipped, and rounded to the nearest level.
    bit_depth
        8, or 16 for PNG and TIFF.
    alpha
        Shape (H, W) in [0, 1], not premultiplied, or None. JPEG has no alpha: there it is white paper that
        shows through, for colours that were hidden are nobody's to see.
    exif
        An EXIF block as in `Photograph.exif`, at most 64 KiB. Its orientation is left out: the picture is
        upright.
    recipe
        A JSON-serialisable object to embed: as PNG text ``pst:recipe``, as XMP elsewhere.
    overwrite
        Replace an existing file.
    quality
        1 to 100, for JPEG (without chroma subsampling) and WebP. WebP at 100 is lossless; below, its format
        halves the resolution of chroma.

    Raises
    ------
    OutputError
        The format cannot hold what is asked, pixels are not finite, or the file cannot be written.
    ValueError
        The arrays have the wrong shapes, or `bit_depth` or `quality` is none of the allowed.
    """
    target = Path(path)
    kind = output_format(target)
    _check_shapes(pixels, alpha, bit_depth, quality)
    _check_request(target, kind, pixels, alpha, bit_depth)
    if not overwrite and os.path.lexists(target):  # known now, so not encoded in vain
        raise OutputError(f"{target} exists already; choose another name or allow it to be overwritten.")
    metadata = _Metadata(_checked_exif(target, exif), None if recipe is None else recipe_text(recipe))
    if kind == "JPEG" and len(metadata.xmp) > _MAX_JPEG_XMP:
        raise OutputError(
            f"{target} cannot carry a recipe of more than 64 kB; write PNG, WebP or TIFF instead."
        )
    if kind == "JPEG":
        pixels, alpha = on_white(pixels, alpha), None
    samples = to_levels(pixels, alpha, bit_depth)
    write_bytes_atomically(target, _encoded(target, kind, samples, metadata, quality), overwrite=overwrite)


def encode_png(
    pixels: NDArray[np.float32],
    *,
    bit_depth: int = 8,
    alpha: NDArray[np.float32] | None = None,
    exif: bytes | None = None,
) -> bytes:
    """Encode a picture as `write_image` would, without a recipe.

    Raises
    ------
    OutputError
        Pixels are not finite, or EXIF is broken.
    """
    target = Path("the picture.png")  # what messages call it
    _check_shapes(pixels, alpha, bit_depth, quality=100)
    _check_request(target, "PNG", pixels, alpha, bit_depth)
    metadata = _Metadata(_checked_exif(target, exif), None)
    return _encoded(target, "PNG", to_levels(pixels, alpha, bit_depth), metadata, 100)


def embed_recipe(picture: bytes, recipe: dict[str, Any]) -> bytes:
    """Put a recipe into a PNG that has none, without encoding its pixels again.

    Raises
    ------
    OutputError
        As for `recipe_text`.
    """
    text = png.international_text(KEYWORD, recipe_text(recipe))
    return png.insert(picture, b"iTXt", text)


def _check_shapes(
    pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None, bit_depth: int, quality: int
) -> None:
    """Refuse what is a mistake of the program, not of its user."""
    expect_shapes("pixels: 3 H W", pixels)
    if alpha is not None:
        expect_shapes("pixels: 3 H W, alpha: H W", pixels, alpha)
    if bit_depth not in (8, 16) or not 1 <= quality <= 100:
        raise ValueError("bit_depth must be 8 or 16, and quality 1 to 100")


def _check_request(
    path: Path,
    kind: OutputFormat,
    pixels: NDArray[np.float32],
    alpha: NDArray[np.float32] | None,
    bit_depth: int,
) -> None:
    """Refuse what the format cannot hold, and values that no format can."""
    if bit_depth == 16 and kind in ("JPEG", "WEBP"):
        raise OutputError(f"{path} cannot have 16 bits a channel; write PNG or TIFF, or ask for 8 bits.")
    if max(pixels.shape) > _LONGEST_SIDE.get(kind, 2**31 - 1):
        raise OutputError(
            f"{path} would be longer than {kind} allows ({_LONGEST_SIDE[kind]} pixels); write PNG or TIFF."
        )
    if not np.isfinite(pixels).all() or (alpha is not None and not np.isfinite(alpha).all()):
        raise OutputError(
            f"{path} was not written: the picture has values that are not numbers; run it again."
        )


def _checked_exif(path: Path, exif: bytes | None) -> bytes | None:
    """Clean the block again: one that still turns the picture, upright by now, would turn it twice."""
    if not exif:
        return None
    if len(exif) > MAX_EXIF_BYTES:
        raise OutputError(f"{path} cannot carry EXIF of {len(exif)} bytes; leave it out.")
    block = exif.removeprefix(_EXIF_HEADER)
    try:
        with quiet_pillow():
            check_directories(block)
            return clean_exif(block)
    except Exception as error:  # Pillow raises nearly everything on broken EXIF
        raise OutputError(f"{path} cannot carry EXIF that is broken; leave it out.") from error


def to_levels(
    pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None = None, bit_depth: int = 8
) -> Samples:
    """Round a picture of shape (3, H, W) on [0, 1], which it is clipped to, to integers as files hold them.

    Returns
    -------
    ndarray of uint8, or uint16 with a `bit_depth` of 16
        Shape (H, W, 3), or (H, W, 4) with an alpha of shape (H, W); contiguous.
    """
    top, kind = (255, np.uint8) if bit_depth == 8 else (65535, np.uint16)
    planes = [*pixels, *([] if alpha is None else [alpha])]
    samples = np.empty((*pixels.shape[1:], len(planes)), kind)
    for index, plane in enumerate(planes):  # one at a time: a third of the memory of all at once
        samples[..., index] = np.rint(np.clip(plane, 0, 1) * np.float32(top))
    return samples


def _encoded(path: Path, kind: OutputFormat, samples: Samples, metadata: _Metadata, quality: int) -> bytes:
    # exact: colours under a transparent alpha are kept, as in the other formats.
    webp = {"lossless": quality == 100, "method": 4, "exact": True}
    try:
        match kind:
            case "PNG":
                return _png(samples, metadata)
            case "TIFF":
                return _tiff(samples, metadata)
            case "JPEG":
                return _pillow(samples, metadata, kind, quality=quality, subsampling=0, optimize=True)
            case "WEBP":
                return _pillow(samples, metadata, kind, quality=quality, **webp)
    except MemoryError as error:
        raise OutputError(
            f"{path} does not fit into memory while it is encoded; close other programs."
        ) from error
    except (OSError, ValueError, SyntaxError, struct.error) as error:  # such as a TIFF of more than 4 GB
        raise OutputError(f"{path} could not be encoded ({error}); try another format.") from error


def _pillow(samples: Samples, metadata: _Metadata, kind: OutputFormat, **settings: Any) -> bytes:  # noqa: ANN401
    buffer = io.BytesIO()
    if metadata.recipe is not None:
        settings["xmp"] = metadata.xmp
    if metadata.exif is not None:
        settings["exif"] = metadata.exif
    Image.fromarray(samples).save(buffer, kind, icc_profile=srgb_profile(), **settings)
    return buffer.getvalue()


def _png(samples: Samples, metadata: _Metadata) -> bytes:
    ancillary = [(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile(), 9))]
    if metadata.exif is not None:
        ancillary.append((b"eXIf", metadata.exif.removeprefix(_EXIF_HEADER)))
    if metadata.recipe is not None:
        ancillary.append((b"iTXt", png.international_text(KEYWORD, metadata.recipe)))
    return png.encode(samples, ancillary)


def _tiff(samples: Samples, metadata: _Metadata) -> bytes:
    """Encode with tifffile, then add EXIF's sub-directories, which it does not write."""
    import tifffile

    texts, directories = _exif_parts(metadata.exif)
    tags: list[tuple[int, int, int, bytes, bool]] = [(tag, 2, 0, text, True) for tag, text in texts.items()]
    if metadata.recipe is not None:
        tags.append((_XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, samples, byteorder="<", photometric="rgb", compression="zlib", predictor=True,
        extrasamples=["unassalpha"] if samples.shape[2] == 4 else None, rowsperstrip=256,
        iccprofile=srgb_profile(), metadata=None, software=False, extratags=tags,
    )  # fmt: skip
    return _with_directories(buffer.getvalue(), directories) if directories else buffer.getvalue()


def _exif_parts(exif: bytes | None) -> tuple[dict[int, bytes], dict[int, dict[int, Any]]]:
    """Return EXIF's short texts (UTF-8) and its sub-directories, by tag."""
    parsed = Image.Exif()
    if exif is None:
        return {}, {}
    with quiet_pillow():
        parsed.load(exif)
        texts = {tag: str(parsed[tag]).encode() for tag in _TEXT_TAGS if parsed.get(tag)}
        return texts, {tag: found for tag in (_EXIF_TAG, _GPS_TAG) if (found := parsed.get_ifd(tag))}


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
