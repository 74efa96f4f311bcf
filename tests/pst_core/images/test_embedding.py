import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from photographs import EXTENSIONS, RECIPE, TARGETS, H, W, floats, saved, smooth
from PIL import PngImagePlugin

from pst_core.errors import ImageError, OutputError
from pst_core.images.embedding import MAX_RECIPE_BYTES, read_recipe
from pst_core.images.writing import write_image


@pytest.mark.parametrize("extension, depth", TARGETS)
def test_recipe_round_trip(tmp_path, extension, depth):
    path = tmp_path / f"x{extension}"
    write_image(path, floats(smooth()).astype(np.float32), bit_depth=depth, recipe=RECIPE)
    assert read_recipe(path) == RECIPE


@hypothesis_settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=9), st.text(max_size=30) | st.integers() | st.booleans() | st.none(), max_size=4
    )
)
def test_any_recipe_round_trips(tmp_path_factory, recipe):
    for extension in (".png", ".jpg"):
        path = tmp_path_factory.getbasetemp() / f"any{extension}"
        write_image(path, np.zeros((3, 32, 32), np.float32), recipe=recipe, overwrite=True)
        assert read_recipe(path) == recipe


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".bmp"])
def test_a_picture_without_a_recipe(tmp_path, extension):
    assert read_recipe(saved(tmp_path / f"x{extension}", smooth())) is None


def test_foreign_xmp_and_foreign_text_are_no_recipe(tmp_path):
    saved(tmp_path / "x.jpg", smooth(), xmp=b"<x:xmpmeta broken & <!DOCTYPE")
    assert read_recipe(tmp_path / "x.jpg") is None
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", '{"a": 1}')
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    assert read_recipe(tmp_path / "x.png") is None


def test_a_recipe_that_other_programs_compressed_or_rewrote(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("pst:recipe", json.dumps(RECIPE), zip=True)
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    assert read_recipe(tmp_path / "x.png") == RECIPE
    packet = (
        b"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description "
        b"xmlns:q='https://photoreal-style.invalid/ns/1.0/' q:recipe='{&quot;a&quot;: 1}'/></r:RDF>"
    )
    saved(tmp_path / "x.jpg", smooth(), xmp=packet)
    assert read_recipe(tmp_path / "x.jpg") == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "7", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}", " " * (MAX_RECIPE_BYTES + 1)]
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_recipes(tmp_path, text, zipped):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("pst:recipe", text, zip=zipped)
    saved(tmp_path / "x.png", smooth(), pnginfo=info)
    with pytest.raises(ImageError, match=r"x\.png (carries a recipe that )?is"):
        read_recipe(tmp_path / "x.png")


def test_a_packet_that_declares_entities_is_not_parsed(tmp_path):
    packet = b"<!DOCTYPE x [<!ENTITY a 'b'>]><x xmlns:p='https://photoreal-style.invalid/ns/1.0/'>&a;</x>"
    saved(tmp_path / "x.jpg", smooth(), xmp=packet)
    with pytest.raises(ImageError, match="damaged"):
        read_recipe(tmp_path / "x.jpg")


@pytest.mark.parametrize("recipe", [{"a": float("nan")}, {"a": object()}, {"a": "x" * MAX_RECIPE_BYTES}])
def test_recipes_that_cannot_be_written(tmp_path, recipe):
    with pytest.raises(OutputError, match="the recipe"):
        write_image(tmp_path / "x.png", np.zeros((3, H, W), np.float32), recipe=recipe)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_too_long_for_jpeg(tmp_path):
    recipe = {"a": "x" * 66_000}
    with pytest.raises(OutputError, match="64 kB"):
        write_image(tmp_path / "x.jpg", np.zeros((3, H, W), np.float32), recipe=recipe)
    write_image(tmp_path / "x.tif", np.zeros((3, H, W), np.float32), recipe=recipe)
    assert read_recipe(tmp_path / "x.tif") == recipe
