"""Small pictures of every kind and profiles written byte by byte; several test modules share them."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from pst_core.errors import ImageError
from pst_core.images.reading import read_photograph

H, W = 37, 45
RECIPE = {
    "seed": 7,
    "name": "Große \"Straße\" 'x' 日本 🙂",
    "xml": "a ]]> b & <c> \u0000 \ud800",
    "list": [1.5, None],
}
EXTENSIONS = [".png", ".jpg", ".webp", ".tif"]
TARGETS = [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".jpg", 8), (".webp", 8)]


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height=H, width=W):
    """A photograph-like picture that lossy formats keep well, shape (H, W, 3), uint8."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.rint(255 * np.stack([x, y, 1 - x * y], axis=-1)).astype(np.uint8)


def floats(samples):
    """(H, W, C) integers to (C, H, W) float64 in [0, 1]."""
    return np.moveaxis(samples, -1, 0) / np.iinfo(samples.dtype).max


def saved(path, samples, mode=None, **options):
    image = Image.fromarray(samples) if mode is None else Image.fromarray(samples).convert(mode)
    image.save(path, **options)
    return path


def exif_with(**tags):
    exif = Image.Exif()
    exif.update({int(tag[1:]): value for tag, value in tags.items()})
    return exif


def icc(space, tags, pcs=b"XYZ ", kind=b"mntr", name="Test"):
    text = name.encode("utf-16-be")
    tags = {
        b"desc": b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(text), 28) + text,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        **tags,
    }
    offset, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for signature, data in tags.items():
        table += struct.pack(">4sII", signature, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    header[8:12] = b"\x04\x20\0\0"
    header[12:24] = kind + space + pcs
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", *(round(65536 * value) for value in (0.9642, 1.0, 0.8249)))
    header[:4] = struct.pack(">I", 128 + len(table) + len(body))
    return bytes(header) + table + body


def xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in values))


def para(kind, *values):
    return (
        b"para\0\0\0\0"
        + struct.pack(">HH", kind, 0)
        + b"".join(struct.pack(">i", round(65536 * v)) for v in values)
    )


def curv(*values):
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + struct.pack(f">{len(values)}H", *values)


SRGB_CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]


def matrix_profile(colorants, curve, name="Test"):
    tags = {
        letter + b"XYZ": xyz(*column) for letter, column in zip((b"r", b"g", b"b"), colorants, strict=True)
    }
    return icc(b"RGB ", tags | {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}, name=name)


def table_profile(space, inputs, kind, name="Test"):
    """A profile of one coarse table, from light (all inks 0) to dark, with a colour cast."""
    corners = np.array(np.meshgrid(*[[0, 1]] * inputs, indexing="ij")).reshape(inputs, -1).T
    if space == b"RGB ":
        corners = 1 - corners
    lab = np.stack(
        [255 - 220 * corners.mean(axis=1), 128 + 60 * corners[:, 1], 128 + 60 * corners[:, 2]], axis=1
    )
    ramp = bytes(range(256))
    identity = b"".join(struct.pack(">i", 65536 if index % 4 == 0 else 0) for index in range(9))
    lut = b"mft1\0\0\0\0" + bytes([inputs, 3, 2, 0]) + identity
    lut += ramp * inputs + lab.round().astype(np.uint8).tobytes() + ramp * 3
    return icc(space, {b"A2B0": lut}, pcs=b"Lab ", kind=kind, name=name)


RGB_PROFILES = {
    "p3": matrix_profile(P3, SRGB_CURVE, "Display P3"),
    "adobe": matrix_profile(ADOBE, curv(round(2.2 * 256))),
    "linear": matrix_profile(P3, curv()),
    "table curve": matrix_profile(ADOBE, curv(*(round(65535 * (i / 255) ** 1.8) for i in range(256)))),
    "para 0": matrix_profile(P3, para(0, 1.8)),
    "para 1": matrix_profile(P3, para(1, 2.0, 1.1, -0.1)),
    "para 2": matrix_profile(P3, para(2, 1.9, 1.05, -0.05, 0.0)),
    "para 4": matrix_profile(ADOBE, para(4, 2.2, 0.95, 0.05, 0.08, 0.04, 0.0, 0.0)),
}


def camera_exif():
    exif = exif_with(t274=6, t271="Maker", t272="Modell Ü", t306="2024:05:06 07:08:09", t315="Ann & Bob")
    exif[34665] = {
        33437: TiffImagePlugin.IFDRational(28, 10),
        34855: 200,
        40961: 65535,
        40962: W,
        37500: b"private",
    }
    exif[34853] = {1: "N", 2: (48.0, 8.0, 0.5)}
    return exif.tobytes()


def refusal(path, limits=None, read=read_photograph):
    with pytest.raises(ImageError) as caught:
        read(path, limits)
    sentence = str(caught.value)
    assert str(path) in sentence or repr(str(path)) in sentence
    assert sentence.endswith(".") and "\n" not in sentence and ("; " in sentence)
    return sentence


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        # Headers decide the most, and are the smallest part.
        where = rng.randrange(min(len(data), rng.choice([64, 700, len(data)])))
        how = rng.randrange(5)
        if how == 0:
            data[where] = rng.randrange(256)
        elif how == 1:
            data[where] ^= 1 << rng.randrange(8)
        elif how == 2:
            data[where : where + 4] = rng.choice(
                [b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\x01"]
            )
        elif how == 3:
            del data[where : where + rng.randrange(1, 50)]
        else:
            data[where:where] = data[: rng.randrange(1, 50)]
        if len(data) < 2:
            break
    return bytes(data)


def dng(height, width, orientation=1, neutral=(1, 1, 1)):
    """A camera's raw file (Bayer pattern): red rises to the right, green downwards, blue is one half."""
    y, x = np.mgrid[:height, :width]
    colors = np.stack([x / width, y / height, np.full((height, width), 0.5)], axis=-1) * neutral
    channel = np.array([[0, 1], [1, 2]])[y % 2, x % 2]
    mosaic = np.take_along_axis(colors, channel[..., None], axis=2)[..., 0]
    to_camera = (
        3.2406,
        -1.5372,
        -0.4986,
        -0.9689,
        1.8758,
        0.0415,
        0.0557,
        -0.2040,
        1.0570,
    )  # from XYZ: sRGB's
    tags = [
        (271, 2, 0, "Maker", True), (272, 2, 0, "Model", True), (274, 3, 1, orientation, True),
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True), (50708, 2, 0, "Maker Model", True),
        (50717, 4, 1, 65535, True), (50721, 10, 9, _rationals(to_camera), True),
        (50728, 5, 3, _rationals(neutral), True), (50778, 3, 1, 21, True),
    ]  # fmt: skip
    buffer = io.BytesIO()
    samples = np.rint(mosaic * 60000).astype(np.uint16)
    tifffile.imwrite(buffer, samples, photometric=32803, metadata=None, extratags=tags)
    return buffer.getvalue()


def _rationals(values):
    return tuple(part for value in values for part in (round(10_000 * value), 10_000))
