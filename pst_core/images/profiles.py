"""Colours of any profile to sRGB, at 8 and at 16 bits a channel.

Little CMS, through Pillow, converts 8-bit pictures of every kind of profile. It is not offered for 16-bit
colour, so there the common kind of profile, three curves and a matrix, is evaluated here; the uncommon kind,
tables, falls back to 8 bits and says so.

References
----------
ICC.1:2022, Image technology colour management, sections 8.3 (matrix profiles), 10.6 and 10.18 (curves).
IEC 61966-2-1:1999, sRGB.
"""

import io
import struct
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pst_core.images.light import encode_srgb

MAX_PROFILE_BYTES = 4 * 2**20  # the largest press profiles in use have about 3 MB

Samples = NDArray[np.uint8] | NDArray[np.uint16]
Space = Literal["gray", "rgb", "cmyk", "lab"]

_PILLOW_MODES: dict[Space, str] = {"gray": "L", "rgb": "RGB", "cmyk": "CMYK", "lab": "LAB"}
_PROFILE_SPACES: dict[bytes, Space] = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk", b"Lab ": "lab"}
_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)  # XYZ of the white that profiles connect through
_PIXELS_AT_ONCE = 2**20  # bounds the working memory of the 16-bit conversion


class _MatrixProfile(NamedTuple):
    """Curves to linear light, (C, 65536) in [0, 1], and a matrix from there to linear sRGB, (3, C)."""

    curves: NDArray[np.float32]
    matrix: NDArray[np.float32]


@cache
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB; the same bytes on every call and every day."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # Little CMS writes the time of the call here
    profile[84:100] = bytes(16)  # the profile's checksum, which zero declares as not computed
    return bytes(profile)


def to_srgb(samples: Samples, space: Space, profile: bytes | None) -> tuple[Samples, list[str]]:
    """Convert a picture to sRGB.

    Parameters
    ----------
    samples
        Shape (H, W) for gray, (H, W, 3) for RGB and Lab, (H, W, 4) for CMYK; uint8, and for all but CMYK
        also uint16.
    space
        What the samples mean.
    profile
        The embedded ICC profile. Without one, gray and RGB are taken as sRGB.

    Returns
    -------
    samples : ndarray
        Shape (H, W, 3), sRGB, of the same type. A profile that gives sRGB's own colours changes nothing.
    notes : list of str
        What was converted, or ignored, as plain sentences.
    """
    notes = []
    if space == "lab" and samples.dtype == np.uint16:  # whose profile could not say more than Lab does
        return _deep_lab(samples), ["Lab converted to sRGB"]
    if profile is not None and len(profile) > MAX_PROFILE_BYTES:
        notes.append(f"colour profile of {len(profile)} bytes ignored: more than {MAX_PROFILE_BYTES} bytes")
    elif profile:
        try:
            return _through_profile(samples, space, profile)
        # PyCMSError and OSError come from Little CMS, the others from reading a broken profile's curves.
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, ArithmeticError, struct.error):
            notes.append("colour profile ignored: it is broken or made for another kind of picture")
    if space in ("gray", "rgb"):
        return _three_channels(samples), notes
    label = "Lab" if space == "lab" else "CMYK"
    return _without_profile(samples, space), [*notes, f"{label} without a usable profile converted to sRGB"]


def _three_channels(samples: Samples) -> Samples:
    if samples.ndim == 3:
        return samples
    gray: Samples = samples[..., None]
    return gray.repeat(3, axis=2)


def _without_profile(samples: Samples, space: Space) -> Samples:
    if space == "lab":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _little_cms(samples, "LAB", lab)
    return np.asarray(_as_pillow(samples, "CMYK").convert("RGB"), np.uint8)


def _through_profile(samples: Samples, space: Space, profile: bytes) -> tuple[Samples, list[str]]:
    meant_for = _PROFILE_SPACES.get(profile[16:20])
    if space == "gray" and meant_for == "rgb":  # allowed by no standard, and common
        samples, space = _three_channels(samples), "rgb"
    if meant_for != space:
        raise ValueError("the profile is for another kind of picture")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if space == "rgb" and _is_srgb(source):
        return samples, []
    name = _name(source)
    note = f"colour profile '{name}' converted to sRGB"
    if space in ("cmyk", "lab"):
        note = f"{'Lab' if space == 'lab' else 'CMYK'} converted to sRGB with its colour profile '{name}'"
    if samples.dtype == np.uint8:
        return _little_cms(samples, _PILLOW_MODES[space], source), [note]
    if (matrix_profile := _matrix_profile(profile, space)) is not None:
        return _through_matrix(samples, matrix_profile), [note]
    high_bytes = ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    converted = _little_cms(high_bytes, _PILLOW_MODES[space], source)
    note += ", at 8 bits because the profile is made of tables"
    return converted.astype(np.uint16) * np.uint16(257), [note]


def _name(profile: ImageCms.ImageCmsProfile) -> str:
    text = ImageCms.getProfileDescription(profile)
    return "".join(letter for letter in text if letter.isprintable()).strip()[:80] or "unnamed"


def _as_pillow(samples: Samples, mode: str) -> Image.Image:
    height, width = samples.shape[:2]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(samples).tobytes())


