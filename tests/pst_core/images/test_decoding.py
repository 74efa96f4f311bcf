import errno
import io
import os
import random
import re
import signal
import socket
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from damaged_pictures import mutate_and_read, specimens
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from photographs import (
    H,
    W,
    floats,
    noise,
    refusal,
    saved,
    smooth,
)
from PIL import Image

from pst_core.errors import ImageError
from pst_core.images import limits as image_limits
from pst_core.images import png
from pst_core.images.embedding import read_recipe
from pst_core.images.limits import ImageLimits
from pst_core.images.reading import read_map, read_photograph
from pst_core.images.writing import write_image


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
    assert (photo.notes, photo.bit_depth) == ((), 16)
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=1e-7)


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
    assert [note.split(";")[0] for note in photo.notes] == ["alpha channel kept"]


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
    check = image_limits._check_file

    def grow(*arguments):
        check(*arguments)
        path.write_bytes(path.read_bytes() + b"more")

    monkeypatch.setattr(image_limits, "_check_file", grow)
    assert "changed while it was read" in refusal(path)


@pytest.mark.parametrize(
    "content, what, way_out",
    [
        (b"\xfe\x01\x02\x03 what nobody knows", "of a kind that is not known", "save it as"),
        (b"hello, world" * 9, "a text", "remove it"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page", "fetch or copy the picture again"),
        (b"GIF89a" + bytes(99), "a GIF picture", "export it"),
        (b"%PDF-1.7" + bytes(99), "a PDF document", "export it"),
        (b"\0\0\0\x18ftypisom" + bytes(99), "a video", "export a frame"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive", "unpack it"),
        (b"8BPS" + bytes(99), "a Photoshop document", "export it"),
        (b"\xff\x0a" + bytes(99), "a JPEG XL picture", "export it"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "a JPEG 2000 picture", "export it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "run git lfs pull"),
        (bytes(4096), "nothing but zeros", "fetch or copy the picture again"),
    ],
)
def test_what_is_no_photograph_is_called_by_its_name(tmp_path, content, what, way_out):
    (tmp_path / "x.jpg").write_bytes(content)
    for read in (read_photograph, read_map):
        sentence = refusal(tmp_path / "x.jpg", read=read)
        assert f"is {what}" in sentence and f"; {way_out}" in sentence


@pytest.mark.parametrize(
    "beginning", [b"\xff\xd8\xff\xe0", png.SIGNATURE, b"II*\0", b"BM", b"RIFF\0\0\0\0WEBP"]
)
def test_a_damaged_picture_is_called_by_its_format(tmp_path, beginning):
    (tmp_path / "x").write_bytes(beginning + b"\x10\x20\x30" * 99)
    name = {b"\xff": "JPEG", b"\x89": "PNG", b"I": "TIFF", b"B": "BMP", b"R": "WebP"}[beginning[:1]]
    assert re.search(f"is a {name} picture that is (damaged|cut short)", refusal(tmp_path / "x"))


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


def test_damaged_files_raise_image_errors_only(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    outcomes = Counter()
    for path in specimens(tmp_path / "good"):
        outcomes += mutate_and_read(path, tmp_path / "bad", random.Random(path.name), rounds=50)
    # Mutations that are all fatal, or all harmless, test nothing.
    assert min(outcomes["read"], outcomes["refused"]) > 300, outcomes


@hypothesis_settings(max_examples=150)
@given(
    st.sampled_from(
        [
            png.SIGNATURE,
            b"\xff\xd8\xff",
            b"II*\0",
            b"MM\0*",
            b"BM",
            b"RIFF0000WEBPVP8X",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
            b"II*\0\x10\0\0\0CR\2\0",
            b"FUJIFILMCCD-RAW 0201",
        ]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_behind_a_signature_raise_image_errors_only(tmp_path_factory, signature, rest):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(signature + rest)
    for read in (read_photograph, read_map, read_recipe):
        with pytest.raises(ImageError):
            read(path, ImageLimits(max_pixels=10_000))
