import struct
import zlib

import numpy as np
import pytest
from photographs import (
    P3,
    RGB_PROFILES,
    SRGB_CURVE,
    H,
    W,
    exif_with,
    floats,
    matrix_profile,
    noise,
    refusal,
    smooth,
)

from pst_core.images import png
from pst_core.images.embedding import read_recipe
from pst_core.images.profiles import MAX_PROFILE_BYTES, to_srgb
from pst_core.images.reading import read_map, read_photograph

SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)  # white, red, green, blue
DEEP = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def written(path, chunks=(), samples=None, dtype=np.uint8):
    samples = noise(H, W, 3, dtype=dtype) if samples is None else samples
    path.write_bytes(png.encode(samples, chunks))
    return path


def text(kind, keyword, body):
    if kind == b"tEXt":
        return kind, keyword + b"\0" + body
    if kind == b"zTXt":
        return kind, keyword + b"\0\0" + zlib.compress(body)
    return kind, keyword + b"\0\1\0\0\0" + zlib.compress(body)


def with_bad_checksum(path, kind):
    data = bytearray(path.read_bytes())
    chunk = next(chunk for chunk in png.walk(data) if chunk.kind == kind)
    data[chunk.end] ^= 1
    path.write_bytes(data)
    return path


@DEEP
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_a_long_text_is_left_out(tmp_path, kind, dtype):
    path = written(tmp_path / "x.png", [text(kind, b"workflow", b"{'a': 1}" * 400_000)], dtype=dtype)
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, floats(noise(H, W, 3, dtype=dtype)), atol=1e-7)
    assert photo.notes == () and read_recipe(path) is None
    assert read_photograph(path).bit_depth == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize("size", [10_000, 1_500_000, 3_000_000])
def test_xmp_of_any_size_is_no_hindrance(tmp_path, size):
    chunk = text(b"iTXt", b"XML:com.adobe.xmp", b"<x>" + b" " * size + b"tiff:Orientation='6'</x>")
    photo = read_photograph(written(tmp_path / "x.png", [chunk]))
    is_read = size < 2_000_000
    assert photo.notes == (
        ("turned by the orientation in its XMP (6)",)
        if is_read
        else ("XML:com.adobe.xmp left out: the text is too long",)
    )
    assert (photo.height == W) is is_read


@DEEP
@pytest.mark.parametrize("size", [1_300_000, MAX_PROFILE_BYTES + 1])
def test_a_large_profile_is_used_or_left_out_with_a_note(tmp_path, size, dtype):
    profile = matrix_profile(P3, SRGB_CURVE, "Large")
    profile = struct.pack(">I", size) + profile[4:] + bytes(size - len(profile))
    samples = noise(H, W, 3, dtype=dtype)
    photo = read_photograph(
        written(tmp_path / "x.png", [(b"iCCP", b"x\0\0" + zlib.compress(profile))], samples)
    )
    if size <= MAX_PROFILE_BYTES:
        expected, notes = to_srgb(samples, "rgb", profile)
        assert photo.notes == tuple(notes) == ("colour profile 'Large' converted to sRGB",)
    else:
        expected = samples
        assert photo.notes == (f"colour profile ignored: more than {MAX_PROFILE_BYTES} bytes",)
    np.testing.assert_allclose(photo.pixels, floats(expected), atol=1e-7)


@pytest.mark.parametrize(
    "payload", [b"x\0\0" + zlib.compress(RGB_PROFILES["p3"])[:-9], b"x\0\0garbage", b"x\0\7zz", b"x", b""]
)
def test_a_profile_of_which_a_part_is_missing_is_told(tmp_path, payload):
    photo = read_photograph(written(tmp_path / "x.png", [(b"iCCP", payload)]))
    assert photo.notes == ("colour profile ignored: it is broken",)


