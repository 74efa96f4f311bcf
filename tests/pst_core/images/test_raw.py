import io
import sys

import numpy as np
import pytest
import tifffile
from photographs import dng, refusal

from pst_core.images.limits import ImageLimits
from pst_core.images.reading import read_map, read_photograph

HEIGHT, WIDTH = 64, 80


def test_a_raw_file_is_developed_at_16_bits(tmp_path):
    (tmp_path / "x.jpg").write_bytes(dng(HEIGHT, WIDTH))
    photo = read_photograph(tmp_path / "x.jpg")
    assert (photo.height, photo.width, photo.bit_depth) == (HEIGHT, WIDTH, 16)
    assert photo.notes == ("raw file developed with the camera's white balance",)
    red, green, _ = photo.pixels
    # Red rises to the right, green downwards, along sRGB's curve.
    assert (np.diff(red[:, 4:40].mean(axis=0)) > 0).all() and (np.diff(green[4:40].mean(axis=1)) > 0).all()
    ratio = red[:, 40].mean() / red[:, 10].mean()
    assert ratio == pytest.approx(4 ** (1 / 2.4), rel=0.15)
    assert b"Maker" in photo.stored.exif
    assert len(np.unique(photo.pixels)) > 300


@pytest.mark.parametrize("orientation, turns", [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_turned_once(tmp_path, orientation, turns):
    (tmp_path / "up.dng").write_bytes(dng(HEIGHT, WIDTH))
    (tmp_path / "x.dng").write_bytes(dng(HEIGHT, WIDTH, orientation))
    expected = np.rot90(read_photograph(tmp_path / "up.dng").pixels, turns, axes=(1, 2))
    photo = read_photograph(tmp_path / "x.dng")
    assert photo.pixels.shape == expected.shape
    np.testing.assert_allclose(
        photo.pixels, expected, atol=0.2
    )  # what is between the sensor's dots is guessed
    assert np.abs(photo.pixels - expected).mean() < 0.01


def test_the_cameras_white_balance_counts(tmp_path):
    (tmp_path / "a.dng").write_bytes(dng(HEIGHT, WIDTH))
    (tmp_path / "b.dng").write_bytes(dng(HEIGHT, WIDTH, neutral=(0.6, 1, 0.8)))
    plain, tinted = (read_photograph(tmp_path / name).pixels for name in ("a.dng", "b.dng"))
    np.testing.assert_allclose(tinted.mean(axis=(1, 2)), plain.mean(axis=(1, 2)), atol=0.02)


def test_limits_and_damage(tmp_path):
    path = tmp_path / "x.dng"
    path.write_bytes(dng(HEIGHT, WIDTH))
    assert "more than the" in refusal(path, ImageLimits(max_pixels=HEIGHT * WIDTH - 1))
    data = bytearray(dng(HEIGHT, WIDTH))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for name in ("ImageWidth", "ImageLength"):
            place = file.pages[0].tags[name].valueoffset
            data[place : place + 2] = (60_000).to_bytes(2, "little")
    path.write_bytes(data)
    assert "60000 x 60000 pixels" in refusal(path)
    path.write_bytes(dng(HEIGHT, WIDTH)[:3000])
    for read in (read_photograph, read_map):
        assert "a camera's raw file that" in refusal(path, read=read)


@pytest.mark.parametrize(
    "beginning",
    [b"FUJIFILMCCD-RAW 0201", b"IIRO", b"IIU\0", b"\0\0\0\x18ftypcrx \0\0\0\1", b"II*\0\x10\0\0\0CR\2\0"],
)
def test_what_only_begins_like_a_raw_file_is_refused(tmp_path, beginning):
    (tmp_path / "x").write_bytes(beginning + bytes(range(256)))
    assert "a camera's raw file that" in refusal(tmp_path / "x")


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    (tmp_path / "x.dng").write_bytes(dng(HEIGHT, WIDTH))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    sentence = refusal(tmp_path / "x.dng")
    assert "is a camera's raw file" in sentence and 'pip install "photoreal-style[raw]"' in sentence
