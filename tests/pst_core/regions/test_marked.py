"""Regions of one map by the names that a pair's maps gave them."""

from pathlib import Path

import numpy as np
import pytest

from pst_core.images.reading import SemanticMap
from pst_core.regions.labels import NOWHERE
from pst_core.regions.maps import cluster_maps
from pst_core.regions.marked import labels_by_name


def painted(*rows, hole=None):
    """A map of a pixel a value: a gray, or a colour."""
    colors = np.array([[np.broadcast_to(each, 3) for each in row] for row in rows], np.uint8)
    return SemanticMap(colors, "", Path("map.png"), hole=None if hole is None else np.array(hole, bool))


def test_colours_are_found_by_their_names():
    labels = labels_by_name(
        painted([(255, 0, 0), (0, 0, 255)], [(0, 255, 0), (255, 0, 0)]), ("#0000FF", "#FF0000")
    )
    assert labels.tolist() == [[1, 0], [NOWHERE, 1]]


def test_compressed_colours_are_taken_for_the_near_one_where_only_one_is_near():
    noisy = painted([(240, 12, 8), (10, 4, 239)])
    assert labels_by_name(noisy, ("#0000FF", "#FF0000")).tolist() == [[1, 0]]
    assert labels_by_name(noisy, ("#0000FF", "#FF0000", "#E81008")).tolist() == [[NOWHERE, NOWHERE]]


def test_numbers_are_told_apart_however_near():
    assert labels_by_name(painted([1, 2, 3]), ("value 3", "value 1")).tolist() == [[1, NOWHERE, 0]]


def test_holes_are_a_region_or_none():
    semantic = painted([(255, 0, 0), (255, 0, 0)], hole=[[True, False]])
    assert labels_by_name(semantic, ("transparent", "#FF0000")).tolist() == [[0, 1]]
    assert labels_by_name(semantic, ("#FF0000",)).tolist() == [[NOWHERE, 0]]


@pytest.mark.parametrize("codes", [
    [(255, 0, 0), (0, 0, 255), (0, 255, 0)], [1, 2, 9], [0, 128, 255],
    [(10, 10, 200), (10, 10, 250), (0, 0, 0)],
])  # fmt: skip
def test_a_pairs_own_map_gives_the_pairs_own_regions(codes):
    """Whatever its codes are called: names say all that is needed."""
    drawn = np.random.default_rng(1).integers(0, len(codes), (6, 6)).repeat(8, axis=0).repeat(8, axis=1)
    colors = np.array([np.broadcast_to(code, 3) for code in codes], np.uint8)[drawn]
    semantic = SemanticMap(colors, "", Path("map.png"))
    regions = cluster_maps(semantic, semantic)
    assert np.array_equal(labels_by_name(semantic, regions.names), regions.content)
