import io
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from photographs import RGB_PROFILES, H, W, floats, noise, refusal, smooth
from PIL import Image, ImageCms

from pst_core.images.reading import read_map, read_photograph

COMPRESSIONS = [None, "lzw", "zlib", "packbits", "lzma", "zstd"]
REDUCED, MASK, DEPTH_MAP = 1, 4, 8
TURNS = {1: 0, 3: 2, 6: -1, 8: 1}  # orientation -> quarter turns, counterclockwise


def written(path, samples, **options):
    tifffile.imwrite(path, samples, metadata=None, **options)
    return path


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_turned_once_whatever_the_compression(tmp_path, dtype, compression, planar, orientation):
    samples = noise(H, W, 3, dtype=dtype)
    stored = np.moveaxis(samples, -1, 0) if planar == "separate" else samples
    path = written(
        tmp_path / "x.tif",
        stored,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        predictor=compression in ("lzw", "zlib"),
        rowsperstrip=7,
        extratags=[(274, 3, 1, orientation, True)],
    )
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, floats(np.rot90(samples, TURNS[orientation])), atol=1e-7)
    assert (photo.bit_depth, photo.notes) == (8 * np.dtype(dtype).itemsize, ())


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_sixteen_bit_gray_with_alpha(tmp_path, compression, tile):
    samples = noise(H, W, 2, dtype=np.uint16)
    path = written(
        tmp_path / "x.tif",
        samples,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        compression=compression,
        tile=tile,
    )
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, np.repeat(floats(samples)[:1], 3, axis=0), atol=1e-7)
    np.testing.assert_allclose(photo.alpha, samples[..., 1] / 65535, atol=1e-7)
    assert photo.bit_depth == 16


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "kind, expected", [("unassalpha", True), ("assocalpha", True), ("unspecified", False)]
)
def test_cmyk_with_a_fifth_channel(tmp_path, dtype, kind, expected):
    samples = noise(H, W, 5, dtype=dtype)
    bare = read_photograph(written(tmp_path / "b.tif", samples[..., :4], photometric="separated"))
    photo = read_photograph(
        written(tmp_path / "x.tif", samples, photometric="separated", extrasamples=[kind])
    )
    np.testing.assert_array_equal(photo.pixels, bare.pixels)
    assert (photo.alpha is None) is (kind == "unspecified")
    if photo.alpha is not None:
        np.testing.assert_allclose(photo.alpha, samples[..., 4] / np.iinfo(dtype).max, atol=0.51 / 255)
    assert ("16-bit CMYK read at 8 bits" in photo.notes) is (dtype == np.uint16)


@pytest.mark.parametrize("photometric, channels", [("separated", 3), ("cielab", 2), ("rgb", 2)])
def test_fewer_channels_than_the_colours_need_are_refused(tmp_path, photometric, channels, capfd):
    path = written(
        tmp_path / "x.tif", noise(H, W, 5, dtype=np.uint16), photometric="minisblack", planarconfig="contig"
    )
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        places = {name: tags[name].valueoffset for name in ("PhotometricInterpretation", "SamplesPerPixel")}
    number = tifffile.PHOTOMETRIC[photometric.upper()]
    for place, value in zip(places.values(), (number, channels), strict=True):
        data[place : place + 2] = int(value).to_bytes(2, "little")
    path.write_bytes(data)
    assert "damaged" in refusal(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("encoding", ["cielab", "icclab"])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_sixteen_bit_lab_is_read_at_full_depth(tmp_path, encoding, compression):
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(smooth()), to_lab)).astype(float)
    lightness, across = lab[..., :1] * 100 / 255, (lab[..., 1:] + 128) % 256 - 128
    if encoding == "cielab":
        signed = (256 * across).astype(np.int16).view(np.uint16)
        samples = np.concatenate([np.rint(655.35 * lightness).astype(np.uint16), signed], axis=2)
    else:
        samples = np.rint(np.concatenate([652.8 * lightness, 256 * (across + 128)], axis=2))
    path = written(
        tmp_path / "x.tif", samples.astype(np.uint16), photometric=encoding, compression=compression
    )
    photo = read_photograph(path)
    difference = np.abs(photo.pixels - floats(smooth()))  # Lab had 8 bits on its way here
    assert difference.mean() < 0.005 and np.quantile(difference, 0.99) < 0.05
    assert (photo.bit_depth, photo.notes) == (16, ("Lab converted to sRGB",))
    gray = np.stack([np.full((H, W), 32768), np.zeros((H, W)), np.zeros((H, W))], axis=2).astype(np.uint16)
    if encoding == "cielab":
        photo = read_photograph(written(tmp_path / "g.tif", gray, photometric=encoding))
        assert np.ptp(photo.pixels) < 1e-3 and abs(photo.pixels.mean() - 0.4663) < 1e-3


