from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pst_core.errors import MapError
from pst_core.images.fitting import fit_map
from pst_core.images.orientations import upright
from pst_core.images.reading import Photograph, SemanticMap

HEIGHT, WIDTH = 40, 50
UNDONE = {5: 5, 6: 8, 7: 7, 8: 6, 2: 2, 3: 3, 4: 4}


def colors(height=HEIGHT, width=WIDTH):
    """A map that is like none of its turned selves."""
    painted = np.full((height, width, 3), (255, 0, 0), np.uint8)
    painted[: height // 4], painted[height // 2 :, : width // 3] = (0, 0, 255), (0, 255, 0)
    return painted


def photograph(height, width, turn=1, pixels=None):
    pixels = np.zeros((3, height, width), np.float32) if pixels is None else pixels
    return Photograph(pixels, None, "0" * 64, Path("photo.png"), 8, turn=turn)


def semantic(painted, **said):
    return SemanticMap(painted, "1" * 64, Path("map.png"), **said)


def shown_in(painted):
    """A photograph of what a map shows."""
    return np.ascontiguousarray(np.moveaxis(painted, -1, 0), np.float32) / 255


def test_a_map_of_the_right_size_is_taken_as_it_is():
    given = semantic(colors())
    assert fit_map(given, photograph(HEIGHT, WIDTH)) == (given, ())


@pytest.mark.parametrize(("down", "across"), [(1, 0), (-1, 0), (0, 1), (-1, -1), (1, -1)])
def test_a_map_one_pixel_off_is_taken_with_a_note(down, across):
    given = semantic(colors())
    assert fit_map(given, photograph(HEIGHT + down, WIDTH + across)) == (given, (
        f"map.png is {WIDTH}x{HEIGHT} pixels, one off photo.png's {WIDTH + across}x{HEIGHT + down}: "
        "it was resized.",
    ))  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [
    (2 * HEIGHT, 2 * WIDTH), (HEIGHT // 2, WIDTH // 2), (3024, 3780), (3024, 3777), (3000, 3800),
])  # fmt: skip
def test_a_map_of_the_photographs_shape_is_taken_with_a_note(height, width):
    """As networks leave them: the last two are what 40 x 50 pixels are when one side was rounded."""
    given = semantic(colors())
    assert fit_map(given, photograph(height, width)) == (
        given, (f"map.png is {WIDTH}x{HEIGHT} pixels and was scaled to photo.png's {width}x{height}.",)
    )  # fmt: skip


@pytest.mark.parametrize(("height", "width", "hint"), [
    (HEIGHT + 2, WIDTH, "neither cut nor stretched"), (HEIGHT, WIDTH - 2, "neither cut nor stretched"),
    (HEIGHT * 10, WIDTH * 11, "neither cut nor stretched"),
    (WIDTH, HEIGHT, "it has that, lying on its side: turn it by a quarter"),
    (WIDTH * 3, HEIGHT * 3, "it has that, lying on its side: turn it by a quarter"),
])  # fmt: skip
def test_a_map_of_another_shape_is_refused(height, width, hint):
    with pytest.raises(
        MapError,
        match=rf"map\.png is {WIDTH}x{HEIGHT} pixels, but photo\.png is {width}x{height}: .*{hint}\.$",
    ):
        fit_map(semantic(colors()), photograph(height, width))


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_map_made_of_the_pixels_as_stored_is_turned_as_the_photograph_was(turn, scale):
    hole = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) < 99
    stored = semantic(colors(), hole=hole)
    fitted, notes = fit_map(stored, photograph(WIDTH * scale, HEIGHT * scale, turn))
    np.testing.assert_array_equal(fitted.colors, upright(colors(), turn))
    np.testing.assert_array_equal(fitted.hole, upright(hole, turn))
    assert notes[0].startswith("map.png was made of photo.png as it is stored, ")
    assert notes[0].endswith(f"it was turned by the photograph's EXIF orientation ({turn}).")
    assert len(notes) == (1 if scale == 1 else 2)


def test_a_map_that_fits_exactly_when_turned_is_not_resized_instead():
    fitted, notes = fit_map(semantic(colors(50, 51)), photograph(51, 50, turn=6))
    assert fitted.size == (51, 50) and len(notes) == 1 and "was turned" in notes[0]


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_an_orientation_that_a_map_only_copied_is_ignored(turn):
    """A program turned photograph and map upright, and left the map the photograph's tag."""
    read = semantic(colors()).turned(turn)
    fitted, notes = fit_map(replace(read, turn=turn), photograph(HEIGHT, WIDTH))
    np.testing.assert_array_equal(fitted.colors, colors())
    assert len(notes) == 1 and f"without its own EXIF orientation ({turn}), which was ignored" in notes[0]


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_where_a_map_fits_either_way_it_is_left_and_the_photographs_edges_are_heard(turn):
    scene = shown_in(colors(120, 160))
    as_shown, as_stored = (semantic(upright(colors(120, 160), by)) for by in (1, UNDONE[turn]))
    for given, said in (
        (as_shown, "as its borders follow the photograph's edges so."),
        (as_stored, f"({turn}): turn it, if that is so."),
    ):  # fmt: skip
        fitted, notes = fit_map(given, photograph(120, 160, turn, scene))
        assert fitted is given
        assert len(notes) == 1 and notes[0].endswith(said) and "fits either way" in notes[0]


def test_where_the_edges_say_nothing_the_picture_of_the_regions_is_named():
    (note,) = fit_map(semantic(colors()), photograph(HEIGHT, WIDTH, turn=3))[1]
    assert note.endswith("turn it, if the picture of the regions shows it upside down.")


def test_a_square_map_fits_a_square_photograph_either_way():
    painted = colors(120, 120)
    stored = semantic(upright(painted, 8))
    fitted, (note,) = fit_map(stored, photograph(120, 120, 6, shown_in(painted)))
    assert fitted is stored and note.endswith("(6): turn it, if that is so.")


def test_a_map_with_an_orientation_of_its_own_is_believed():
    read = semantic(colors(), turn=3)
    assert fit_map(read, photograph(HEIGHT, WIDTH, turn=3)) == (read, ())
