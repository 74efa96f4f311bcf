import struct

import numpy as np
import pytest
import tifffile
from photographs import H, W, exif_with, noise, saved, smooth
from PIL import Image, ImageOps

from pst_core.images.reading import read_map, read_photograph

BYTE, SHORT, LONG = 1, 3, 4


def exif(value, kind=SHORT, order="<"):
    """An EXIF block of nothing but an orientation, of any type."""
    body = struct.pack(order + {BYTE: "B3x", SHORT: "H2x", LONG: "I"}[kind], value)
    entry = struct.pack(order + "HHI", 274, kind, 1) + body
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [BYTE, LONG])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_an_orientation_of_an_unusual_type_is_obeyed_and_told(tmp_path, extension, kind, order):
    usual = read_photograph(saved(tmp_path / f"u{extension}", smooth(), exif=exif(6)))
    photo = read_photograph(saved(tmp_path / f"x{extension}", smooth(), exif=exif(6, kind, order)))
    np.testing.assert_array_equal(photo.pixels, usual.pixels)
    assert (photo.height, photo.width) == (W, H) and usual.notes == ()
    assert photo.notes == ("turned by an EXIF orientation (6) of an unusual type",)


@pytest.mark.parametrize("value", [0, 9, 255])
@pytest.mark.parametrize("kind", [BYTE, SHORT, LONG])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, value, kind):
    photo = read_photograph(saved(tmp_path / "x.jpg", smooth(), exif=exif(value, kind)))
    assert (photo.height, photo.width, photo.notes) == (H, W, ())


PACKETS = {
    "attribute": b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>',
    "single quotes": b"<x:xmpmeta><rdf:Description tiff:Orientation = '%d'/></x:xmpmeta>",
    "element": b"<x:xmpmeta><tiff:Orientation>%d</tiff:Orientation></x:xmpmeta>",
}


def with_xmp(path, samples, packet, block=None):
    if path.suffix == ".tif":
        tags = [(700, 1, len(packet), packet, True)]
        tifffile.imwrite(path, samples, photometric="rgb", extratags=tags)
        return path
    extra = {} if block is None else {"exif": block}
    if path.suffix == ".png":
        from PIL import PngImagePlugin

        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return saved(path, samples, pnginfo=info, **extra)
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    return saved(path, samples, xmp=packet, **lossless, **extra)


@pytest.mark.parametrize("way", PACKETS)
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("value", [3, 6])
def test_an_orientation_in_xmp_is_obeyed_where_exif_has_none(tmp_path, extension, way, value):
    path = with_xmp(tmp_path / f"x{extension}", noise(H, W, 3), PACKETS[way] % value)
    photo = read_photograph(path)
    assert photo.notes == (f"turned by the orientation in its XMP ({value})",)
    if extension == ".tif":  # which Pillow turns by itself
        stored = tifffile.imread(path)
    else:
        with Image.open(path) as image:
            stored = np.asarray(image.convert("RGB"))
    expected = np.rot90(stored, 2) if value == 3 else np.rot90(stored, -1)
    np.testing.assert_array_equal(read_map(path).colors, expected)
    assert (photo.height, photo.width) == expected.shape[:2]


def test_pillow_turns_by_xmp_in_the_same_way(tmp_path):
    path = with_xmp(tmp_path / "x.png", noise(H, W, 3), PACKETS["attribute"] % 6)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image)), read_map(path).colors)


def test_exif_is_the_stronger(tmp_path):
    block = exif_with(t274=1).tobytes()
    photo = read_photograph(with_xmp(tmp_path / "x.jpg", smooth(), PACKETS["attribute"] % 6, block))
    assert (photo.height, photo.width, photo.notes) == (H, W, ())


@pytest.mark.parametrize("value", [0, 1, 9, 66])
def test_an_orientation_in_xmp_that_is_none_turns_nothing(tmp_path, value):
    photo = read_photograph(with_xmp(tmp_path / "x.jpg", smooth(), PACKETS["element"] % value))
    assert (photo.height, photo.width, photo.notes) == (H, W, ())
