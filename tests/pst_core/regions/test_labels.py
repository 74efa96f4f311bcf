from dataclasses import replace

import numpy as np
import pytest

from pst_core.errors import MapError
from pst_core.regions.labels import Regions, describe_regions, match_regions

COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)], np.uint8)


def test_matched_asks_for_presence_on_both_sides():
    content, style = np.zeros((100, 100), np.int16), np.zeros((100, 100), np.int16)
    content[0, :4], content[1, :50], style[2, :50] = 1, 2, 3  # 0.04 %, 0.5 %, 0.5 %
    style[3, :50], style[4, :4] = 1, 2
    found = Regions(content, style, np.zeros((4, 3), np.uint8))
    assert found.matched.tolist() == [True, False, False, False]
    assert found.unmatched.tolist() == [False, False, True, False]


@pytest.fixture
def unequal():
    """Region 1 is the content's alone, region 2 the style's."""
    content, style = np.zeros((10, 10), np.int16), np.zeros((20, 10), np.int16)
    content[:2], style[:5] = 1, 2
    return Regions(content, style, COLORS[:3], notes=("told before",))


def test_shares_are_those_of_each_photograph(unequal):
    assert unequal.count == 3
    assert unequal.content_shares.tolist() == [0.8, 0.2, 0]
    assert unequal.style_shares.tolist() == [0.75, 0, 0.25]


def test_each_region_of_one_photograph_alone_gets_a_note(unequal):
    assert match_regions(unequal, ("a", "b")).notes == (
        "told before",
        "Region 1 (#00FF00), 20.0% of the content, has no counterpart in the style.",
        "Region 2 (#0000FF), 25.0% of the style, has no counterpart in the content: it is unused.",
    )


def test_notes_call_regions_what_the_maps_call_them(unequal):
    named = replace(unequal, names=("transparent", "value 2", "value 9"))
    assert [note[:24] for note in match_regions(named, ("a", "b")).notes[1:]] == [
        "Region 1 (value 2), 20.0", "Region 2 (value 9), 25.0",
    ]  # fmt: skip


def test_nothing_in_common_is_refused_with_the_way_out():
    regions = Regions(np.zeros((4, 4), np.int16), np.ones((4, 4), np.int16), COLORS[:2])
    with pytest.raises(MapError, match=r"^a and b have no region in common: give maps\.$"):
        match_regions(replace(regions, source="cluster"), ("a", "b"), "give maps")
    with pytest.raises(
        MapError, match=r"^a and b have no region in common \(#FF0000 in the one, #00FF00 in the other\): use"
    ):
        match_regions(regions, ("a", "b"))


def test_what_a_report_says(unequal):
    assert describe_regions(unequal) == {
        "source": "maps", "model": None, "count": 3, "colors": ["#ff0000", "#00ff00", "#0000ff"],
        "names": ["#FF0000", "#00FF00", "#0000FF"],
        "content_shares": [0.8, 0.2, 0.0], "style_shares": [0.75, 0.0, 0.25],
        "matched": [True, False, False], "confidence": [],
    }  # fmt: skip
