import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.shrinking import shrink_map, shrink_photograph


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


@pytest.mark.parametrize(("side", "size"), [(30, (20, 30)), (60, (40, 60)), (500, (40, 60))])
def test_a_photograph_is_shrunk_as_pillow_does_and_never_enlarged(side, size):
    levels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    pixels = np.ascontiguousarray(np.moveaxis(levels, -1, 0), np.float32) / np.float32(255)
    expected = Image.fromarray(levels)
    expected.thumbnail((side, side), Image.Resampling.LANCZOS)
    found = decoded(shrink_photograph(Photograph(pixels, None, "0" * 64, Path("x"), 8), side))
    assert found.shape == (*size, 3)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_map_gets_no_new_colours():
    colors = np.random.default_rng(0).choice([0, 128, 255], (40, 60, 3)).astype(np.uint8)
    found = decoded(shrink_map(SemanticMap(colors, "0" * 64, Path("x")), (25, 17)))
    assert found.shape == (17, 25, 3)
    assert {*map(tuple, found.reshape(-1, 3))} <= {*map(tuple, colors.reshape(-1, 3))}
