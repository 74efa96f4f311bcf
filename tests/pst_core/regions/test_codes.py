import numpy as np
import pytest
from painted_maps import painted, scene, with_palette

from pst_core.errors import MapError
from pst_core.regions.codes import read_together
from pst_core.regions.maps import cluster_maps

HERE, THERE = scene(), scene(shift=6)
COLORS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (255, 0, 255)]
GRAYS = [tuple([7 * label] * 3) for label in range(5)]
NOTHING = [(0, 0, 0)] * 5


def regions(content, style):
    """The regions of two maps, of which each label must be one."""
    found = cluster_maps(content, style)
    for labels, truth in ((found.content, HERE), (found.style, THERE)):
        assert labels.shape == truth.shape
        pairs = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1)
        assert pairs.shape[1] == found.count == truth.max() + 1
    assert found.matched.all()
    return found


def names_in_order(found):
    """What each of the scene's labels is called."""
    firsts = [np.flatnonzero(HERE.ravel() == label)[0] for label in range(found.count)]
    return [found.called[found.content.ravel()[first]] for first in firsts]


@pytest.mark.parametrize("numbers", [
    [0, 1, 2, 3, 4], [2, 9, 16, 6, 25], [0, 7, 15, 12, 255], [0, 10, 20, 30, 40], [150, 149, 3, 4, 80],
])  # fmt: skip
@pytest.mark.parametrize("deep", [(), ("content",), ("style",), ("content", "style")])
def test_class_numbers_are_regions_whatever_their_distance_and_depth(numbers, deep):
    kinds = [np.uint16 if side in deep else np.uint8 for side in ("content", "style")]
    found = regions(painted(HERE, numbers, dtype=kinds[0]), painted(THERE, numbers, dtype=kinds[1]))
    assert names_in_order(found) == [f"value {number}" for number in numbers]
    assert found.notes == ()


@pytest.mark.parametrize("numbers", [[0, 256, 257, 26001, 26002], [11000, 11001, 11002, 26000, 65535]])
def test_numbers_that_take_16_bits_are_compared_exactly(numbers):
    maps = [painted(labels, numbers, dtype=np.uint16) for labels in (HERE, THERE)]
    assert names_in_order(regions(*maps)) == [f"value {number}" for number in numbers]


def test_numbers_of_16_and_of_8_bits_mean_the_same_where_both_can_hold_them():
    wide = painted(np.minimum(HERE, 4), [0, 1, 2, 3, 300], dtype=np.uint16)
    narrow = painted(np.minimum(THERE, 3), [0, 1, 2, 3])
    found = cluster_maps(wide, narrow)
    assert found.matched.tolist() == [True, True, True, True, False]
    assert found.called[4] == "value 300"


def test_levels_of_16_bits_are_those_of_8():
    levels = np.array([0, 60, 120, 180, 255])
    found = regions(painted(HERE, levels * 257, dtype=np.uint16), painted(THERE, levels))
    assert names_in_order(found) == [f"value {level}" for level in levels]


def test_colours_of_16_bits_are_those_of_8():
    found = regions(painted(HERE, np.array(COLORS) * 257, dtype=np.uint16), painted(THERE, COLORS))
    assert names_in_order(found)[0] == "#0000FF"


@pytest.mark.parametrize("colors", [
    [(70, 130, 180), (190, 153, 153), (153, 153, 153), (0, 60, 100), (0, 80, 100)],
    [(6, 230, 230), (120, 120, 70), (120, 120, 80), (140, 140, 140), (120, 120, 120)],
    [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)],
])  # fmt: skip
def test_crowded_palettes_are_kept_apart(colors):
    found = regions(painted(HERE, colors), painted(THERE, colors))
    assert names_in_order(found) == ["#{:02X}{:02X}{:02X}".format(*color) for color in colors]


@pytest.mark.parametrize("lossless", [(True, False), (False, True), (False, False)])
def test_near_colours_are_one_where_a_format_does_not_keep_them(lossless):
    colors = [COLORS[0], (0, 0, 235), COLORS[2], (235, 0, 0), COLORS[4]]
    here, there = lossless
    found = cluster_maps(
        painted(HERE, colors, "a", lossless=here), painted(THERE, colors, "b", lossless=there)
    )
    assert found.count == 3
    if any(lossless):
        coarse, exact = "ba" if here else "ab"
        assert found.notes == (
            f"{coarse} is blended or compressed, so near colours are taken for one in {exact}, too: "
            "save both as PNG without soft edges to keep them apart.",
        )


def test_class_numbers_beside_a_compressed_map_are_refused_for_its_sake():
    numbers, coarse = painted(HERE, range(5), "a.png"), painted(THERE, COLORS, "b.jpg", lossless=False)
    with pytest.raises(
        MapError, match=r"^a\.png has colours or class numbers too near each other to be found again in "
        r"b\.jpg, .*save b\.jpg as a PNG without soft edges, or leave both maps out\.$",
    ):  # fmt: skip
        cluster_maps(numbers, coarse)


