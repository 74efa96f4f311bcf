import hashlib
import struct
import subprocess
import sys
import threading
import warnings

import cv2
import numpy as np
import pytest
from photographs import RGB_PROFILES, H, W, exif_with, floats, noise, refusal, saved, smooth
from PIL import Image, PngImagePlugin

from pst_core.images.reading import read_map, read_photograph
from pst_core.images.stored import NOTHING_STORED


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".webp"])
def test_eight_bit_pictures_come_back_exactly(tmp_path, extension):
    samples = noise(H, W, 3)
    path = saved(tmp_path / f"x{extension}", samples, **({"lossless": True} if extension == ".webp" else {}))
    photo = read_photograph(path)
    assert photo.pixels.dtype == np.float32 and photo.pixels.flags.c_contiguous
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=1e-7)
    assert (photo.height, photo.width, photo.bit_depth, photo.alpha) == (H, W, 8, None)
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (photo.path, photo.notes, photo.stored._replace(resolution=None)) == (path, (), NOTHING_STORED)


def test_jpeg(tmp_path):
    path = saved(tmp_path / "x.jpg", smooth(), quality=95, subsampling=0)
    np.testing.assert_allclose(read_photograph(path).pixels, floats(smooth()), atol=4 / 255)


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
    found = read_map(tmp_path / "x.png").colors
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected.astype(np.uint16) * 257)


def test_what_is_transparent_in_a_map_is_told_apart_if_anything_is(tmp_path):
    alpha = np.full((H, W), 255, np.uint8)
    alpha[:9], alpha[9:20] = 0, 100  # nearer to unseen than to seen, the second
    path = saved(tmp_path / "x.png", np.dstack([noise(H, W, 3), alpha]))
    np.testing.assert_array_equal(read_map(path).hole, alpha < 128)
    for level, notes in ((0, 1), (90, 1), (200, 0)):
        alpha[:] = level
        found = read_map(saved(tmp_path / "y.png", np.dstack([noise(H, W, 3), alpha])))
        assert found.hole is None and len(found.notes) == notes


def test_a_palettes_numbers_are_read_with_its_colours(tmp_path):
    numbers = np.arange(H * W, dtype=np.uint8).reshape(H, W) % 5
    image = Image.fromarray(numbers, "P")
    image.putpalette([9, 9, 9, 0, 0, 0, 9, 9, 9, 1, 2, 3, 255, 0, 0])
    image.save(tmp_path / "x.png", transparency=2)
    found = read_map(tmp_path / "x.png")
    np.testing.assert_array_equal(found.numbers, numbers)
    np.testing.assert_array_equal(found.hole, numbers == 2)
    assert found.colors[0, 3].tolist() == [1, 2, 3]
    assert read_map(saved(tmp_path / "y.png", noise(H, W, 3))).numbers is None


@pytest.mark.parametrize(("name", "options", "lossless"), [
    ("x.png", {}, True), ("x.bmp", {}, True), ("x.tif", {}, True),
    ("x.tif", {"compression": "tiff_lzw"}, True),
    ("x.tif", {"compression": "jpeg"}, False), ("x.jpg", {"quality": 100}, False), ("x.webp", {}, False),
    ("x.webp", {"lossless": True}, True), ("x.webp", {"lossless": True, "exif": exif_with(_271="A")}, True),
])  # fmt: skip
def test_whether_a_maps_format_keeps_its_values(tmp_path, name, options, lossless):
    assert read_map(saved(tmp_path / name, smooth(), **options)).lossless == lossless


def test_a_map_remembers_how_it_was_turned(tmp_path):
    alpha = np.full((H, W), 255, np.uint8)
    alpha[:9] = 0
    path = saved(tmp_path / "x.png", np.dstack([smooth(), alpha]), exif=exif_with(_274=6))
    found = read_map(path)
    assert found.turn == 6 and found.size == (W, H)
    np.testing.assert_array_equal(found.hole, np.rot90(alpha == 0, -1))
    np.testing.assert_array_equal(found.colors, np.rot90(smooth(), -1))
    np.testing.assert_array_equal(found.turned(8).colors, smooth())
    photograph = read_photograph(saved(tmp_path / "y.jpg", smooth(), exif=exif_with(_274=6)))
    assert photograph.turn == 6 and read_photograph(saved(tmp_path / "z.jpg", smooth())).turn == 1


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


def test_importing_is_cheap():
    heavy = "{'torch', 'cv2', 'tifffile', 'imagecodecs', 'simplejpeg', 'pillow_heif', 'rawpy'}"
    code = f"import sys, pst_core.images.writing; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
