import io
import struct

import numpy as np
import pytest
import tifffile
from photographs import RECIPE, TARGETS, H, W, camera_exif, exif_with, floats, noise, refusal, saved, smooth
from PIL import Image

from pst_core.images import decoding as image_decoding
from pst_core.images import png
from pst_core.images.carried import Carried
from pst_core.images.limits import ImageLimits
from pst_core.images.metadata import MAX_EXIF_BYTES, check_directories
from pst_core.images.reading import read_map, read_photograph
from pst_core.images.writing import write_image


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


@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("target, bit_depth", TARGETS)
def test_exif_survives_without_orientation(tmp_path, source, target, bit_depth):
    photo = read_photograph(saved(tmp_path / f"in{source}", smooth(), exif=camera_exif()))
    write_image(
        tmp_path / f"out{target}",
        photo.pixels,
        bit_depth=bit_depth,
        carried=Carried(photo.stored.exif),
        recipe=RECIPE,
    )
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
    assert b"abc" in photo.stored.exif and thumbnail[:64] not in photo.stored.exif
    assert len(photo.stored.exif) < 64


def test_large_exif_is_left_out_but_its_orientation_obeyed(tmp_path):
    exif = exif_with(t274=6, t37510=b"x" * MAX_EXIF_BYTES)
    photo = read_photograph(saved(tmp_path / "x.png", smooth(), exif=exif))
    assert not photo.stored.exif and "EXIF" in photo.stored.notes[0]
    assert (photo.height, photo.width) == (W, H)


def test_broken_exif_is_left_out(tmp_path):
    for block in (b"II*\0\xff\xff\xff\x7f", b"garbage!garbage!", b"MM\0*\0\0\0\x08\0\x09abc"):
        photo = read_photograph(saved(tmp_path / "x.png", smooth(), exif=b"Exif\0\0" + block))
        assert not photo.stored.exif
        assert photo.stored.notes == ("EXIF left out: it is broken",)


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
    monkeypatch.setattr(
        Image.Exif, "load_from_fp", lambda self, file, _=None: parsed.append(len(file.getvalue()))
    )
    data = path.read_bytes()
    image_decoding.decode(image_decoding.open_header(data, path, ImageLimits()), path)
    assert parsed == []
    read_photograph(path)
    assert parsed == [len(camera_exif()) - 6]