def test_compressed_class_numbers_are_refused_with_the_way_out():
    numbers, exact = painted(HERE, range(5), "a.jpg", lossless=False), painted(THERE, COLORS, "b.png")
    with pytest.raises(MapError, match=r"^a\.jpg has a single colour, as far as .*save class numbers as"):
        cluster_maps(numbers, exact)


@pytest.mark.parametrize("shown", [[0, 255], [0, 85], [0, 17]])
@pytest.mark.parametrize("turned", [False, True])
def test_a_mask_of_0_and_1_and_one_of_black_and_white_are_one_pair(shown, turned):
    maps = [painted(np.minimum(HERE, 1), [0, 1], "one.png"), painted(np.minimum(THERE, 1), shown, "255.png")]
    found = cluster_maps(*(maps[::-1] if turned else maps))
    assert found.count == 2 and found.matched.all()
    assert found.notes == (
        f"one.png and 255.png are taken as one pair of masks: 0 with 0 and 1 with {shown[1]}.",
    )
    numbers, black_and_white = (found.style, found.content) if turned else (found.content, found.style)
    for labels, truth in ((numbers, HERE), (black_and_white, THERE)):
        np.testing.assert_array_equal(labels == labels[0, 0], truth == 0)


@pytest.mark.parametrize("shown", [[0, 64, 128, 191, 255], [0, 63, 126, 189, 252], [0, 17, 34, 51, 68]])
def test_numbers_and_the_same_stretched_to_be_seen_are_one(shown):
    found = regions(painted(HERE, range(5)), painted(THERE, shown))
    assert "are taken as one pair of masks" in found.notes[0]


def test_a_mask_beside_one_that_was_compressed():
    rng = np.random.default_rng(0)
    noisy = np.clip(np.minimum(THERE, 1) * 255 + rng.integers(-9, 9, THERE.shape), 0, 255)
    found = cluster_maps(
        painted(np.minimum(HERE, 1), [0, 1]), painted(noisy, range(256), lossless=False)
    )  # fmt: skip
    assert found.count == 2 and found.matched.all()


def test_nearly_black_and_white_are_black_and_white():
    found = cluster_maps(painted(np.minimum(HERE, 1), [0, 255]), painted(np.minimum(THERE, 1), [6, 250]))
    assert found.count == 2 and found.matched.all() and "one pair of masks" in found.notes[0]


def test_class_numbers_are_no_masks():
    found = cluster_maps(painted(np.minimum(HERE, 1), [0, 7]), painted(np.minimum(THERE, 1), [0, 15]))
    assert found.matched.tolist() == [True, False, False]
    found = cluster_maps(painted(np.minimum(HERE, 2), [0, 1, 7]), painted(np.minimum(THERE, 2), [0, 1, 255]))
    assert found.matched.tolist() == [True, True, False, False]


def test_a_program_s_rounding_is_no_other_colour():
    rounded = [(0, 0, 254), (1, 255, 0), (254, 0, 2), (255, 255, 0), (255, 0, 250)]
    found = regions(painted(HERE, COLORS, "a"), painted(THERE, rounded, "b"))
    assert sorted(found.notes) == [
        "b: #0000FE is taken for a's #0000FF.", "b: #01FF00 is taken for a's #00FF00.",
        "b: #FE0002 is taken for a's #FF0000.", "b: #FF00FA is taken for a's #FF00FF.",
    ]  # fmt: skip


@pytest.mark.parametrize("other", [(120, 120, 80), (120, 120, 71)])
def test_beside_a_crowded_palette_nothing_is_rounded(other):
    here = [*COLORS[:3], (120, 120, 70), (120, 120, 100)]
    there = [*COLORS[:3], other, (120, 120, 100)]
    assert cluster_maps(painted(HERE, here), painted(THERE, there)).matched.sum() == 4


@pytest.mark.parametrize("hidden", [(255, 255, 0), (0, 0, 0), (9, 200, 9)])
def test_a_hole_is_a_region_whatever_is_hidden_in_it(hidden):
    """Also where a region has the same colour, and where each map hides another one."""
    here, there = [hidden, *COLORS[1:]], [(255, 255, 255), *COLORS[1:]]
    maps = painted(HERE, here, hole=HERE == 0), painted(THERE, there, hole=THERE == 0)
    found = regions(*maps)
    assert names_in_order(found) == ["transparent", "#00FF00", "#FF0000", "#FFFF00", "#FF00FF"]
    assert len({tuple(color) for color in found.colors.tolist()}) == 5


def test_several_hidden_colours_are_one_hole():
    hole = HERE >= 3
    found = cluster_maps(painted(HERE, COLORS, hole=hole), painted(THERE, COLORS, hole=THERE >= 3))
    assert sorted(found.called) == ["#0000FF", "#00FF00", "#FF0000", "transparent"]