@DEEP
@pytest.mark.parametrize(
    "chunk",
    [
        (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        (b"iCCP", b"x\0\0" + zlib.compress(RGB_PROFILES["p3"])),
        (b"tEXt", b"Comment\0hello"),
        (b"eXIf", exif_with(t274=6).tobytes()[6:]),
        (b"tRNS", struct.pack(">HHH", 1, 2, 3)),
        (b"prVt", b"private"),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_a_wrong_checksum_beside_the_pixels_is_told(tmp_path, chunk, dtype):
    path = with_bad_checksum(written(tmp_path / "x.png", [chunk], dtype=dtype), chunk[0])
    photo = read_photograph(path)
    assert photo.notes == (f"PNG chunk {chunk[0].decode()} left out: its checksum is wrong",)
    np.testing.assert_allclose(photo.pixels, floats(noise(H, W, 3, dtype=dtype)), atol=1e-7)
    assert photo.alpha is None


@DEEP
@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
def test_a_wrong_checksum_of_what_decides_the_pixels_is_refused(tmp_path, kind, dtype):
    path = with_bad_checksum(written(tmp_path / "x.png", dtype=dtype), kind)
    for read in (read_photograph, read_map):
        assert f"wrong checksum in {kind.decode()}" in refusal(path, read=read)


def test_any_flipped_bit_of_the_pixels_is_noticed(tmp_path):
    path = written(tmp_path / "x.png", samples=smooth())
    data = path.read_bytes()
    chunk = next(chunk for chunk in png.walk(data) if chunk.kind == b"IDAT")
    for place in range(chunk.start, chunk.end, 37):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        assert "damaged" in refusal(path)


@DEEP
def test_without_its_end_a_whole_picture_is_read_and_told(tmp_path, dtype):
    path = written(tmp_path / "x.png", dtype=dtype)
    data = path.read_bytes()
    # Behind the pixels, within the checksum of the end, and within that of the pixels.
    for lost in (12, 5, 14):
        path.write_bytes(data[:-lost])
        photo = read_photograph(path)
        np.testing.assert_allclose(photo.pixels, floats(noise(H, W, 3, dtype=dtype)), atol=1e-7)
        assert photo.notes == ("the file's end marker is missing",)
    path.write_bytes(data[:-400])
    assert "PNG picture that is cut short" in refusal(path)


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(7), bytes(300)])
def test_a_transparent_colour_that_fits_no_picture_is_told(tmp_path, payload):
    photo = read_photograph(written(tmp_path / "x.png", [(b"tRNS", payload)]))
    assert photo.alpha is None
    assert photo.notes == ("PNG chunk tRNS left out: it does not fit the picture",)


def test_a_picture_packed_for_an_iphone_is_called_by_its_name(tmp_path):
    data = written(tmp_path / "x.png").read_bytes()
    packed = png.SIGNATURE + png.chunk(b"CgBI", bytes(4)) + data[len(png.SIGNATURE) :]
    (tmp_path / "x.png").write_bytes(packed)
    assert "packed into an app for iPhones" in refusal(tmp_path / "x.png")


@DEEP
def test_gamma_of_one_is_linear_light(tmp_path, dtype):
    samples = noise(H, W, 3, dtype=dtype)
    photo = read_photograph(written(tmp_path / "x.png", [(b"gAMA", struct.pack(">I", 100_000))], samples))
    linear = floats(samples)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(photo.pixels, expected, atol=(2.5 if dtype == np.uint8 else 0.05) / 255)
    assert photo.notes == ("colour profile 'PNG gamma 1' converted to sRGB",)
    np.testing.assert_array_equal(
        read_map(written(tmp_path / "m.png", [(b"gAMA", struct.pack(">I", 100_000))])).colors, noise(H, W, 3)
    )


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *SRGB_POINTS))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"cICP", bytes([2, 2, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", b"short")],
    ],
)  # fmt: skip
def test_numbers_that_say_srgb_or_nothing_change_nothing(tmp_path, chunks):
    photo = read_photograph(written(tmp_path / "x.png", chunks))
    np.testing.assert_allclose(photo.pixels, floats(noise(H, W, 3)), atol=1e-7)
    assert photo.notes == ()


@DEEP
def test_code_points_of_display_p3_are_its_profile(tmp_path, dtype):
    samples = noise(H, W, 3, dtype=dtype)
    chunks = [(b"cICP", bytes([12, 13, 0, 1])), (b"iCCP", b"x\0\0" + zlib.compress(RGB_PROFILES["adobe"]))]
    photo = read_photograph(written(tmp_path / "x.png", chunks, samples))  # the code points are the stronger
    expected, _ = to_srgb(samples, "rgb", RGB_PROFILES["p3"])
    np.testing.assert_allclose(photo.pixels, floats(expected), atol=1.01 / 255)
    assert photo.notes == ("colour profile 'Display P3 by code, transfer 13' converted to sRGB",)


@pytest.mark.parametrize("transfer, name", [(16, "PQ"), (18, "HLG")])
def test_hdr_is_told(tmp_path, transfer, name):
    photo = read_photograph(written(tmp_path / "x.png", [(b"cICP", bytes([9, transfer, 0, 1]))]))
    assert photo.notes == (f"HDR colours ({name}) not converted: they look flat; export them as SDR",)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("keyword", [b"Raw profile type exif", b"Raw profile type APP1"])
def test_exif_as_a_text_is_obeyed(tmp_path, kind, keyword):
    block = exif_with(t274=6, t271="Maker").tobytes()
    digits = block.hex().encode()
    lines = b"\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    body = b"\nexif\n%8d\n" % len(block) + lines + b"\n"
    photo = read_photograph(written(tmp_path / "x.png", [text(kind, keyword, body)]))
    assert (photo.height, photo.width) == (W, H) and b"Maker" in photo.stored.exif
    assert photo.notes == (f"EXIF found in a text chunk ({keyword.decode()})",)


def test_exif_where_it_belongs_is_the_stronger(tmp_path):
    block = exif_with(t274=6).tobytes().hex().encode()
    chunks = [
        (b"eXIf", exif_with(t274=1).tobytes()[6:]),
        text(b"zTXt", b"Raw profile type exif", b"\nexif\n 1\n" + block),
    ]
    photo = read_photograph(written(tmp_path / "x.png", chunks))
    assert (photo.height, photo.width, photo.notes) == (H, W, ())


@pytest.mark.parametrize("body", [b"", b"\nexif\n 9\nzz", b"\nexif\n 2\n4", b"\xff\n\n\n\xff"])
def test_broken_exif_in_a_text_is_told(tmp_path, body):
    photo = read_photograph(written(tmp_path / "x.png", [text(b"zTXt", b"Raw profile type exif", body)]))
    assert photo.notes == ("EXIF left out: it is broken",)
