import sys

import numpy as np
import pillow_heif
import pytest
from photographs import RGB_PROFILES, H, W, exif_with, floats, refusal, smooth
from PIL import AvifImagePlugin, Image, ImageOps

from pst_core.images.limits import ImageLimits
from pst_core.images.reading import read_map, read_photograph


def heic(path, samples=None, mode="RGB", **options):
    samples = smooth() if samples is None else samples
    height, width = samples.shape[:2]
    image = pillow_heif.from_bytes(mode, (width, height), np.ascontiguousarray(samples).tobytes())
    image.save(path, format="HEIF", **({"quality": 95, "chroma": 444} | options))
    return path


def avif(path, samples=None, **options):
    image = Image.fromarray(smooth() if samples is None else samples)
    image.save(path, "AVIF", **({"quality": 95, "subsampling": "4:4:4"} | options))
    return path


BOTH = pytest.mark.parametrize("write", [heic, avif], ids=["HEIC", "AVIF"])


@BOTH
@pytest.mark.parametrize("name", ["x.heic", "x.jpg"])
def test_content_decides(tmp_path, write, name):
    photo = read_photograph(write(tmp_path / name))
    np.testing.assert_allclose(photo.pixels, floats(smooth()), atol=8 / 255)
    assert (photo.bit_depth, photo.alpha, photo.notes) == (8, None, ())
    np.testing.assert_allclose(read_map(tmp_path / name).colors, smooth(), atol=8)


@BOTH
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_once(tmp_path, write, orientation):
    exif = exif_with(t274=orientation, t271="Maker")
    photo = read_photograph(write(tmp_path / "x", exif=exif.tobytes()))
    upright = Image.fromarray(smooth())
    upright.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    np.testing.assert_allclose(photo.pixels, floats(expected), atol=8 / 255)
    assert b"Maker" in photo.stored.exif and photo.notes == ()


@BOTH
def test_transparency_is_kept(tmp_path, write):
    samples = np.dstack([smooth(), 255 - smooth()[..., 0]])
    options = {"mode": "RGBA"} if write is heic else {}
    photo = read_photograph(write(tmp_path / "x", samples, **options))
    np.testing.assert_allclose(photo.alpha, samples[..., 3] / 255, atol=8 / 255)


@BOTH
def test_a_profile_is_applied(tmp_path, write):
    profile = RGB_PROFILES["p3"]
    photo = read_photograph(write(tmp_path / "x", icc_profile=profile))
    assert photo.notes == ("colour profile 'Display P3' converted to sRGB",)


@pytest.mark.parametrize("bits", [10, 12])
def test_a_deep_heic_is_read_at_full_depth(tmp_path, bits, monkeypatch):
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    wide = np.linspace(0, 65535, H * W).reshape(H, W, 1).repeat(3, axis=2).astype(np.uint16)
    photo = read_photograph(heic(tmp_path / "x", wide, "RGB;16", quality=-1))
    assert photo.bit_depth == 16
    np.testing.assert_allclose(photo.pixels, floats(wide), atol=6 / 2**bits)
    assert photo.pixels.max() == 1 and len(np.unique(photo.pixels)) > 700


def test_of_a_burst_the_primary_picture_is_taken(tmp_path):
    file = pillow_heif.from_pillow(Image.fromarray(255 - smooth()))
    file.add_from_pillow(Image.fromarray(smooth()))
    file.save(tmp_path / "x.heic", quality=95, chroma=444, primary_index=1)
    photo = read_photograph(tmp_path / "x.heic")
    np.testing.assert_allclose(photo.pixels, floats(smooth()), atol=8 / 255)
    assert photo.notes == ("1 further pictures in the file left out",)


def test_code_points_are_colours(tmp_path):
    file = heic(tmp_path / "x.heic", color_primaries=12, transfer_characteristics=13, matrix_coefficients=1)
    assert "Display P3 by code" in read_photograph(file).notes[0]


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    frames[0].save(tmp_path / "x.avif", save_all=True, append_images=frames[1:])
    assert "several pictures" in refusal(tmp_path / "x.avif")


@BOTH
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.1])
def test_cut_short(tmp_path, write, kept):
    path = write(tmp_path / "x", np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    name = "HEIC photograph" if write is heic else "AVIF picture"
    assert name in refusal(path)


@BOTH
def test_limits(tmp_path, write):
    path = write(tmp_path / "x")
    assert "more than the" in refusal(path, ImageLimits(max_pixels=W * H - 1))
    assert "at least 32 pixels" in refusal(write(tmp_path / "y", smooth(20, 64)))


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    path = heic(tmp_path / "x.jpg")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    sentence = refusal(path)
    assert "is a HEIC photograph" in sentence and 'pip install "photoreal-style[heif]"' in sentence


def test_a_pillow_without_avif_is_told(tmp_path, monkeypatch):
    path = avif(tmp_path / "x.avif")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    assert "was built without it" in refusal(path)


def test_a_container_of_nothing_is_refused(tmp_path):
    for brand in (b"heic", b"avif", b"mif1"):
        (tmp_path / "x").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1" + brand + bytes(200))
        assert "damaged" in refusal(tmp_path / "x")
