import io
import random
import struct
from itertools import product

import numpy as np
import pytest
from photographs import RGB_PROFILES, H, W, exif_with, floats, noise, refusal, saved, smooth
from PIL import Image

from pst_core.images.reading import read_map, read_photograph

END = b"\xff\xd9"
TRAILERS = {
    "nothing": b"",
    "zeros": bytes(500),
    "a maker's block": bytes(range(256)) * 40 + b"SEFH",
    "a picture in small": None,
    "one byte": b"\x07",
    "fill bytes": b"\xff\xff\xff",
}


def jpeg(samples=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(smooth(96, 128) if samples is None else samples)
    image.save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


def read(path, data):
    path.write_bytes(data)
    return read_photograph(path)


KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "full chroma": {"subsampling": 0},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trailer", TRAILERS)
def test_without_its_end_marker_a_whole_picture_is_read_and_told(tmp_path, kind, trailer):
    whole = jpeg(**KINDS[kind])
    assert whole.endswith(END)
    tail = TRAILERS[trailer]
    odd = whole[:-2] + (jpeg(smooth(32, 32)) if tail is None else tail)
    photo = read(tmp_path / "x.jpg", odd)
    np.testing.assert_array_equal(photo.pixels, read(tmp_path / "y.jpg", whole).pixels)
    assert photo.notes == ("the file's end marker is missing",)


def test_what_follows_the_end_marker_is_nobodys_business(tmp_path):
    photo = read(tmp_path / "x.jpg", jpeg() + bytes(range(256)) * 40)
    assert photo.notes == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.97])
def test_a_picture_that_is_really_cut_short_is_refused(tmp_path, kind, kept):
    whole = jpeg(noise(96, 128, 3), **KINDS[kind])
    (tmp_path / "x.jpg").write_bytes(whole[: int(len(whole) * kept)])
    assert "JPEG picture that is cut short" in refusal(tmp_path / "x.jpg")


def test_a_progressive_picture_whose_last_scans_are_missing_is_cut_short(tmp_path):
    whole = jpeg(noise(96, 128, 3), progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 3
    # Between the scans stand their tables; what is left is complete, but for the coefficients' last bits.
    end = whole.rindex(b"\xff\xc4", 0, scans[-1])
    (tmp_path / "x.jpg").write_bytes(whole[:end])
    assert "cut short" in refusal(tmp_path / "x.jpg")


def damaged(data, rng, *, zeros):
    start = data.index(b"\xff\xda") + 14
    where = rng.randrange(start + 50, len(data) - 300)
    if zeros:
        return data[:where] + bytes(200) + data[where + 200 :]
    return data[:where] + bytes([data[where] ^ 0x10]) + data[where + 1 :]


@pytest.mark.parametrize("zeros", [True, False])
def test_damage_within_the_pixels_is_told(tmp_path, zeros):
    whole, told = jpeg(noise(96, 128, 3)), 0
    for seed in range(20):
        path = tmp_path / f"{seed}.jpg"
        photo = read(path, damaged(whole, random.Random(seed), zeros=zeros))
        told += any("damaged JPEG data" in note for note in photo.notes)
        np.testing.assert_array_equal(read_map(path).colors, np.rint(photo.pixels * 255).transpose(1, 2, 0))
    # Without checksums nobody can know of a flipped bit that leaves all that follows in step: about half do.
    assert told == 20 if zeros else told >= 6


def test_a_damaged_picture_is_the_same_each_time(tmp_path):
    odd = damaged(jpeg(noise(96, 128, 3)), random.Random(1), zeros=True)
    np.testing.assert_array_equal(read(tmp_path / "x.jpg", odd).pixels, read(tmp_path / "x.jpg", odd).pixels)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (mode, options)
        for mode, options in product(
            ("L", "RGB", "CMYK"), (*KINDS.values(), {"subsampling": 1}, {"optimize": True})
        )
        if mode == "RGB" or "subsampling" not in options  # only colours are subsampled
    ],
)
def test_pixels_are_those_that_pillow_decodes(tmp_path, mode, options):
    path = tmp_path / "x.jpg"
    Image.fromarray(noise(96, 133, 3)).convert(mode).save(path, quality=80, **options)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_map(path).colors, expected)
    assert not any("damaged" in note for note in read_photograph(path).notes)


@pytest.mark.parametrize("sampling", [0x41, 0x31])
def test_a_rare_subsampling_is_read_without_a_complaint(tmp_path, sampling):
    rows, columns = sampling & 15, sampling >> 4
    data = bytearray(jpeg(np.full((16 * rows, 16 * columns * 4, 3), 90, np.uint8), subsampling=0))
    start = data.index(b"\xff\xc0")
    data[start + 11] = sampling  # of an even picture any number of blocks decodes alike
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    with Image.open(path) as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(read_map(path).colors, expected)


def test_a_second_header_of_another_size_allocates_nothing(tmp_path):
    data = jpeg()
    start = data.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", data, start + 2)
    other = bytearray(data[start : start + 2 + length])
    struct.pack_into(">HH", other, 5, 60_000, 60_000)
    (tmp_path / "x.jpg").write_bytes(data[:start] + bytes(other) + data[start:])
    assert "damaged" in refusal(tmp_path / "x.jpg")


def test_a_profile_of_which_a_part_is_missing_is_told(tmp_path):
    path = saved(tmp_path / "x.jpg", smooth(), icc_profile=RGB_PROFILES["p3"])
    data = bytearray(path.read_bytes())
    data[data.index(b"ICC_PROFILE\0") + 13] = 2  # of two parts, the second of which nobody has seen
    photo = read(path, data)
    assert photo.notes == ("colour profile ignored: a part of it is missing",)
    np.testing.assert_allclose(photo.pixels, floats(np.asarray(Image.open(path))), atol=1e-7)


def test_a_doubled_exif_header_is_looked_behind(tmp_path):
    exif = exif_with(t274=6, t271="Maker").tobytes()
    photo = read_photograph(saved(tmp_path / "x.jpg", smooth(), exif=b"Exif\0\0" + exif))
    assert (photo.height, photo.width) == (W, H)
    assert photo.notes == ("EXIF found behind a doubled header",) and b"Maker" in photo.stored.exif
