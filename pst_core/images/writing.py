"""Results, out: 8 or 16 bits a channel, in sRGB and saying so, with their EXIF and their recipe."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.errors import OutputError
from pst_core.files import write_bytes_atomically
from pst_core.images import png
from pst_core.images.carried import NOTHING, Carried
from pst_core.images.embedding import KEYWORD, recipe_text
from pst_core.images.formats import OutputFormat, output_format
from pst_core.images.iptc import RESOURCES_HEADER, as_resource
from pst_core.images.metadata import (
    EXIF_HEADER,
    MAX_EXIF_BYTES,
    check_directories,
    clean_exif,
    with_resolution,
)
from pst_core.images.pillow import quiet_pillow
from pst_core.images.profiles import Samples, srgb_profile
from pst_core.images.tiff_writing import encode_tiff
from pst_core.images.transparency import on_white
from pst_core.images.xmp import with_recipe
from pst_core.shapes import expect_shapes

_LONGEST_SIDE: dict[OutputFormat, int] = {"JPEG": 65535, "WEBP": 16383}
# A JPEG segment holds 65533 bytes; XMP's begins with the 29 bytes of its identifier.
_MAX_JPEG_XMP = 65533 - 29
_PNG_XMP = b"XML:com.adobe.xmp"
_PIXELS_AT_ONCE = 2**20
_PICTURE = Path("the picture.png")  # what messages call one without a name


@dataclass(frozen=True)
class _Metadata:
    carried: Carried
    recipe: str | None

    @property
    def xmp(self) -> bytes:
        """With the recipe, for formats that have no other place for it."""
        return self.carried.xmp if self.recipe is None else with_recipe(self.carried.xmp, self.recipe)


def write_image(
    path: str | os.PathLike[str],
    pixels: NDArray[np.float32],
    *,
    bit_depth: int = 8,
    alpha: NDArray[np.float32] | None = None,
    carried: Carried = NOTHING,
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
    carried
        What the photograph says about itself, from `carry`. EXIF has at most 64 KiB, and its orientation is
        left out: the picture is upright.
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
    metadata = _Metadata(_checked(target, carried), None if recipe is None else recipe_text(recipe))
    if kind == "JPEG" and len(metadata.xmp) > _MAX_JPEG_XMP:
        raise OutputError(
            f"{target} cannot carry a recipe of more than 64 kB; write PNG, WebP or TIFF instead."
        )
    if kind == "JPEG":
        pixels, alpha = on_white(pixels, alpha), None
    samples = to_levels(pixels, alpha, bit_depth)
    write_bytes_atomically(target, _encoded(target, kind, samples, metadata, quality), overwrite=overwrite)


def encode_png(
    pixels: NDArray[np.float32], *, bit_depth: int = 8, alpha: NDArray[np.float32] | None = None
) -> bytes:
    """Encode a picture as `write_image` would, with nothing but its pixels in it.

    Raises
    ------
    OutputError
        Pixels are not finite.
    """
    _check_shapes(pixels, alpha, bit_depth, quality=100)
    _check_request(_PICTURE, "PNG", pixels, alpha, bit_depth)
    return encode_levels(to_levels(pixels, alpha, bit_depth))


def encode_levels(samples: Samples, *, quick: bool = False) -> bytes:
    """Encode what `to_levels` returns as `encode_png` does; or quickly, where time counts more than size."""
    if quick:
        return _png(samples, _Metadata(NOTHING, None), quick=True)
    return _encoded(_PICTURE, "PNG", samples, _Metadata(NOTHING, None), 100)


def as_chunks(carried: Carried) -> bytes:
    """What a photograph says about itself as a PNG holds it: chunks, one after another, for `embed`.

    Raises
    ------
    OutputError
        EXIF is broken.
    """
    carried = _checked(_PICTURE, carried)
    return b"".join(png.chunk(kind, payload) for kind, payload in _chunks(carried))


def embed(picture: bytes, chunks: bytes, recipe: dict[str, Any]) -> bytes:
    """Put chunks and a recipe into a PNG that has none, without encoding its pixels again.

    Parameters
    ----------
    picture
        From `encode_png`.
    chunks
        From `as_chunks`; empty for none.

    Raises
    ------
    OutputError
        As for `recipe_text`.
    """
    text = png.international_text(KEYWORD, recipe_text(recipe))
    return png.insert(picture, chunks + png.chunk(b"iTXt", text))


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


def _checked(path: Path, carried: Carried) -> Carried:
    """Clean EXIF again: a block that still turns the picture, upright by now, would turn it twice."""
    if not carried.exif:
        return carried
    if len(carried.exif) > MAX_EXIF_BYTES:
        raise OutputError(f"{path} cannot carry EXIF of {len(carried.exif)} bytes; leave it out.")
    block = carried.exif.removeprefix(EXIF_HEADER)
    try:
        with quiet_pillow():
            check_directories(block)
            return carried._replace(exif=clean_exif(block) or b"")
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
    rows = max(1, _PIXELS_AT_ONCE // pixels.shape[2])
    for index, plane in enumerate(planes):
        for start in range(0, len(plane), rows):  # some at a time: what lies between takes no memory
            some = slice(start, start + rows)
            samples[some, :, index] = np.rint(np.clip(plane[some], 0, 1) * np.float32(top))
    return samples


def _encoded(path: Path, kind: OutputFormat, samples: Samples, metadata: _Metadata, quality: int) -> bytes:
    # exact: colours under a transparent alpha are kept, as in the other formats.
    webp = {"lossless": quality == 100, "method": 4, "exact": True}
    try:
        match kind:
            case "PNG":
                return _png(samples, metadata)
            case "TIFF":
                return encode_tiff(samples, metadata.carried._replace(xmp=metadata.xmp))
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
    buffer, carried = io.BytesIO(), metadata.carried
    exif = carried.exif
    if metadata.xmp:
        settings["xmp"] = metadata.xmp
    if carried.resolution is not None and kind == "JPEG":
        settings["dpi"] = carried.resolution
    elif carried.resolution is not None:  # WebP has no other place for it
        exif = with_resolution(exif, carried.resolution)
    if exif:
        settings["exif"] = exif
    if carried.iptc:
        body = RESOURCES_HEADER + as_resource(carried.iptc)
        settings["extra"] = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    Image.fromarray(samples).save(buffer, kind, icc_profile=srgb_profile(), **settings)
    return buffer.getvalue()


def _png(samples: Samples, metadata: _Metadata, *, quick: bool = False) -> bytes:
    ancillary = [(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile(), 9)), *_chunks(metadata.carried)]
    if metadata.recipe is not None:
        ancillary.append((b"iTXt", png.international_text(KEYWORD, metadata.recipe)))
    return png.encode(samples, ancillary, quick=quick)


def _chunks(carried: Carried) -> Iterator[tuple[bytes, bytes]]:
    if carried.resolution is not None:
        dots = [round(each / 0.0254) for each in carried.resolution]  # per metre
        yield b"pHYs", struct.pack(">IIB", *dots, 1)
    if carried.exif:
        yield b"eXIf", carried.exif.removeprefix(EXIF_HEADER)
    if carried.xmp:
        yield b"iTXt", png.international_text(_PNG_XMP, carried.xmp.decode())
