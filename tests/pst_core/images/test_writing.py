import errno
import io
import os
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from photographs import EXTENSIONS, RECIPE, TARGETS, H, W, camera_exif, floats, noise, saved, smooth
from PIL import Image

from pst_core.errors import OutputError
from pst_core.images import png, writing
from pst_core.images.carried import Carried
from pst_core.images.formats import output_format
from pst_core.images.profiles import srgb_profile
from pst_core.images.reading import read_photograph
from pst_core.images.transparency import on_white
from pst_core.images.writing import to_levels, write_image


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
    shown = floats(samples) if extension != ".jpg" else np.rint(255 * on_white(floats(samples), alpha)) / 255
    np.testing.assert_allclose(photo.pixels, shown, atol=(tolerance + 1e-3) / 255)
    if with_alpha and extension != ".jpg":
        np.testing.assert_allclose(photo.alpha, alpha, atol=1e-6)
    else:
        assert photo.alpha is None
    assert all(note.startswith("alpha channel kept") for note in photo.notes) and photo.bit_depth == 8


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
        carried=Carried(exif=camera_exif()),
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


def pixel_data(data):
    return b"".join(chunk.payload(data) for chunk in png.walk(data) if chunk.kind == b"IDAT")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_is_about_as_small_as_zlib_makes_it(dtype):
    depth = 8 * np.dtype(dtype).itemsize
    shades = floats(smooth(120, 160)) + np.random.default_rng(0).normal(0, 0.01, (3, 120, 160))
    samples = to_levels(shades.astype(np.float32), bit_depth=depth)
    packed = pixel_data(png.encode(samples))
    assert len(packed) <= 1.02 * len(zlib.compress(zlib.decompress(packed), 6))


def test_large_pictures_are_rounded_some_rows_at_a_time(monkeypatch):
    pixels = np.random.default_rng(2).random((3, 37, 20), np.float32) * 1.2 - 0.1
    alpha = np.random.default_rng(3).random((37, 20), np.float32)
    at_once = to_levels(pixels, alpha, 16)
    monkeypatch.setattr(writing, "_PIXELS_AT_ONCE", 70)
    assert np.array_equal(to_levels(pixels, alpha, 16), at_once)


def test_png_chunks_have_valid_checksums(tmp_path):
    write_image(
        tmp_path / "x.png",
        floats(smooth()).astype(np.float32),
        recipe=RECIPE,
        carried=Carried(exif=camera_exif()),
    )
    with Image.open(tmp_path / "x.png") as image:
        image.verify()
    kinds = [chunk.kind for chunk in png.walk((tmp_path / "x.png").read_bytes())]
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
    arguments = {"alpha": floats(smooth())[0], "carried": Carried(camera_exif()), "recipe": RECIPE}
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
