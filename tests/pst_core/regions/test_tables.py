import numpy as np
import pytest
from painted_maps import as_map, painted, scene, with_palette

from pst_core.regions.tables import tabulate


def test_a_table_gives_the_map_back():
    colors = np.random.default_rng(0).integers(0, 4, (37, 45, 3)).astype(np.uint8)
    hole = colors[..., 0] == 2
    table = tabulate(as_map(colors, hole=hole))
    np.testing.assert_array_equal(table.codes[table.places][..., :3], colors)
    np.testing.assert_array_equal(table.codes[table.places][..., 3] == 1, hole)
    np.testing.assert_array_equal(np.bincount(table.places.ravel()), table.counts)


@pytest.mark.parametrize("value", [0, 255, 256, 65535])
def test_each_channel_tells_values_apart(value):
    colors = np.full((6, 6, 3), value, np.uint16)
    for channel in range(3):
        colors[channel, :, channel] = 7
    table = tabulate(as_map(colors))
    assert len(table.codes) == 4 and table.deep
    np.testing.assert_array_equal(table.codes[table.places][..., :3], colors)


def test_numbers_of_one_colour_are_values_of_their_own():
    table = tabulate(with_palette(np.array([[0, 1], [2, 2]]), [9, 4, 5], [(1, 1, 1)] * 3))
    assert table.numbers.tolist() == [4, 5, 9] and table.counts.tolist() == [1, 2, 1]


def test_areas_are_where_three_by_three_pixels_are_one_value():
    labels = np.zeros((20, 20), int)
    labels[2:4, 2:9], labels[6:9, 2:5], labels[10:13, 10:12], labels[17:, 18:], labels[15, 3] = 1, 2, 3, 4, 5
    table = tabulate(painted(labels, range(6)))
    assert table.areas.tolist() == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]  # a corner has no neighbours beyond


def test_values_are_codes_where_most_of_them_form_areas():
    assert tabulate(painted(scene(), range(5))).is_exact
    assert not tabulate(painted(scene(), range(5), lossless=False)).is_exact
    blended = painted(scene(), [0, 60, 120, 180, 240])
    blended.colors[:6, :1] = np.arange(100, 106)[:, None, None]
    assert not tabulate(blended).is_exact


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_the_smallest_maps(size):
    table = tabulate(as_map(np.zeros((*size, 3), np.uint8)))
    assert table.counts.tolist() == [size[0] * size[1]] and table.areas.tolist() == [True]
