import errno
import hashlib
import io
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from pst_core.errors import ImageError, OutputError
from pst_core.images import decoding as image_decoding
from pst_core.images import png
from pst_core.images import profiles as image_profiles
from pst_core.images.embedding import MAX_RECIPE_BYTES, read_recipe
from pst_core.images.metadata import MAX_EXIF_BYTES, check_directories
from pst_core.images.profiles import MAX_PROFILE_BYTES, srgb_profile, to_srgb
from pst_core.images.reading import ImageLimits, read_map, read_photograph
from pst_core.images.writing import output_format, write_image

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


# --- profiles, written byte by byte -----------------------------------------------------------------------


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
SRGB = [(0.43604, 0.22248, 0.01392), (0.38512, 0.71690, 0.09706), (0.14305, 0.06061, 0.71391)]


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


def by_little_cms(samples, mode, profile):
    image = Image.frombytes(mode, samples.shape[1::-1], samples.tobytes())
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return np.asarray(
        ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            target,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    )


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


# --- reading: what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".webp"])
def test_eight_bit_pictures_come_back_exactly(tmp_path, extension):
    samples = noise(H, W, 3)
    path = saved(tmp_path / f"x{extension}", samples, **({"lossless": True} if extension == ".webp" else {}))
    photo = read_photograph(path)
    assert photo.pixels.dtype == np.float32 and photo.pixels.flags.c_contiguous
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=1e-7)
    assert (photo.height, photo.width, photo.bit_depth, photo.alpha) == (H, W, 8, None)
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (photo.path, photo.notes, photo.exif) == (path, (), None)


def test_jpeg(tmp_path):
    path = saved(tmp_path / "x.jpg", smooth(), quality=95, subsampling=0)
    np.testing.assert_allclose(read_photograph(path).pixels, floats(smooth()), atol=4 / 255)


def test_content_decides_the_format_not_the_name(tmp_path):
    path = saved(tmp_path / "x.jpg", noise(H, W, 3), format="PNG")
    np.testing.assert_allclose(read_photograph(path).pixels, floats(noise(H, W, 3)), atol=1e-7)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_png(tmp_path, channels):
    samples = noise(H, W, channels, dtype=np.uint16)
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), samples[..., [2, 1, 0, 3][:channels]])
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, floats(samples)[:3], atol=1e-7)
    assert photo.bit_depth == 16
    if channels == 4:
        np.testing.assert_allclose(photo.alpha, samples[..., 3] / 65535, atol=1e-7)


def test_sixteen_bit_gray_with_alpha_png(tmp_path):
    samples = noise(H, W, 2, dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(png.encode(samples))
    photo = read_photograph(tmp_path / "x.png")
    np.testing.assert_allclose(photo.pixels, np.repeat(floats(samples)[:1], 3, axis=0), atol=1e-7)
    np.testing.assert_allclose(photo.alpha, samples[..., 1] / 65535, atol=1e-7)


@pytest.mark.parametrize("channels, key", [(1, (1000,)), (3, (1000, 2000, 3000))])
def test_sixteen_bit_png_with_one_transparent_colour(tmp_path, channels, key):
    samples = noise(H, W, channels, dtype=np.uint16)
    samples[3, 4] = key
    (tmp_path / "x.png").write_bytes(png.encode(samples, [(b"tRNS", struct.pack(f">{channels}H", *key))]))
    photo = read_photograph(tmp_path / "x.png")
    expected = np.ones((H, W))
    expected[3, 4] = 0
    np.testing.assert_array_equal(photo.alpha, expected)
    np.testing.assert_allclose(photo.pixels[:, 3, 4], np.broadcast_to(key, 3) / np.float32(65535), atol=1e-7)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression, predictor", [(None, False), ("zlib", False), ("zlib", True)])
@pytest.mark.parametrize("shape", [(H, W), (H, W, 3), (H, W, 4)])
def test_sixteen_bit_tiff(tmp_path, shape, compression, predictor, byteorder):
    samples = noise(*shape, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "x.tif",
        samples,
        photometric="rgb" if len(shape) == 3 else "minisblack",
        extrasamples=["unassalpha"] if shape[2:] == (4,) else None,
        compression=compression,
        predictor=predictor,
        byteorder=byteorder,
    )
    photo = read_photograph(tmp_path / "x.tif")
    expected = samples[..., None].repeat(3, axis=2) if samples.ndim == 2 else samples
    np.testing.assert_allclose(photo.pixels, floats(expected)[:3], atol=1e-7)
    assert photo.bit_depth == 16
    if shape[2:] == (4,):
        np.testing.assert_allclose(photo.alpha, samples[..., 3] / 65535, atol=1e-7)
    else:
        assert photo.alpha is None


def test_sixteen_bit_lzw_tiff(tmp_path):
    samples = noise(H, W, 3, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "x.tif"), samples[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels, floats(samples), atol=1e-7)


def test_sixteen_bit_tiff_of_separate_planes(tmp_path):
    samples = noise(H, W, 3, dtype=np.uint16)
    planes = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels, floats(samples), atol=1e-7)
    tifffile.imwrite(
        tmp_path / "y.tif", planes, photometric="rgb", planarconfig="separate", compression="zlib"
    )
    photo = read_photograph(tmp_path / "y.tif")
    assert photo.notes == ("16-bit picture of this kind read at 8 bits",) and photo.bit_depth == 8
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=1.01 / 255)


def test_sixteen_bit_gray_tiff_whose_zero_is_white(tmp_path):
    samples = noise(H, W, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", samples, photometric="miniswhite")
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels[0], 1 - samples / 65535, atol=1e-7)


