import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pst_core.errors import OutputError
from pst_core.images import png
from pst_core.images.carried import NOTHING, Carried
from pst_core.images.embedding import read_recipe
from pst_core.images.reading import read_photograph
from pst_core.images.writing import as_chunks, embed, encode_levels, encode_png, to_levels, write_image

RECIPE = {"seed": 7, "name": 'Große "Straße" <&> 日本 🙂', "nested": {"list": [1.5, None, True]}}


WHOLE = encode_png(np.random.default_rng(1).random((3, 9, 12), np.float32))


def picture(height=37, width=45, channels=3, seed=0):
    return np.random.default_rng(seed).random((channels, height, width), np.float32)


def exif_block():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Camera", 6
    return exif.tobytes()


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("with_exif", [False, True])
def test_a_recipe_put_in_later_gives_the_file_that_is_written_with_it(
    tmp_path, bit_depth, with_alpha, with_exif
):
    settings = {
        "bit_depth": bit_depth,
        "alpha": picture(channels=1, seed=1)[0] if with_alpha else None,
    }
    carried = Carried(exif_block(), resolution=(300, 200)) if with_exif else NOTHING
    bare = encode_png(picture(), **settings)
    found = embed(bare, as_chunks(carried), RECIPE)
    write_image(tmp_path / "with.png", picture(), recipe=RECIPE, carried=carried, **settings)
    write_image(tmp_path / "bare.png", picture(), **settings)
    assert bare == (tmp_path / "bare.png").read_bytes()
    assert found == (tmp_path / "with.png").read_bytes() != bare
    (tmp_path / "found.png").write_bytes(found)
    assert read_recipe(tmp_path / "found.png") == RECIPE
    assert read_recipe(tmp_path / "bare.png") is None
    with Image.open(io.BytesIO(found)) as one, Image.open(io.BytesIO(bare)) as other:
        assert (dict(one.getexif()) == {0x010F: "Maker", 0x0110: "Camera"}) == with_exif
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_an_inserted_chunk_is_whole_and_stands_before_the_pixels():
    bare = encode_png(picture())
    found = png.insert(bare, png.chunk(b"teXt", b"payload"))
    assert len(found) == len(bare) + 12 + 7
    kinds = [chunk.kind for chunk in png.walk(found)]
    assert kinds.index(b"teXt") == kinds.index(b"IDAT") - 1
    at = found.index(b"teXt")
    assert found[at - 4 : at] == struct.pack(">I", 7)
    assert found[at + 4 : at + 15] == b"payload" + struct.pack(">I", zlib.crc32(b"teXtpayload"))
    assert found[: at - 4] + found[at + 15 :] == bare


def test_pixels_that_are_not_numbers_are_refused():
    pixels = picture()
    pixels[1, 2, 3] = np.nan
    with pytest.raises(OutputError, match="not numbers"):
        encode_png(pixels)


@pytest.mark.parametrize("recipe", [{"x": float("nan")}, {"x": object()}, {"x": "y" * 2**20}])
def test_a_recipe_that_cannot_be_written_is_refused(recipe):
    with pytest.raises(OutputError, match="recipe"):
        embed(encode_png(picture()), b"", recipe)


def test_every_cut_before_the_pixels_is_refused():
    bare = encode_png(picture(32, 32))
    first = bare.index(b"IDAT")
    for length in range(first + 4):
        with pytest.raises(ValueError, match="without pixels"):
            png.insert(bare[:length], png.chunk(b"teXt", b""))
    assert b"teXt" in png.insert(bare[: first + 4], png.chunk(b"teXt", b""))


@hypothesis_settings(max_examples=200)
@given(st.binary(max_size=120).filter(lambda data: b"IDAT" not in data))
@example(b"")
@example(bytes(1000))
@example(b"\xff" * 1000)
@example(png.SIGNATURE + struct.pack(">I4s", 2**31 - 1, b"IHDR"))
@example(png.SIGNATURE + struct.pack(">I4sI", 2**32 - 12, b"IHDR", 0) * 3)
def test_garbage_is_refused(data):
    for garbage in (data, png.SIGNATURE + data):
        with pytest.raises(ValueError, match="without pixels"):
            png.insert(garbage, png.chunk(b"teXt", b"payload"))


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_encoded_quickly_has_the_same_pixels(tmp_path, bit_depth, channels):
    kind = np.uint8 if bit_depth == 8 else np.uint16
    samples = np.random.default_rng(3).integers(
        0, np.iinfo(kind).max, (37, 45, channels), kind, endpoint=True
    )
    (tmp_path / "quick.png").write_bytes(encode_levels(samples, quick=True))
    found = read_photograph(tmp_path / "quick.png")
    planes = [*found.pixels, *([] if found.alpha is None else [found.alpha])]
    assert np.array_equal(to_levels(np.stack(planes[:3]), found.alpha, bit_depth), samples)
    if bit_depth == 8:
        with Image.open(tmp_path / "quick.png") as opened:
            assert np.array_equal(np.asarray(opened), samples)


@given(st.data())
def test_a_png_that_is_cut_or_altered_is_not_whole(data):
    sound = WHOLE
    place = data.draw(st.integers(0, len(sound) - 1))
    assert png.is_whole(sound) and not png.is_whole(sound[:place])
    altered = bytearray(sound)
    altered[place] ^= data.draw(st.integers(1, 255))
    assert not png.is_whole(bytes(altered))