@pytest.mark.parametrize("encoding, neutral", [("cielab", 0), ("icclab", 128)])
def test_eight_bit_lab_with_alpha(tmp_path, encoding, neutral):
    samples = np.broadcast_to(np.array([128, neutral, neutral, 77], np.uint8), (H, W, 4))
    path = written(tmp_path / "x.tif", samples, photometric=encoding, extrasamples=["unassalpha"])
    photo = read_photograph(path)
    np.testing.assert_allclose(photo.pixels, 0.468, atol=0.01)
    np.testing.assert_allclose(photo.alpha, 77 / 255, atol=1e-7)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_bits_between_8_and_16_use_the_whole_range(tmp_path, bits, channels):
    samples = noise(H, W, channels, dtype=np.uint16) >> (16 - bits)
    path = written(
        tmp_path / "x.tif",
        samples[..., 0] if channels == 1 else samples,
        photometric="minisblack" if channels == 1 else "rgb",
        bitspersample=bits,
    )
    photo = read_photograph(path)
    expected = np.broadcast_to(np.moveaxis(samples, -1, 0) / (2**bits - 1), (3, H, W))
    np.testing.assert_allclose(photo.pixels, expected, atol=1.01 / 65535)
    assert photo.bit_depth == 16


@pytest.mark.parametrize(
    "dtype, numbers",
    [
        (np.float16, "floating-point"),
        (np.float32, "floating-point"),
        (np.float64, "floating-point"),
        (np.uint32, "unusual whole"),
        (np.int16, "unusual whole"),
        (np.int8, "unusual whole"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_other_numbers_are_refused_by_their_name(tmp_path, dtype, numbers, channels):
    samples = np.ones((H, W, channels), dtype)[..., slice(None) if channels == 3 else 0]
    path = written(tmp_path / "x.tif", samples, photometric="rgb" if channels == 3 else "minisblack")
    assert f"{numbers} numbers ({8 * np.dtype(dtype).itemsize} bits a channel)" in refusal(path)


def test_a_compression_that_is_not_read_at_this_depth_is_called_by_its_name(tmp_path):
    path = written(
        tmp_path / "x.tif", noise(H, W, 3, dtype=np.uint16), photometric="rgb", compression="jpeg2000"
    )
    assert "JPEG" in refusal(path) and "LZW, ZIP or no compression" in refusal(path)


def pages(path, *described):
    with tifffile.TiffWriter(path) as file:
        for samples, options in described:
            photometric = "rgb" if samples.ndim == 3 else "minisblack"
            file.write(samples, **({"photometric": photometric, "metadata": None} | options))
    return path


def marked(kind):
    return {"extratags": [(254, 4, 1, kind, True)]}


OTHERS = {
    "a mask": (noise(H, W), marked(MASK)),
    "a reduced mask": (noise(9, 11), marked(MASK | REDUCED)),
    "a depth map": (noise(H, W), marked(DEPTH_MAP)),
    "a reduced copy": (noise(9, 11, 3), {"subfiletype": REDUCED}),
    "by the old tag": (noise(9, 11, 3), {"extratags": [(255, 3, 1, 2, True)]}),
    "infrared": (noise(H, W, dtype=np.uint16), {}),
    "infrared, marked": (noise(H, W, dtype=np.uint16), marked(MASK)),
}
NAMES = {
    "a reduced mask": "a reduced copy",
    "by the old tag": "a reduced copy",
    "infrared": "a gray plane of the same size, such as a scanner's infrared",
    "infrared, marked": "a mask",
}


@pytest.mark.parametrize("first", [True, False], ids=["photograph first", "photograph last"])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_photograph_is_taken_among_other_pages(tmp_path, dtype, other, first):
    samples = noise(H, W, 3, dtype=dtype)
    both = [(samples, {}), OTHERS[other]]
    photo = read_photograph(pages(tmp_path / "x.tif", *(both if first else both[::-1])))
    np.testing.assert_allclose(photo.pixels, floats(samples), atol=1e-7)
    left_out = f"page {2 if first else 1} of the TIFF left out: {NAMES.get(other, other)}"
    assert photo.notes == (left_out,)
    np.testing.assert_array_equal(
        read_map(pages(tmp_path / "m.tif", (noise(H, W, 3), {}), OTHERS[other])).colors, noise(H, W, 3)
    )


@pytest.mark.parametrize(
    "described",
    [
        [(noise(H, W, 3), {}), (noise(H, W, 3, seed=1), {})],
        [(noise(H, W), {}), (noise(H, W, seed=1), {})],
        [(noise(H, W, 3), {}), (noise(H + 1, W), {})],  # a gray page of another size is a page
        [(noise(H, W, 3), {}), (noise(H, W), {}), (noise(H, W, 3), {})],
    ],
)
def test_pages_of_which_any_may_be_the_photograph_are_refused(tmp_path, described):
    for read in (read_photograph, read_map):
        assert "holds several pictures" in refusal(pages(tmp_path / "x.tif", *described), read=read)


def test_metadata_are_those_of_the_photographs_page(tmp_path):
    profile = RGB_PROFILES["p3"]
    path = pages(
        tmp_path / "x.tif",
        (noise(9, 11, 3), {"subfiletype": REDUCED}),
        (smooth(), {"iccprofile": profile}),
    )
    assert "colour profile 'Display P3' converted to sRGB" in read_photograph(path).notes


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_deep_files_cut_short_are_refused(tmp_path, compression, kept):
    # Directory first, as most programs write it.
    samples = noise(200, 200, 3, dtype=np.uint16)
    path = written(tmp_path / "x.tif", samples, photometric="rgb", compression=compression, rowsperstrip=16)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert "TIFF picture that is" in refusal(path)


def test_missing_strips_are_not_taken_for_black(tmp_path):
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, noise(H, W, 3, dtype=np.uint16), photometric="rgb", rowsperstrip=8, metadata=None
    )
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place = file.pages[0].tags["StripByteCounts"].valueoffset
    data[place : place + 4] = bytes(4)
    (tmp_path / "x.tif").write_bytes(data)
    assert "cut short" in refusal(tmp_path / "x.tif")


# What a process that reads a file needs more than one that reads nothing, in MB.
MEMORY = """
import resource, sys
import imagecodecs, tifffile
from pst_core.errors import ImageError
from pst_core.images.reading import read_photograph
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_photograph(sys.argv[1])
except ImageError:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("compression, pack", [("zlib", zlib.compress), ("zstd", imagecodecs.zstd_encode)])
def test_strips_that_unfold_to_more_than_the_picture_take_no_memory(tmp_path, compression, pack):
    samples = np.zeros((H, W, 3), np.uint16)
    path = written(tmp_path / "x.tif", samples, photometric="rgb", compression=compression, rowsperstrip=H)
    bomb = pack(bytes(200_000_000))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        for name, value in {"StripOffsets": len(data), "StripByteCounts": len(bomb)}.items():
            data[tags[name].valueoffset : tags[name].valueoffset + 4] = value.to_bytes(4, "little")
    path.write_bytes(bytes(data) + bomb)
    found = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 50


def test_tiles_far_larger_than_the_picture_are_refused(tmp_path):
    path = written(
        tmp_path / "x.tif",
        np.zeros((48, 48, 3), np.uint16),
        photometric="rgb",
        compression="zlib",
        tile=(48, 48),
    )
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        for name in ("TileWidth", "TileLength"):
            data[tags[name].valueoffset : tags[name].valueoffset + 2] = (60_000).to_bytes(2, "little")
    path.write_bytes(data)
    assert "damaged" in refusal(path)