def test_premultiplied_alpha_is_divided_out(tmp_path):
    color, alpha = noise(H, W, 3, dtype=np.uint16), noise(H, W, 1, dtype=np.uint16) | 0x8000
    stored = np.rint(color * (alpha / 65535)).astype(np.uint16)
    samples = np.concatenate([stored, alpha], axis=2)
    tifffile.imwrite(tmp_path / "x.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels, floats(color), atol=2e-5)


def test_a_fourth_channel_of_no_meaning_is_no_alpha(tmp_path):
    samples = noise(H, W, 4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", samples, photometric="rgb", extrasamples=["unspecified"])
    photo = read_photograph(tmp_path / "x.tif")
    assert photo.alpha is None
    np.testing.assert_allclose(photo.pixels, floats(samples)[:3], atol=1e-7)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("extension", [".png", ".tif", ".bmp"])
def test_gray_and_palette(tmp_path, mode, extension):
    image = Image.fromarray(smooth()).convert(mode)
    image.save(tmp_path / f"x{extension}")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_allclose(
        read_photograph(tmp_path / f"x{extension}").pixels, floats(expected), atol=1e-7
    )


def test_palette_with_transparency(tmp_path):
    indices = noise(H, W) % 4
    image = Image.frombytes("P", (W, H), indices.tobytes())
    palette = np.array([[10, 20, 30], [200, 0, 0], [0, 200, 0], [9, 9, 200]], np.uint8)
    image.putpalette(palette.tobytes())
    image.save(tmp_path / "x.png", transparency=bytes([0, 128, 255, 255]))
    photo = read_photograph(tmp_path / "x.png")
    np.testing.assert_allclose(photo.pixels, floats(palette[indices]), atol=1e-7)
    np.testing.assert_allclose(photo.alpha, np.array([0, 128, 255, 255])[indices] / 255, atol=1e-7)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_aside_and_not_blended(tmp_path, mode):
    samples = noise(H, W, len(mode))
    samples[0, :, -1] = 0
    saved(tmp_path / "x.png", samples)
    photo = read_photograph(tmp_path / "x.png")
    color = samples[..., :1].repeat(3, axis=2) if mode == "LA" else samples[..., :3]
    np.testing.assert_allclose(photo.pixels, floats(color), atol=1e-7)
    np.testing.assert_allclose(photo.alpha, samples[..., -1] / 255, atol=1e-7)
    assert photo.notes == ("alpha channel kept",)


def test_an_alpha_that_is_opaque_everywhere_is_none(tmp_path):
    samples = noise(H, W, 4)
    samples[..., 3] = 255
    assert read_photograph(saved(tmp_path / "x.png", samples)).alpha is None


def test_a_thumbnail_in_a_tiff_is_not_a_second_picture(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(noise(H, W, 3), photometric="rgb")
        file.write(noise(9, 9, 3), photometric="rgb", subfiletype=1)
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels, floats(noise(H, W, 3)), atol=1e-7)


def test_the_first_picture_of_a_multi_picture_jpeg(tmp_path):
    images = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    images[0].save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=images[1:], quality=95)
    np.testing.assert_allclose(read_photograph(tmp_path / "x.jpg").pixels, floats(smooth()), atol=0.1)


# --- orientation and EXIF ----------------------------------------------------------------------------------


def turned(samples, orientation):
    """What the EXIF standard says about row 0 and column 0, spelled out with numpy's rotations."""
    return {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.rot90(np.fliplr(a), 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(np.fliplr(a), -1),
        8: lambda a: np.rot90(a, 1),
    }[orientation](samples)


@pytest.mark.parametrize("extension", [".png", ".tif", ".webp", "16.png", "16.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation, extension):
    path = tmp_path / f"x{extension}"
    samples = noise(H, W, 4, dtype=np.uint16 if "16" in extension else np.uint8)
    exif = exif_with(t274=orientation)
    if extension == "16.png":
        path.write_bytes(png.encode(samples, [(b"eXIf", exif.tobytes()[6:])]))
    elif extension == "16.tif":
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["unassalpha"], extratags=tags)
    else:
        saved(path, samples, exif=exif, **({"lossless": True, "exact": True} if extension == ".webp" else {}))
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, floats(turned(samples, orientation))[:3], atol=1e-7)
    np.testing.assert_allclose(photo.alpha, floats(turned(samples, orientation))[3], atol=1e-7)
    np.testing.assert_array_equal(
        read_map(saved(tmp_path / "map.png", noise(H, W, 3), exif=exif)).colors,
        turned(noise(H, W, 3), orientation),
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_jpeg_agrees_with_pillow(tmp_path, orientation):
    from PIL import ImageOps

    path = saved(tmp_path / "x.jpg", smooth(), exif=exif_with(t274=orientation))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_allclose(read_photograph(path).pixels, floats(expected), atol=1e-7)


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


@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("target, bit_depth", TARGETS)
def test_exif_survives_without_orientation(tmp_path, source, target, bit_depth):
    photo = read_photograph(saved(tmp_path / f"in{source}", smooth(), exif=camera_exif()))
    write_image(tmp_path / f"out{target}", photo.pixels, bit_depth=bit_depth, exif=photo.exif, recipe=RECIPE)
    with Image.open(tmp_path / f"out{target}") as image:
        image.load()
        exif = image.getexif()
        assert 274 not in exif or exif[274] == 1
        assert (exif[271], exif[306], exif[315]) == ("Maker", "2024:05:06 07:08:09", "Ann & Bob")
        details = exif.get_ifd(34665)
        assert (float(details[33437]), details[34855], details[40961]) == (2.8, 200, 1)
        assert 40962 not in details
        assert exif.get_ifd(34853)[2] == (48.0, 8.0, 0.5)
    again = read_photograph(tmp_path / f"out{target}")
    assert (again.height, again.width) == (photo.height, photo.width) == (W, H)


def test_embedded_thumbnail_is_dropped(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "JPEG")
    thumbnail = buffer.getvalue()
    first = struct.pack("<HHHII", 1, 271, 2, 4, int.from_bytes(b"abc\0", "little"))
    first += struct.pack("<I", 8 + len(first) + 4)
    second = struct.pack("<HHHIIHHIII", 2, 513, 4, 1, 8 + len(first) + 30, 514, 4, 1, len(thumbnail), 0)
    block = b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail
    photo = read_photograph(saved(tmp_path / "x.jpg", smooth(), exif=block))
    assert b"abc" in photo.exif and thumbnail[:64] not in photo.exif
    assert len(photo.exif) < 64


def test_large_exif_is_left_out_but_its_orientation_obeyed(tmp_path):
    exif = exif_with(t274=6, t37510=b"x" * MAX_EXIF_BYTES)
    photo = read_photograph(saved(tmp_path / "x.png", smooth(), exif=exif))
    assert photo.exif is None and "EXIF" in photo.notes[0]
    assert (photo.height, photo.width) == (W, H)


def test_broken_exif_is_left_out(tmp_path):
    for block in (b"II*\0\xff\xff\xff\x7f", b"garbage!garbage!", b"MM\0*\0\0\0\x08\0\x09abc"):
        photo = read_photograph(saved(tmp_path / "x.png", smooth(), exif=b"Exif\0\0" + block))
        assert photo.exif is None
        assert photo.notes == ("EXIF left out: it is broken",)


def test_tags_that_all_point_at_the_same_bytes_are_refused(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, noise(200, 200, 3), photometric="rgb", metadata=None, byteorder="<")
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    entries = bytes(data[first + 2 : first + 2 + 12 * count])
    for more in (10, 2000):  # a few are an oddity, many are an attack
        extra = b"".join(struct.pack("<HHII", 50_000 + index, 7, len(data), 0) for index in range(more))
        struct.pack_into("<I", data, 4, len(data))
        path.write_bytes(bytes(data) + struct.pack("<H", count + more) + entries + extra + bytes(4))
        if more == 10:
            read_photograph(path)
    with pytest.raises(ValueError, match="overlap"):
        check_directories(path.read_bytes())
    assert "damaged" in refusal(path)


def test_exif_is_measured_before_pillow_parses_it(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.jpg", smooth(), exif=camera_exif())
    parsed = []
    monkeypatch.setattr(Image.Exif, "load", lambda self, block: parsed.append(len(block)))
    monkeypatch.setattr(Image.Exif, "load_from_fp", lambda self, file: parsed.append(len(file.getvalue())))
    data = path.read_bytes()
    image_decoding.decode(image_decoding.open_header(data, path, ImageLimits()), data, path)
    assert parsed == []
    read_photograph(path)
    assert parsed == [len(camera_exif()) - 6]


# --- colour ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_eight_bit_profile_agrees_with_little_cms(tmp_path, name):
    samples, profile = noise(H, W, 3), RGB_PROFILES[name]
    photo = read_photograph(saved(tmp_path / "x.png", samples, icc_profile=profile))
    expected = by_little_cms(samples, "RGB", profile)
    assert np.abs(expected.astype(int) - samples).max() > 20  # or the test would pass without a conversion
    np.testing.assert_allclose(photo.pixels, floats(expected), atol=1e-6)


@pytest.mark.parametrize("name", RGB_PROFILES)
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_sixteen_bit_profile_agrees_with_little_cms(tmp_path, name, extension):
    profile = RGB_PROFILES[name]
    levels = noise(H, W, 3)
    samples = levels.astype(np.uint16) * 257
    if extension == ".png":
        chunk = (b"iCCP", b"x\0\0" + zlib.compress(profile))
        (tmp_path / "x.png").write_bytes(png.encode(samples, [chunk]))
    else:
        tifffile.imwrite(tmp_path / "x.tif", samples, photometric="rgb", iccprofile=profile)
    photo = read_photograph(tmp_path / f"x{extension}")
    assert photo.bit_depth == 16
    difference = np.abs(photo.pixels - floats(by_little_cms(levels, "RGB", profile)))
    # Little CMS answers in 8 bits: half a level of rounding, and its own fixed-point curves near black.
    assert difference.mean() < 0.35 / 255
    assert difference.max() < 1.6 / 255
    fine = photo.pixels * 255
    assert np.abs(fine - np.rint(fine)).max() > 0.4  # more levels than 8 bits have


def test_the_name_of_a_converted_profile_is_told(tmp_path):
    photo = read_photograph(saved(tmp_path / "x.jpg", smooth(), icc_profile=RGB_PROFILES["p3"]))
    assert photo.notes == ("colour profile 'Display P3' converted to sRGB",)


def test_parametric_curves_with_an_offset():
    x = np.linspace(0, 1, 65536)
    found = image_profiles._curve(para(2, 2.0, 1.25, -0.25, 0.0625))
    expected = np.where(x >= 0.2, (1.25 * x - 0.25) ** 2 + 0.0625, 0.0625)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-4)


@pytest.mark.parametrize("profile", [srgb_profile(), matrix_profile(SRGB, SRGB_CURVE, "any name")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_srgb_profile_changes_nothing(profile, dtype):
    samples = noise(H, W, 3, dtype=dtype)
    converted, notes = to_srgb(samples, "rgb", profile)
    np.testing.assert_array_equal(converted, samples)
    assert notes == []


def test_a_profile_that_only_calls_itself_srgb_is_applied():
    samples = noise(H, W, 3)
    converted, notes = to_srgb(samples, "rgb", matrix_profile(ADOBE, SRGB_CURVE, "sRGB"))
    assert notes and (converted != samples).any()


@pytest.mark.parametrize(
    "profile",
    [
        b"not a profile at all",
        RGB_PROFILES["p3"][:200],
        RGB_PROFILES["p3"][:128],
        table_profile(b"CMYK", 4, b"prtr"),
        matrix_profile(P3, b"nope" + bytes(8)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_broken_profile_is_ignored_and_told(profile, dtype):
    samples = noise(H, W, 3, dtype=dtype)
    converted, notes = to_srgb(samples, "rgb", profile)
    np.testing.assert_array_equal(converted, samples)
    assert notes == ["colour profile ignored: it is broken or made for another kind of picture"]


def test_a_profile_of_many_megabytes_is_not_even_parsed():
    samples = noise(H, W, 3)
    converted, notes = to_srgb(samples, "rgb", RGB_PROFILES["p3"] + bytes(MAX_PROFILE_BYTES))
    np.testing.assert_array_equal(converted, samples)
    assert "ignored: more than" in notes[0]


def test_sixteen_bits_through_a_profile_of_tables(tmp_path):
    profile, levels = table_profile(b"RGB ", 3, b"mntr"), noise(H, W, 3)
    tifffile.imwrite(
        tmp_path / "x.tif", levels.astype(np.uint16) * 257, photometric="rgb", iccprofile=profile
    )
    photo = read_photograph(tmp_path / "x.tif")
    np.testing.assert_allclose(photo.pixels, floats(by_little_cms(levels, "RGB", profile)), atol=1e-6)
    assert "at 8 bits" in photo.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_with_a_gray_profile(dtype):
    profile = icc(b"GRAY", {b"kTRC": curv(round(1.8 * 256))}, name="gray gamma")
    levels = noise(H, W)
    converted, notes = to_srgb(
        levels if dtype == np.uint8 else levels.astype(np.uint16) * 257, "gray", profile
    )
    expected = by_little_cms(levels, "L", profile)
    np.testing.assert_allclose(floats(converted), floats(expected), atol=1.6 / 255)
    assert np.abs(expected[..., 0].astype(int) - levels).max() > 10
    assert notes == ["colour profile 'gray gamma' converted to sRGB"]


def test_gray_with_an_rgb_profile():
    levels = noise(H, W)
    converted, _ = to_srgb(levels, "gray", RGB_PROFILES["adobe"])
    expected = by_little_cms(levels[..., None].repeat(3, axis=2), "RGB", RGB_PROFILES["adobe"])
    np.testing.assert_array_equal(converted, expected)


@pytest.mark.parametrize("extension", [".jpg", ".tif"])
def test_cmyk_with_a_profile(tmp_path, extension):
    profile = table_profile(b"CMYK", 4, b"prtr", name="Press")
    inks = np.dstack([smooth(), smooth()[..., 0] // 2])
    path = tmp_path / f"x{extension}"
    Image.frombytes("CMYK", (W, H), inks.tobytes()).save(path, icc_profile=profile)
    with Image.open(path) as image:
        expected = by_little_cms(np.asarray(image), "CMYK", profile)
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, floats(expected), atol=1e-6)
    assert photo.notes == ("CMYK converted to sRGB with its colour profile 'Press'",)


def test_cmyk_without_a_profile(tmp_path):
    image = Image.frombytes("CMYK", (W, H), noise(H, W, 4).tobytes())
    image.save(tmp_path / "x.tif")
    photo = read_photograph(tmp_path / "x.tif")
    np.testing.assert_allclose(photo.pixels, floats(np.asarray(image.convert("RGB"))), atol=1e-6)
    assert photo.notes == ("CMYK without a usable profile converted to sRGB",)


def test_lab_tiff(tmp_path):
    lab = np.empty((H, W, 3), np.uint8)
    lab[...] = 128, 0, 0  # neutral, lightness 50
    Image.frombytes("LAB", (W, H), lab.tobytes()).save(tmp_path / "x.tif")
    np.testing.assert_allclose(read_photograph(tmp_path / "x.tif").pixels, 0.468, atol=0.02)


def test_the_profile_written_is_srgb_and_has_no_date():
    profile = srgb_profile()
    srgb_profile.cache_clear()
    assert srgb_profile() == profile
    assert profile[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0) and not any(profile[84:100])


# --- maps --------------------------------------------------------------------------------------------------


def test_maps_are_codes(tmp_path):
    codes = noise(5, 7, 3)
    path = saved(tmp_path / "x.png", codes, icc_profile=RGB_PROFILES["p3"])
    found = read_map(path)
    np.testing.assert_array_equal(found.colors, codes)
    assert found.colors.dtype == np.uint8 and found.colors.shape == (5, 7, 3)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and found.path == path


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_maps_of_every_mode(tmp_path, mode):
    image = Image.fromarray(smooth()).convert(mode)
    image.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_map(tmp_path / "x.png").colors, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("shape", [(H, W), (H, W, 3)])
def test_sixteen_bit_maps(tmp_path, shape):
    codes = noise(*shape)
    cv2.imwrite(str(tmp_path / "x.png"), codes[..., ::-1].astype(np.uint16) * 257)
    expected = codes if codes.ndim == 3 else codes[:, ::-1, None].repeat(3, axis=2)
    np.testing.assert_array_equal(read_map(tmp_path / "x.png").colors, expected)
    cv2.imwrite(str(tmp_path / "y.png"), codes.astype(np.uint16))
    with pytest.raises(ImageError, match="16-bit codes"):
        read_map(tmp_path / "y.png")


# --- bad input ---------------------------------------------------------------------------------------------


def refusal(path, limits=None, read=read_photograph):
    with pytest.raises(ImageError) as caught:
        read(path, limits)
    sentence = str(caught.value)
    assert str(path) in sentence or repr(str(path)) in sentence
    assert sentence.endswith(".") and "\n" not in sentence and ("; " in sentence)
    return sentence


def test_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "x.png")
    assert "does not exist" in refusal(tmp_path / "x.png", read=read_map)


def test_impossible_names(tmp_path):
    assert "name" in refusal(tmp_path / "a\0b.png")
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))


def test_things_that_are_no_files(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    signal.alarm(30)  # opening a pipe may wait for ever, and then this ends the test
    assert "pipe" in refusal(tmp_path / "pipe")
    signal.alarm(0)
    assert "device" in refusal(Path(os.devnull))
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path has 108 bytes at most
        try:
            listener.bind("s")
        finally:
            os.chdir(here)
        assert "cannot be read" in refusal(tmp_path / "s")


def test_a_file_in_place_of_a_folder(tmp_path):
    saved(tmp_path / "x.png", smooth())
    assert "cannot be read" in refusal(tmp_path / "x.png" / "y.png")


def test_unreadable_file(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", smooth())
    if os.geteuid() != 0:
        path.chmod(0)
    else:  # root may read everything

        def refuse(*args):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    assert "may not be read" in refusal(path)


def test_empty_and_oversized_files(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "empty.png")
    path = saved(tmp_path / "x.png", smooth())
    size = path.stat().st_size
    assert f"{size} bytes" in refusal(path, ImageLimits(max_bytes=size - 1))
    read_photograph(path, ImageLimits(max_bytes=size))


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", smooth())
    checked = image_decoding._checked_size
    monkeypatch.setattr(image_decoding, "_checked_size", lambda *args: checked(*args) - 1)
    assert "changed while it was read" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"x", b"hello, world" * 9, b"GIF89a" + bytes(99), b"%PDF-1.7" + bytes(99), b"\0\0\0\x18ftypheic"],
)
def test_what_is_no_picture_in_an_accepted_format(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert "JPEG, PNG, WebP, TIFF or BMP" in refusal(tmp_path / "x.png")


def test_a_real_gif_is_not_accepted(tmp_path):
    assert "accepted format" in refusal(saved(tmp_path / "x.gif", smooth()))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp", "z.tif", "16.png", "16.tif"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.2, 0.05])
def test_truncated_files(tmp_path, name, kept):
    path = tmp_path / name
    if name.startswith("16"):
        write_image(path, floats(noise(H, W, 3)).astype(np.float32), bit_depth=16)
    else:
        saved(path, noise(H, W, 3), **({"compression": "tiff_lzw"} if name == "z.tif" else {}))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    sentence = refusal(path)
    assert "cut short" in sentence or "damaged" in sentence


def test_a_truncated_jpeg_is_said_to_be_cut_short(tmp_path):
    path = saved(tmp_path / "x.jpg", noise(H, W, 3))
    path.write_bytes(path.read_bytes()[:-400])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("size", [(31, 100), (100, 31)])
def test_too_small(tmp_path, size):
    path = saved(tmp_path / "x.png", smooth(*size))
    assert "at least 32 pixels" in refusal(path)
    assert read_map(path).colors.shape == (*size, 3)
    read_photograph(saved(tmp_path / "y.png", smooth(32, 32)))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_too_many_pixels(tmp_path, extension):
    path = saved(tmp_path / f"x{extension}", smooth())
    assert f"{W} x {H} pixels" in refusal(path, ImageLimits(max_pixels=W * H - 1))
    read_photograph(path, ImageLimits(max_pixels=W * H))


def huge(kind):
    """A few bytes that claim more pixels than anybody has memory for."""
    side = 60_000
    if kind == "png":
        return png.SIGNATURE + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in [
                (b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)),
                (b"IDAT", zlib.compress(bytes(100_000))),
                (b"IEND", b""),
            ]
        )
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(
        buffer, {"webpx": "WEBP", "webpl": "WEBP"}.get(kind, kind), lossless=kind == "webpl"
    )
    data = bytearray(buffer.getvalue())
    if kind == "jpeg":
        start = data.index(b"\xff\xc0")
        data[start + 5 : start + 9] = struct.pack(">HH", side, side)
    elif kind == "bmp":
        data[18:26] = struct.pack("<ii", side, side)
    elif kind == "webpx":
        body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2 + data[12:]
        data = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    elif kind == "webpl":
        data[21:25] = struct.pack("<I", 16382 | 16382 << 14)
    elif kind == "tiff":
        for tag in (256, 257):
            start = data.index(
                struct.pack("<HH", tag, 4)
                if struct.pack("<HH", tag, 4) in data
                else struct.pack("<HH", tag, 3)
            )
            data[start : start + 12] = struct.pack("<HHII", tag, 4, 1, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "webpx", "webpl"])
def test_bombs_are_refused_before_memory_is_taken(tmp_path, kind):
    import tracemalloc

    (tmp_path / "x").write_bytes(huge(kind))
    tracemalloc.start()
    try:
        sentence = refusal(tmp_path / "x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "more than the 200000000 allowed" in sentence
    assert peak < 2**20


def test_our_limit_may_be_above_pillows_own(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", smooth())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # far below this picture, even doubled
    assert read_photograph(path).width == W


def test_several_frames(tmp_path):
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    for name in ("x.webp", "x.tif", "x.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert "several pictures" in refusal(tmp_path / name)
        assert "several pictures" in refusal(tmp_path / name, read=read_map)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint32, np.int16])
@pytest.mark.parametrize("shape", [(H, W), (H, W, 3)])
def test_tiffs_of_other_numbers(tmp_path, dtype, shape):
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", np.ones(shape, dtype), photometric=photometric)
    sentence = refusal(tmp_path / "x.tif")
    assert "8 or 16 bits" in sentence or "damaged or of an unusual kind" in sentence


def test_without_opencv_only_deep_pictures_that_need_it_fail(tmp_path, monkeypatch):
    write_image(tmp_path / "deep.png", floats(smooth()).astype(np.float32), bit_depth=16)
    saved(tmp_path / "x.png", smooth())
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "libgl1" in refusal(tmp_path / "deep.png")
    read_photograph(tmp_path / "x.png")


def test_too_little_memory_is_one_sentence(tmp_path, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    path = saved(tmp_path / "x.png", smooth())
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", no_memory)
    assert "memory" in refusal(path)


def test_odd_metadata_warns_nobody(tmp_path):
    path = saved(tmp_path / "x.tif", smooth())
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    start = data.index(struct.pack("<HH", 284, 3), first)
    data[start : start + 12] = struct.pack("<HHII", 305, 2, 4000, len(data) - 4)  # beyond the end
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        read_photograph(path)
    assert seen == []


def test_reading_in_threads(tmp_path):
    paths = [saved(tmp_path / f"{index}.png", noise(H, W, 3, seed=index)) for index in range(8)]
    results = {}
    threads = [
        threading.Thread(target=lambda i=i, p=p: results.update({i: read_photograph(p)}))
        for i, p in enumerate(paths)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(8):
        np.testing.assert_allclose(results[index].pixels, floats(noise(H, W, 3, seed=index)), atol=1e-7)


def specimens(folder):
    """One file of every kind, with all the metadata it can carry."""
    pixels = floats(smooth()).astype(np.float32)
    alpha = pixels[0]
    for extension in EXTENSIONS:
        write_image(folder / f"full{extension}", pixels, alpha=alpha, exif=camera_exif(), recipe=RECIPE)
    for extension in (".png", ".tif"):
        write_image(folder / f"deep{extension}", pixels, bit_depth=16, alpha=alpha)
    tifffile.imwrite(
        folder / "plain.tif", smooth().astype(np.uint16), photometric="rgb", iccprofile=RGB_PROFILES["p3"]
    )
    Image.fromarray(smooth()).save(folder / "x.bmp")
    Image.fromarray(smooth()).convert("P").save(
        folder / "p.png", transparency=3, icc_profile=RGB_PROFILES["p3"]
    )
    Image.fromarray(smooth()).convert("CMYK").save(
        folder / "cmyk.jpg", icc_profile=table_profile(b"CMYK", 4, b"prtr")
    )
    return sorted(folder.iterdir())


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


def test_damaged_files_raise_image_errors_only(tmp_path):
    rng = random.Random(20240501)
    (tmp_path / "good").mkdir()
    limits = ImageLimits(max_pixels=300_000)
    outcomes = {"read": 0, "refused": 0}
    target = tmp_path / "bad"
    for path in specimens(tmp_path / "good"):
        data = path.read_bytes()
        for _ in range(50):
            target.write_bytes(mutated(data, rng))
            for read in (read_photograph, read_map, read_recipe):
                try:
                    found = read(target, limits)
                    outcomes["read"] += 1
                except ImageError as error:
                    assert str(target) in str(error)
                    outcomes["refused"] += 1
                else:
                    if read is read_photograph:
                        assert found.pixels.min() >= 0 and found.pixels.max() <= 1
    assert min(outcomes.values()) > 100, (
        outcomes
    )  # mutations that are all fatal, or all harmless, test nothing


@hypothesis_settings(max_examples=150, deadline=None, database=None)
@given(
    st.sampled_from([png.SIGNATURE, b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"RIFF0000WEBPVP8X"]),
    st.binary(max_size=200),
)
def test_any_bytes_behind_a_signature_raise_image_errors_only(tmp_path_factory, signature, rest):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(signature + rest)
    for read in (read_photograph, read_map, read_recipe):
        with pytest.raises(ImageError):
            read(path, ImageLimits(max_pixels=10_000))


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_damaged_profiles_never_fail(name):
    rng = random.Random(7)
    for dtype in (np.uint8, np.uint16):
        samples = noise(4, 5, 3, dtype=dtype)
        for _ in range(40):
            converted, _ = to_srgb(samples, "rgb", mutated(RGB_PROFILES[name], rng))
            assert converted.shape == samples.shape and converted.dtype == dtype


# --- writing -----------------------------------------------------------------------------------------------


def test_output_format():
    found = {
        name: output_format(f"a.b/{name}")
        for name in ("x.PNG", "x.jpg", "x.JPEG", "x.webp", "x.tif", "x.tiff")
    }
    assert list(found.values()) == ["PNG", "JPEG", "JPEG", "WEBP", "TIFF", "TIFF"]
    for name in ("x", "x.gif", ".png", "x.png.bak"):
        with pytest.raises(OutputError, match=r"\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff"):
            output_format(name)


@pytest.mark.parametrize("extension, tolerance", [(".png", 0), (".tif", 0), (".jpg", 4), (".webp", 12)])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_eight_bits_round_trip(tmp_path, extension, tolerance, with_alpha):
    samples = smooth()
    alpha = floats(samples)[0].astype(np.float32) if with_alpha else None
    write_image(tmp_path / f"x{extension}", floats(samples).astype(np.float32), alpha=alpha)
    photo = read_photograph(tmp_path / f"x{extension}")
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=(tolerance + 1e-3) / 255)
    if with_alpha and extension != ".jpg":
        np.testing.assert_allclose(photo.alpha, alpha, atol=1e-6)
    else:
        assert photo.alpha is None
    assert set(photo.notes) <= {"alpha channel kept"} and photo.bit_depth == 8


def test_lossless_webp(tmp_path):
    samples = noise(H, W, 4)
    samples[:5, :, 3] = 0
    write_image(
        tmp_path / "x.webp", floats(samples)[:3].astype(np.float32), alpha=floats(samples)[3], quality=100
    )
    photo = read_photograph(tmp_path / "x.webp")
    np.testing.assert_allclose(photo.pixels, floats(samples)[:3], atol=1e-6)


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bits_round_trip(tmp_path, extension, with_alpha):
    samples = noise(H, W, 3, dtype=np.uint16)
    samples[0] = (np.arange(W)[:, None] + [0, 1000, 65535 - W]).astype(
        np.uint16
    )  # neighbours differ by 1/65535
    alpha = noise(H, W, dtype=np.uint16)
    path = tmp_path / f"x{extension}"
    write_image(
        path,
        floats(samples).astype(np.float32),
        bit_depth=16,
        alpha=(alpha / 65535).astype(np.float32) if with_alpha else None,
        exif=camera_exif(),
        recipe=RECIPE,
    )
    photo = read_photograph(path)
    np.testing.assert_array_equal(np.rint(np.moveaxis(photo.pixels, 0, -1) * 65535), samples)
    assert photo.bit_depth == 16
    seen = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # another reader sees the same
    np.testing.assert_array_equal(seen[..., 2::-1], samples)
    if with_alpha:
        np.testing.assert_array_equal(np.rint(photo.alpha * 65535), alpha)
        np.testing.assert_array_equal(seen[..., 3], alpha)
    if extension == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path)[..., :3], samples)


@pytest.mark.parametrize("rows", [1, 255, 256, 257])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_encoder_against_opencv(rows, dtype, channels):
    samples = noise(rows, 5, channels, dtype=dtype)
    if channels == 2:
        image = Image.open(io.BytesIO(png.encode(samples)))
        if dtype == np.uint8:
            np.testing.assert_array_equal(np.asarray(image), samples)
        else:
            np.testing.assert_array_equal(np.asarray(image)[..., 3], samples[..., 1] >> 8)
        return
    seen = cv2.imdecode(np.frombuffer(png.encode(samples), np.uint8), cv2.IMREAD_UNCHANGED).reshape(
        rows, 5, -1
    )
    np.testing.assert_array_equal(seen[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]], samples)


def test_png_chunks_have_valid_checksums(tmp_path):
    write_image(tmp_path / "x.png", floats(smooth()).astype(np.float32), recipe=RECIPE, exif=camera_exif())
    with Image.open(tmp_path / "x.png") as image:
        image.verify()
    kinds = [kind for kind, _ in png.chunks((tmp_path / "x.png").read_bytes())]
    assert list(dict.fromkeys(kinds)) == [b"IHDR", b"iCCP", b"eXIf", b"iTXt", b"IDAT", b"IEND"]


def test_values_are_rounded_and_clipped(tmp_path):
    pixels = np.full((3, H, W), 0.5, np.float32)
    pixels[:, 0, :5] = np.array([-1, 2, 0.4 / 255, 0.6 / 255, 254.6 / 255])
    write_image(tmp_path / "x.png", pixels)
    row = np.asarray(Image.open(tmp_path / "x.png"))[0, :5, 0]
    assert row.tolist() == [0, 255, 0, 1, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["pixels", "alpha"])
def test_values_that_are_not_numbers_are_never_written(tmp_path, bad, where):
    arrays = {"pixels": np.zeros((3, H, W), np.float32), "alpha": np.zeros((H, W), np.float32)}
    arrays[where][..., 4, 4] = bad
    with pytest.raises(OutputError, match="not numbers"):
        write_image(tmp_path / "x.png", arrays["pixels"], alpha=arrays["alpha"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension, depth", TARGETS)
def test_every_file_carries_the_srgb_profile(tmp_path, extension, depth):
    write_image(tmp_path / f"x{extension}", floats(smooth()).astype(np.float32), bit_depth=depth)
    with Image.open(tmp_path / f"x{extension}") as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_jpeg_keeps_the_resolution_of_chroma(tmp_path):
    from PIL import JpegImagePlugin

    write_image(tmp_path / "x.jpg", floats(smooth()).astype(np.float32))
    with Image.open(tmp_path / "x.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_same_input_gives_the_same_bytes(tmp_path, extension, monkeypatch):
    arguments = {"alpha": floats(smooth())[0], "exif": camera_exif(), "recipe": RECIPE}
    write_image(tmp_path / f"a{extension}", floats(smooth()).astype(np.float32), **arguments)
    srgb_profile.cache_clear()  # so that the second file is made at another time from scratch
    write_image(tmp_path / f"b{extension}", floats(smooth()).astype(np.float32), **arguments)
    assert (tmp_path / f"a{extension}").read_bytes() == (tmp_path / f"b{extension}").read_bytes()


@pytest.mark.parametrize("extension", [".jpg", ".webp"])
def test_sixteen_bits_where_there_are_none(tmp_path, extension):
    with pytest.raises(OutputError, match="write PNG or TIFF"):
        write_image(tmp_path / f"x{extension}", np.zeros((3, H, W), np.float32), bit_depth=16)


def test_too_long_for_webp(tmp_path):
    with pytest.raises(OutputError, match="16383"):
        write_image(tmp_path / "x.webp", np.zeros((3, 1, 16384), np.float32))


@pytest.mark.parametrize(
    "arguments",
    [
        {"pixels": np.zeros((H, W, 3), np.float32)},
        {"pixels": np.zeros((3, 0, W), np.float32)},
        {"alpha": np.zeros((H, W + 1), np.float32)},
        {"bit_depth": 12},
        {"quality": 0},
    ],
)
def test_mistakes_of_the_program_are_value_errors(tmp_path, arguments):
    arguments = {"pixels": np.zeros((3, H, W), np.float32)} | arguments
    with pytest.raises(ValueError, match="must"):
        write_image(tmp_path / "x.png", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_original_is_never_lost(tmp_path):
    path = saved(tmp_path / "x.png", smooth())
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_image(path, np.zeros((3, H, W), np.float32))
    assert path.read_bytes() == before
    write_image(path, np.zeros((3, H, W), np.float32), overwrite=True)
    assert read_photograph(path).pixels.max() == 0


@pytest.mark.parametrize("name", ["fsync", "link"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_nothing(tmp_path, monkeypatch, name, code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(OutputError, match=str(tmp_path / "x.png")):
        write_image(tmp_path / "x.png", np.zeros((3, H, W), np.float32))
    assert list(tmp_path.iterdir()) == []


# --- recipes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension, depth", TARGETS)
def test_recipe_round_trip(tmp_path, extension, depth):
    path = tmp_path / f"x{extension}"
    write_image(path, floats(smooth()).astype(np.float32), bit_depth=depth, recipe=RECIPE)
    assert read_recipe(path) == RECIPE


@hypothesis_settings(max_examples=40, deadline=None, database=None)
@given(
    st.dictionaries(
        st.text(max_size=9), st.text(max_size=30) | st.integers() | st.booleans() | st.none(), max_size=4
    )
)
def test_any_recipe_round_trips(tmp_path_factory, recipe):
    for extension in (".png", ".jpg"):
        path = tmp_path_factory.getbasetemp() / f"any{extension}"
        write_image(path, np.zeros((3, 32, 32), np.float32), recipe=recipe, overwrite=True)
        assert read_recipe(path) == recipe


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".bmp"])
def test_a_picture_without_a_recipe(tmp_path, extension):
    assert read_recipe(saved(tmp_path / f"x{extension}", smooth())) is None


def test_foreign_xmp_and_foreign_text_are_no_recipe(tmp_path):
    saved(tmp_path / "x.jpg", smooth(), xmp=b"<x:xmpmeta broken & <!DOCTYPE")
    assert read_recipe(tmp_path / "x.jpg") is None
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", '{"a": 1}')
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    assert read_recipe(tmp_path / "x.png") is None


def test_a_recipe_that_other_programs_compressed_or_rewrote(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("pst:recipe", json.dumps(RECIPE), zip=True)
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    assert read_recipe(tmp_path / "x.png") == RECIPE
    packet = (
        b"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description "
        b"xmlns:q='https://photoreal-style.invalid/ns/1.0/' q:recipe='{&quot;a&quot;: 1}'/></r:RDF>"
    )
    saved(tmp_path / "x.jpg", smooth(), xmp=packet)
    assert read_recipe(tmp_path / "x.jpg") == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "7", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}", " " * (MAX_RECIPE_BYTES + 1)]
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_recipes(tmp_path, text, zipped):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("pst:recipe", text, zip=zipped)
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    with pytest.raises(ImageError, match=r"x\.png (carries a recipe that )?is"):
        read_recipe(tmp_path / "x.png")


def test_a_packet_that_declares_entities_is_not_parsed(tmp_path):
    packet = b"<!DOCTYPE x [<!ENTITY a 'b'>]><x xmlns:p='https://photoreal-style.invalid/ns/1.0/'>&a;</x>"
    saved(tmp_path / "x.jpg", smooth(), xmp=packet)
    with pytest.raises(ImageError, match="damaged"):
        read_recipe(tmp_path / "x.jpg")


@pytest.mark.parametrize("recipe", [{"a": float("nan")}, {"a": object()}, {"a": "x" * MAX_RECIPE_BYTES}])
def test_recipes_that_cannot_be_written(tmp_path, recipe):
    with pytest.raises(OutputError, match="the recipe"):
        write_image(tmp_path / "x.png", np.zeros((3, H, W), np.float32), recipe=recipe)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_too_long_for_jpeg(tmp_path):
    recipe = {"a": "x" * 66_000}
    with pytest.raises(OutputError, match="64 kB"):
        write_image(tmp_path / "x.jpg", np.zeros((3, H, W), np.float32), recipe=recipe)
    write_image(tmp_path / "x.tif", np.zeros((3, H, W), np.float32), recipe=recipe)
    assert read_recipe(tmp_path / "x.tif") == recipe


def test_importing_is_cheap():
    code = (
        "import sys, pst_core.images.writing; print(sorted({'torch', 'cv2', 'tifffile'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
