from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pst_core.errors import ImageError, MapError
from pst_core.images.inputs import load_inputs, load_start
from pst_core.images.reading import Photograph, SemanticMap, read_map, read_photograph
from pst_core.images.roles import is_map

HEIGHT, WIDTH = 40, 50
RED, BLUE = (255, 0, 0), (0, 0, 255)


def pixels(height=HEIGHT, width=WIDTH, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def colors(height=HEIGHT, width=WIDTH):
    painted = np.full((height, width, 3), RED, np.uint8)
    painted[:, width // 3 :] = BLUE
    return painted


def photograph(height, width):
    return Photograph(np.zeros((3, height, width), np.float32), None, "0" * 64, Path("photo.png"), 8)


def semantic(painted):
    return SemanticMap(painted, "1" * 64, Path("map.png"))


def test_paths_arrays_and_what_was_read_are_the_same_inputs(tmp_path):
    given = {
        "content": pixels(),
        "style": pixels(45, 60, 1),
        "content_map": colors(),
        "style_map": colors(46, 60),
    }
    for role, array in given.items():
        Image.fromarray(array).save(tmp_path / f"{role}.png")
    paths = {role: tmp_path / f"{role}.png" for role in given}
    readers = {role: read_map if is_map(role) else read_photograph for role in given}
    read = {role: reader(paths[role]) for role, reader in readers.items()}
    from_arrays, from_paths, from_read = (load_inputs(**each) for each in (given, paths, read))
    for role in given:
        parts = [getattr(each, role) for each in (from_arrays, from_paths, from_read)]
        values = [part.colors if is_map(role) else part.pixels for part in parts]
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])
    assert from_paths.hashes == from_read.hashes and set(from_paths.hashes) == set(given)
    assert from_paths.style_map.size == (46, 60)
    assert len(from_paths.notes) == 1 and "style_map.png is 60x46 pixels, one off" in from_paths.notes[0]


def test_what_is_odd_about_a_map_is_told_as_of_a_photograph(tmp_path):
    odd = replace(semantic(colors()), notes=("it is odd",))
    told = load_inputs(pixels(), pixels(), odd, colors()).notes
    assert told == ("map.png: it is odd",)


@pytest.mark.parametrize("given, lacking", [("content", "style"), ("style", "content")])
def test_one_map_without_the_other_is_refused_before_anything_is_read(given, lacking):
    with pytest.raises(MapError, match=f"A {given} map was given without a {lacking} map: give both"):
        load_inputs("nowhere.png", "nowhere.png", **{f"{given}_map": colors()})


@pytest.mark.parametrize("array", [pixels()[..., 0], pixels() / 255, pixels()[..., :2], pixels(4, 4)])
@pytest.mark.parametrize("role", ["content", "style"])
def test_an_array_that_is_no_photograph_is_refused_by_its_role(role, array):
    with pytest.raises(ImageError, match=f"The {role} array"):
        load_inputs(**({"content": pixels(), "style": pixels()} | {role: array}))


def test_photographs_and_maps_in_the_places_of_one_another_are_refused():
    painted, picture = semantic(colors()), photograph(HEIGHT, WIDTH)
    with pytest.raises(ImageError, match="The style is a semantic map, not a photograph: swap the arguments"):
        load_inputs(picture, painted)
    with pytest.raises(MapError, match="The style map is a Photograph: read it with read_map"):
        load_inputs(picture, picture, painted, picture)


@pytest.mark.parametrize("height, width, fits", [
    (HEIGHT, WIDTH, True), (2 * HEIGHT, 2 * WIDTH, True), (HEIGHT + 1, WIDTH, True), (WIDTH, HEIGHT, False),
    (HEIGHT + 9, WIDTH, False),
])  # fmt: skip
def test_a_start_has_the_contents_shape(height, width, fits):
    inputs = load_inputs(pixels(), pixels())
    if fits:
        assert load_start(pixels(height, width), inputs).shape == (3, height, width)
        return
    with pytest.raises(ImageError, match=rf"is {width}x{height} pixels, another shape than the content's"):
        load_start(pixels(height, width), inputs)