def _little_cms(samples: Samples, mode: str, source: ImageCms.ImageCmsProfile) -> NDArray[np.uint8]:
    converted = ImageCms.profileToProfile(
        _as_pillow(samples, mode), source, _srgb(), outputMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )  # fmt: skip
    if converted is None:  # only when asked to convert in place, which the signature cannot say
        raise ValueError("no picture came back")
    return np.asarray(converted)


def _srgb() -> ImageCms.ImageCmsProfile:
    # Not the bytes that are written into files: those have rounded numbers. And not shared between
    # threads: Little CMS reads tags from an open profile with a cursor of its own.
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Tell whether a profile changes no colour by more than rounding; its name may say anything."""
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    converted = _little_cms(probe, "RGB", profile)
    return bool(np.abs(converted.astype(np.int16) - probe).max() <= 1)


def _matrix_profile(profile: bytes, space: Space) -> _MatrixProfile | None:
    """Read a profile of curves and a matrix; None if it is made of tables.

    Raises
    ------
    ValueError, struct.error, ArithmeticError
        The profile is broken.
    """
    if profile[20:24] != b"XYZ " or any(_tag(profile, name) for name in (b"A2B0", b"A2B1", b"D2B0", b"D2B1")):
        return None
    if space == "gray":
        return _MatrixProfile(_curve(_required(profile, b"kTRC"))[None], np.ones((3, 1), np.float32))
    curves = np.stack([_curve(_required(profile, name)) for name in (b"rTRC", b"gTRC", b"bTRC")])
    matrix = np.linalg.solve(_colorants(srgb_profile()), _colorants(profile))
    return _MatrixProfile(curves, matrix.astype(np.float32))


def _tag(profile: bytes, name: bytes) -> bytes | None:
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(min(count, 200)):
        signature, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if signature == name:
            return profile[offset : offset + size]
    return None


def _required(profile: bytes, name: bytes) -> bytes:
    tag = _tag(profile, name)
    if tag is None:
        raise ValueError(f"the profile has no {name.decode()}")
    return tag


def _colorants(profile: bytes) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ under D50, shape (3, 3)."""
    columns = [struct.unpack_from(">3i", _required(profile, name), 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.array(columns, np.float64).T / 65536


def _curve(tag: bytes) -> NDArray[np.float32]:
    """Evaluate a tone curve at every 16-bit level, shape (65536,), in [0, 1]."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"para":
        y = _parametric(tag, x)
    elif tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        table = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            y = x
        elif count == 1:
            y = x ** (float(table[0]) / 256)
        else:
            y = np.interp(x, np.linspace(0, 1, count), table / 65535)
    else:
        raise ValueError("a curve of unknown kind")
    if not np.isfinite(y).all():
        raise ValueError("a curve that is not a number somewhere")
    return np.clip(y, 0, 1).astype(np.float32)


def _parametric(tag: bytes, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate a ``para`` curve: ``(a x + b) ** g + e`` from `d` on, ``c x + f`` below (ICC.1, table 68)."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    counts = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
    if kind not in counts:
        raise ValueError("a parametric curve of unknown kind")
    given: list[Any] = [value / 65536 for value in struct.unpack_from(f">{counts[kind]}i", tag, 12)]
    if kind == 0:
        given += [1.0, 0.0, 0.0, 0.0]
    elif kind in (1, 2):  # the power starts where its base turns positive, and is level below
        level = given[3] if kind == 2 else 0.0
        given = [*given[:3], 0.0, -given[2] / given[1], level, level]
    g, a, b, c, d, e, f = (*given, 0.0, 0.0)[:7]
    with np.errstate(all="ignore"):  # what comes out is checked as a whole
        return np.asarray(np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f))


def _through_matrix(samples: Samples, profile: _MatrixProfile) -> Samples:
    """Convert uint16 gray (H, W) or RGB (H, W, 3) to sRGB, a band of rows at a time."""
    height, width = samples.shape[:2]
    converted = np.empty((height, width, 3), np.uint16)
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        band = samples[top : top + rows].reshape(-1, len(profile.curves))
        linear = np.stack([curve[band[:, index]] for index, curve in enumerate(profile.curves)], axis=1)
        encoded = encode_srgb(np.clip(linear @ profile.matrix.T, 0, 1))
        converted[top : top + rows] = np.rint(encoded * 65535).reshape(-1, width, 3)
    return converted


def _deep_lab(samples: Samples) -> Samples:
    """Convert uint16 Lab (H, W, 3) under D50 to sRGB, a band of rows at a time.

    L is 0 to 100 over the whole range, a and b are -128 to 127 with 0 at 128 * 257.
    """
    height, width = samples.shape[:2]
    converted = np.empty((height, width, 3), np.uint16)
    to_linear = np.linalg.inv(_colorants(srgb_profile())).astype(np.float32)
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        band = samples[top : top + rows].astype(np.float32)
        across = band[..., 1:] / 257 - 128
        middle = (band[..., :1] / 655.35 + 16) / 116
        roots = np.concatenate(
            [middle + across[..., :1] / 500, middle, middle - across[..., 1:] / 200], axis=2
        )
        light = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (3 * (6 / 29) ** 2)) * _D50
        encoded = encode_srgb(np.clip(light @ to_linear.T, 0, 1))
        converted[top : top + rows] = np.rint(encoded * 65535)
    return converted
