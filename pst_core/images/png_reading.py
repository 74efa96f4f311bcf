"""PNG, read from the chunks that decide its pixels; what else it carries is checked and looked at here.

No decoder gets to see a text, a profile or a checksum that is wrong: none of them can spoil the picture then.

References
----------
Portable Network Graphics (PNG) Specification, third edition, W3C, 2025; sections 5.3, 11.2 and 11.3.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from pst_core.errors import ImageError
from pst_core.images.kinds import PNG
from pst_core.images.limits import ImageLimits, check_frames, check_size
from pst_core.images.metadata import MAX_EXIF_BYTES, bare_exif
from pst_core.images.pillow import from_pillow
from pst_core.images.png import SIGNATURE, Chunk, chunk, inflate, read_text, walk
from pst_core.images.primaries import Primaries, of_code_points, of_gamma
from pst_core.images.profiles import MAX_PROFILE_BYTES, Samples
from pst_core.images.rasters import Picture, Raster
from pst_core.images.xmp import MAX_XMP_BYTES

_BEFORE_PIXELS = (b"PLTE", b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"acTL", b"fcTL")
_KNOWN_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_TRANSPARENT_SIZES = {0: (2,), 2: (6,), 3: range(1, 257)}  # of tRNS, by colour type
_XMP_KEYWORD = b"XML:com.adobe.xmp"
# How ImageMagick and others wrote EXIF before PNG had a place for it: as text, in hexadecimal digits.
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass
class _Parts:
    """The chunks of a PNG that are whole and sound, the first of each kind, and its pixels' in order."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    pixels: list[Chunk] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_end: bool = False

    @property
    def frames(self) -> int:
        """How many pictures an animation shows, with the one for those who do not know animations."""
        announced = int.from_bytes(self.kept.get(b"acTL", b"")[:4], "big")
        return announced + (b"fcTL" not in self.kept) if announced else 1


