import io
import random
import struct
import zlib

import numpy as np
import pytest
import tifffile
from photographs import (
    ADOBE,
    P3,
    RGB_PROFILES,
    SRGB_CURVE,
    H,
    W,
    curv,
    floats,
    icc,
    matrix_profile,
    mutated,
    noise,
    para,
    saved,
    smooth,
    table_profile,
)
from PIL import Image, ImageCms

from pst_core.images import png
from pst_core.images import profiles as image_profiles
from pst_core.images.profiles import MAX_PROFILE_BYTES, srgb_profile, to_srgb
from pst_core.images.reading import read_photograph

SRGB = [(0.43604, 0.22248, 0.01392), (0.38512, 0.71690, 0.09706), (0.14305, 0.06061, 0.71391)]


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


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_damaged_profiles_never_fail(name):
    rng = random.Random(7)
    for dtype in (np.uint8, np.uint16):
        samples = noise(4, 5, 3, dtype=dtype)
        for _ in range(40):
            converted, _ = to_srgb(samples, "rgb", mutated(RGB_PROFILES[name], rng))
            assert converted.shape == samples.shape and converted.dtype == dtype