def test_a_cut_out_of_one_colour_has_two_regions():
    red = [(255, 0, 0)] * 5
    maps = painted(HERE, red, hole=HERE > 1), painted(THERE, red, hole=THERE > 1)
    assert cluster_maps(*maps).called == ("#FF0000", "transparent")


def test_what_one_map_leaves_transparent_and_the_other_paints_is_one():
    """Black saved with a transparent background, beside black: what is hidden tells the two are one."""
    black = [(0, 0, 0), *COLORS[1:]]
    assert (
        names_in_order(regions(painted(HERE, black, hole=HERE == 0), painted(THERE, black)))[0] == "#000000"
    )
    assert (
        names_in_order(regions(painted(HERE, black), painted(THERE, black, hole=THERE == 0)))[0] == "#000000"
    )
    found = cluster_maps(painted(HERE, COLORS, hole=HERE == 0), painted(THERE, black))
    assert (
        found.unmatched.sum() == 1 and found.called[int(np.flatnonzero(found.unmatched)[0])] == "transparent"
    )


def test_a_hole_is_a_region_of_blended_maps_too():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 6, (*HERE.shape, 3)) for _ in range(2)]
    maps = [
        painted(labels, COLORS, hole=labels == 3) for labels in (HERE, THERE)
    ]  # fmt: skip
    for semantic, by in zip(maps, noise, strict=True):
        semantic.colors[:] = np.abs(semantic.colors.astype(int) - by)
    found = regions(*maps)
    assert names_in_order(found)[3] == "transparent"


PALETTE = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]


@pytest.mark.parametrize("numbers", [[0, 1, 2, 3, 4], [4, 0, 3, 1, 2]])
def test_a_palettes_colours_count_as_a_viewer_shows_them(numbers):
    """Programs that reduce a picture's colours number them as they please."""
    shuffled = with_palette(THERE, numbers, PALETTE)
    for other in (with_palette(HERE, range(5), PALETTE), painted(HERE, PALETTE)):
        found = regions(other, shuffled)
        assert names_in_order(found)[1] == "#800000" and found.notes == ()


def test_a_palette_beside_bare_numbers_is_read_by_its_numbers():
    numbers = [0, 7, 15, 12, 2]
    found = regions(with_palette(HERE, numbers, PALETTE, "a.png"), painted(THERE, numbers, "b.png"))
    assert names_in_order(found) == [f"value {number}" for number in numbers]
    assert found.notes == ("a.png: read by the palette's numbers, for the other map has numbers.",)


def test_a_palette_of_grays_beside_grays_is_read_by_its_colours():
    levels = [0, 60, 120, 180, 240]
    shown = with_palette(HERE, [4, 3, 2, 1, 0], [[level] * 3 for level in levels])
    assert names_in_order(regions(shown, painted(THERE, levels))) == [f"value {level}" for level in levels]


def test_a_mask_with_a_palette_beside_black_and_white():
    mask = with_palette(np.minimum(HERE, 1), [0, 1], PALETTE[:2])
    found = cluster_maps(mask, painted(np.minimum(THERE, 1), [0, 255]))
    assert found.count == 2 and found.matched.all()


@pytest.mark.parametrize("palettes", [(NOTHING, NOTHING), (NOTHING, PALETTE), (PALETTE, NOTHING)])
def test_a_palette_of_one_colour_is_read_by_its_numbers(palettes):
    here, there = palettes
    found = regions(with_palette(HERE, range(5), here), with_palette(THERE, range(5), there))
    assert names_in_order(found) == [f"value {number}" for number in range(5)]
    assert "for its palette has one colour for several of them" in found.notes[0]


def test_palettes_without_a_colour_in_common_are_read_by_their_numbers():
    other = [(9, 9, 9), (99, 9, 9), (9, 99, 9), (9, 9, 99), (99, 99, 9)]
    found = regions(with_palette(HERE, range(5), PALETTE), with_palette(THERE, range(5), other))
    assert "the palettes of both maps have no colour in common" in found.notes[0]


def test_palettes_with_a_colour_in_common_are_read_by_their_colours():
    other = [PALETTE[0], *COLORS[1:]]
    found = cluster_maps(with_palette(HERE, range(5), PALETTE), with_palette(THERE, range(5), other))
    assert found.matched.sum() == 1


def test_how_much_of_each_map_a_code_covers():
    codes = read_together(painted(np.minimum(HERE, 1), [3, 5]), painted(np.zeros((20, 10), int), [5]))
    assert codes.names == ["value 3", "value 5"] and codes.exact == (True, True)
    assert codes.counts.sum(axis=1).tolist() == [HERE.size, 200]
    assert codes.shares[0] == (HERE == 0).mean() / 2


def test_maps_that_mark_other_things_are_told_what_each_marks():
    with pytest.raises(
        MapError,
        match=r"^a and b have no region in common \(value 2, value 1 in the one, value 9, value 8 in ",
    ):
        cluster_maps(painted(np.minimum(HERE, 1), [1, 2], "a"), painted(np.minimum(THERE, 1), [8, 9], "b"))