def open_png(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse all of a PNG but its pixels.

    Raises
    ------
    ImageError
        A part that nobody can do without is damaged, or it is an animation, or not within `limits`.
    """
    parts = _parts(data, path)
    if not parts.has_end:
        parts.notes.append("the file's end marker is missing")
    header = parts.kept[b"IHDR"]
    width, height, depth, color = struct.unpack_from(">IIBB", header)
    check_size(path, (width, height), limits)
    check_frames(path, parts.frames)
    transparent = parts.kept.get(b"tRNS")
    if transparent is not None and len(transparent) not in _TRANSPARENT_SIZES.get(color, ()):
        del parts.kept[b"tRNS"]
        parts.notes.append("PNG chunk tRNS left out: it does not fit the picture")
    profile, exif, xmp = _profile(parts), _exif(parts), _xmp(parts)
    # The header is parsed now, so that what is wrong with it is known before anything is decoded.
    image = PngImagePlugin.PngImageFile(io.BytesIO(_reduced(data, parts, with_pixels=False)))
    return Picture(
        PNG, image.size, lambda: _unpack(data, parts, path, is_deep=depth == 16), profile, exif, xmp,
        notes=tuple(parts.notes), is_lossless=True,
    )  # fmt: skip


def _parts(data: bytes, path: Path) -> _Parts:
    parts, end = _Parts(), len(SIGNATURE)
    for found in walk(data):
        end = found.end + 4
        name = found.kind.decode("latin-1")
        if found.kind == b"IDAT":
            parts.pixels.append(found)
        elif found.kind == b"CgBI":
            raise ImageError(
                f"{path} is a PNG as packed into an app for iPhones; use the picture it was made from."
            )
        elif not found.is_sound(data):
            if not found.is_ancillary:
                raise ImageError(f"{path} is damaged (wrong checksum in {name}); copy or export it again.")
            parts.notes.append(f"PNG chunk {_shown(name)} left out: its checksum is wrong")
        else:
            _keep(parts, found, data)
    if (
        not parts.has_end and data[end + 4 : end + 8] == b"IDAT"
    ):  # cut short, though perhaps behind all pixels
        parts.pixels.append(Chunk(b"IDAT", end + 8, len(data)))
    if len(parts.kept.get(b"IHDR", b"")) != 13 or not parts.pixels:
        raise ValueError("truncated PNG" if not parts.has_end else "no header or no pixels")
    return parts


def _keep(parts: _Parts, found: Chunk, data: bytes) -> None:
    if found.kind == b"IEND":
        parts.has_end = True
    elif found.kind in (b"tEXt", b"zTXt", b"iTXt"):
        parts.texts.append((found.kind, found.payload(data)))
    elif found.kind in _BEFORE_PIXELS and parts.pixels:
        return  # too late to mean anything
    elif found.kind in _KNOWN_CRITICAL or found.is_ancillary:
        parts.kept.setdefault(found.kind, found.payload(data))
    else:
        raise ValueError("a critical chunk that nobody knows")


def _shown(name: str) -> str:
    return name if name.isascii() and name.isalpha() else repr(name)


def _profile(parts: _Parts) -> bytes | None:
    """Tell the picture's colours, by the strongest of the chunks that speak of them."""
    kept = parts.kept
    if len(points := kept.get(b"cICP", b"")) == 4:
        profile, notes = of_code_points(points[0], points[1])
        parts.notes += notes
        if points[2] != 0 or points[3] != 1:
            parts.notes.append("PNG chunk cICP of a kind for videos: levels taken as they are")
        return profile
    if b"iCCP" in kept:
        return _embedded_profile(parts)
    if b"sRGB" in kept or len(kept.get(b"gAMA", b"")) != 4:
        return None
    gamma = int.from_bytes(kept[b"gAMA"], "big") / 100_000
    return of_gamma(gamma, _chromaticities(kept.get(b"cHRM", b"")))


def _embedded_profile(parts: _Parts) -> bytes | None:
    packed = parts.kept[b"iCCP"].partition(b"\0")[2]
    try:
        if packed[:1] != b"\0":
            raise ValueError("an unknown compression")
        profile = inflate(packed[1:], MAX_PROFILE_BYTES)
    except ValueError:
        parts.notes.append("colour profile ignored: it is broken")
        return None
    if len(profile) > MAX_PROFILE_BYTES:
        parts.notes.append(f"colour profile ignored: more than {MAX_PROFILE_BYTES} bytes")
        return None
    return profile


def _chromaticities(chunk_data: bytes) -> Primaries | None:
    if len(chunk_data) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", chunk_data)]
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    return red, green, blue, white


def _exif(parts: _Parts) -> bytes:
    if b"eXIf" in parts.kept:
        return bare_exif(parts.kept[b"eXIf"])
    for keyword in _RAW_PROFILES:
        # Two digits a byte, and line breaks.
        for text in _texts(parts, keyword, 3 * MAX_EXIF_BYTES):
            lines = text.split(b"\n", 3)  # an empty one, the kind, the length, the digits
            try:
                block = bare_exif(bytes.fromhex(lines[3].decode("ascii")))
            except (ValueError, IndexError):
                parts.notes.append("EXIF left out: it is broken")
                continue
            if block.startswith((b"II", b"MM")):
                parts.notes.append(f"EXIF found in a text chunk ({keyword.decode()})")
                return block
    return b""


def _xmp(parts: _Parts) -> bytes:
    return next(_texts(parts, _XMP_KEYWORD, MAX_XMP_BYTES), b"")


def _texts(parts: _Parts, keyword: bytes, limit: int) -> Iterator[bytes]:
    """Yield texts of this keyword; those that are broken or too long are left out, with a note."""
    for kind, payload in parts.texts:
        try:
            text = read_text(kind, payload, keyword, limit)
        except ValueError as error:
            parts.notes.append(f"{keyword.decode()} left out: {error}")
            continue
        if text is not None:
            yield text


def _reduced(data: bytes, parts: _Parts, *, with_pixels: bool) -> bytes:
    """Write the PNG anew with nothing but what its pixels depend on."""
    decisive = [(kind, parts.kept[kind]) for kind in (b"IHDR", b"PLTE", b"tRNS") if kind in parts.kept]
    pieces: list[bytes | memoryview] = [SIGNATURE, *(chunk(kind, payload) for kind, payload in decisive)]
    view = memoryview(data)
    if with_pixels:
        whole = [part for part in parts.pixels if part.end < len(data)]
        pieces += [view[part.start - 8 : part.end + 4] for part in whole]
        pieces += [chunk(b"IDAT", part.payload(data)) for part in parts.pixels[len(whole) :]]
    else:
        pieces.append(chunk(b"IDAT", b""))
    return b"".join([*pieces, chunk(b"IEND", b"")])


def _unpack(data: bytes, parts: _Parts, path: Path, *, is_deep: bool) -> Raster:
    for part in parts.pixels:
        if part.end < len(data) and not part.is_sound(data):
            raise ImageError(f"{path} is damaged (wrong checksum in IDAT); copy or export it again.")
    reduced = _reduced(data, parts, with_pixels=True)
    image = PngImagePlugin.PngImageFile(io.BytesIO(reduced))
    image.load()  # also where another decoder follows: Pillow is the one that notices missing data
    if not is_deep:
        return from_pillow(image, path)
    if image.mode == "I;16":
        return _gray_16(image)
    return _with_alpha(image, _opencv(reduced, path))


def _gray_16(image: Image.Image) -> Raster:
    samples = np.asarray(image).astype(np.uint16)
    key = image.info.get("transparency")
    alpha = np.where(samples == key, 0, 65535).astype(np.uint16) if isinstance(key, int) else None
    return Raster(samples, "gray", alpha)


def _with_alpha(image: Image.Image, samples: Samples) -> Raster:
    """Split 16-bit RGB or RGBA, or turn the one transparent colour into alpha."""
    color = samples[..., :3]
    key = image.info.get("transparency")
    if isinstance(key, tuple):
        seen = (color != np.array(key, np.uint16)).any(axis=2)
        return Raster(color, "rgb", np.where(seen, 65535, 0).astype(np.uint16))
    return Raster(color, "rgb", samples[..., 3] if samples.shape[2] == 4 else None)


def _opencv(data: bytes, path: Path) -> Samples:
    """Decode a 16-bit PNG, shape (H, W, 3 or 4)."""
    try:
        import cv2
    except ImportError as error:
        raise ImageError(
            f"{path} has 16 bits a channel, for which OpenCV is needed, and it cannot be loaded ({error}); "
            "on Debian install the package libgl1, or save the picture with 8 bits."
        ) from error
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ValueError("OpenCV cannot decode it")
    return np.asarray(samples[..., [2, 1, 0, 3][: samples.shape[2]]], np.uint16)
