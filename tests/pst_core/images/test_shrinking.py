import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pst_core.errors import MapError
from pst_core.images.reading import Photograph, SemanticMap, read_map, read_photograph
from pst_core.images.shrinking import shrink_map, shrink_photograph


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


@pytest.mark.parametrize(("side", "size"), [(54, (36, 54)), (60, (40, 60)), (500, (40, 60))])
def test_a_photograph_is_shrunk_as_pillow_does_and_never_enlarged(side, size):
    levels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    pixels = np.ascontiguousarray(np.moveaxis(levels, -1, 0), np.float32) / np.float32(255)
    expected = Image.fromarray(levels)
    expected.thumbnail((side, side), Image.Resampling.LANCZOS)
    found = decoded(shrink_photograph(Photograph(pixels, None, "0" * 64, Path("x"), 8), side))
    assert found.shape == (*size, 3)
    np.testing.assert_array_equal(found, np.asarray(expected))


def photograph(height, width, turn=1):
    return Photograph(np.zeros((3, height, width), np.float32), None, "0" * 64, Path("x"), 8, turn=turn)


def test_a_strip_stays_wide_enough_to_be_read_again(tmp_path):
    strip = Photograph(np.zeros((3, 50, 2000), np.float32), None, "0" * 64, Path("x"), 8)
    (tmp_path / "strip.png").write_bytes(shrink_photograph(strip, 200))
    found = read_photograph(tmp_path / "strip.png")
    assert (found.width, found.height) == (1280, 32)


def test_a_map_gets_no_new_colours():
    colors = np.random.default_rng(0).choice([0, 128, 255], (40, 60, 3)).astype(np.uint8)
    found = decoded(shrink_map(SemanticMap(colors, "0" * 64, Path("x")), photograph(40, 60), (30, 20)))
    expected = Image.fromarray(colors).resize((30, 20), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_map_is_laid_on_its_photograph_first():
    colors = np.random.default_rng(0).choice([0, 128, 255], (40, 60, 3)).astype(np.uint8)
    stored = SemanticMap(colors, "0" * 64, Path("x"))
    found = decoded(shrink_map(stored, photograph(60, 40, turn=6), (40, 60)))
    np.testing.assert_array_equal(found, np.rot90(colors, -1))
    with pytest.raises(MapError, match="lying on its side"):
        shrink_map(stored, photograph(60, 40), (40, 60))


@pytest.mark.parametrize("kind", ["palette", "hole", "sixteen", "palette with a hole"])
def test_a_shrunk_map_says_what_the_map_said(tmp_path, kind):
    given = odd_map(kind)
    (tmp_path / "x.png").write_bytes(shrink_map(given, photograph(40, 60), (30, 20)))
    found = read_map(tmp_path / "x.png")
    for name in ("colors", "numbers", "hole"):
        there, here = getattr(given, name), getattr(found, name)
        assert (there is None) == (here is None), name
        if there is not None:
            np.testing.assert_array_equal(here, there[1::2, 1::2])


def odd_map(kind):
    """Of 40 x 60 pixels, of which only one in four counts: three regions, two of one colour."""
    numbers = np.zeros((40, 60), np.uint8)
    numbers[:20], numbers[:, :15] = 7, 3
    colors = np.where(numbers[..., None] == 7, [255, 0, 0], [0, 0, 9]).astype(np.uint8)
    hole = numbers == 3 if "hole" in kind else None
    if kind == "sixteen":
        colors = (numbers[..., None] * np.array([300, 1, 0])).astype(np.uint16)
    return SemanticMap(colors, "0" * 64, Path("x"), numbers if "palette" in kind else None, hole)
