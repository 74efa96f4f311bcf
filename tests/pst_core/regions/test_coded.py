import numpy as np
import pytest
from painted_maps import as_map, painted, scene

from pst_core.errors import MapError
from pst_core.regions.maps import cluster_maps

NUMBERS = [2, 9, 16, 6, 25]


def grid(count, side=12, columns=10):
    """Squares with the labels 0 to ``count - 1``, row by row; each is larger than the next."""
    rows = -(-count // columns)
    labels = np.zeros((rows * side, columns * side), int)
    for label in range(1, count):
        row, column = divmod(label, columns)
        labels[row * side : (row + 1) * side, column * side : (column + 1) * side] = label
        labels[row * side + side - 1, column * side : column * side + label // columns] = 0
    return labels


def test_a_code_that_covers_too_little_goes_to_the_region_beside_it_and_is_told():
    labels = scene()
    found = cluster_maps(painted(labels, NUMBERS), painted(labels, NUMBERS), min_share=0.04)
    assert found.called == ("value 2", "value 9", "value 16")
    assert (found.content[labels == 3] == 0).all()  # the sun, in the sky
    assert (found.content[labels == 4] == 1).all()  # the pond, on the ground; 6 is nearer to 2 than to 9
    assert found.notes == (
        "Too small to be regions (setting min_region_share), and given to those beside them: "
        "value 6, value 25.",
    )


def test_of_many_that_are_too_small_some_are_named():
    labels = np.zeros((100, 100), int)
    for label in range(1, 10):
        labels[10 * label : 10 * label + 4, 10:14] = label
    labels[:, 60:] = 10
    maps = painted(labels, range(11)), painted(labels, range(11))
    assert (
        cluster_maps(*maps)
        .notes[0]
        .endswith("value 1, value 2, value 3, value 4, value 5, value 6 and 3 more.")
    )


def test_pixels_that_form_no_area_are_no_region_and_no_news():
    specks = np.minimum(scene(), 3)
    specks[5::20, 5::20] = 4
    found = cluster_maps(painted(specks, NUMBERS), painted(scene(shift=6) % 4, NUMBERS))
    assert found.called == ("value 2", "value 9", "value 16", "value 6") and found.notes == ()


def test_more_regions_than_there_can_be_are_told_and_the_smallest_go_to_those_beside_them():
    labels = grid(70)
    found = cluster_maps(painted(labels, range(70)), painted(labels, range(70)))
    assert found.count == 64
    assert "value 69" not in found.called and "value 63" in found.called
    assert set(np.unique(found.content)) == set(range(64))
    share = f"{(labels >= 64).mean():.1%}"
    assert found.notes == (
        f"The maps have 70 colours of 0.5% and more: the 64 largest are regions, the others, {share} of the "
        "maps, went to the regions beside them.",
    )


def test_regions_that_are_asked_for_are_the_largest():
    labels = scene()
    maps = painted(labels, NUMBERS), painted(labels, NUMBERS)
    for count in range(1, 6):
        found = cluster_maps(*maps, regions=count)
        assert found.called == tuple(f"value {number}" for number in NUMBERS[:count]) and found.notes == ()
    with pytest.raises(MapError, match=r"6 regions .*only 5 distinct colours: ask for 5 or fewer"):
        cluster_maps(*maps, regions=6)


def test_where_no_code_is_large_enough_a_map_is_refused():
    many = np.kron(np.arange(400).reshape(20, 20), np.ones((4, 4), int))
    codes = np.stack([np.arange(400) % 20 * 12, np.arange(400) // 20 * 12, np.zeros(400)], axis=1)
    with pytest.raises(MapError, match=r"^a\.png has no colour that covers 0\.5% of both maps: paint larger"):
        cluster_maps(painted(many, codes, "a.png"), painted(many, codes, "b.png"))
    half = np.where(many < 200, many, 0)
    with pytest.raises(MapError, match=r"^a\.png has no colour that covers 30\.0%"):
        cluster_maps(painted(many[:20], codes, "a.png"), painted(half, codes, "b.png"), min_share=0.3)


def test_maps_of_different_sizes_count_the_same():
    """A region that only the smaller one has would be nothing among the pixels of both."""
    small, large = scene(height=45, width=60), np.kron(scene(), np.ones((6, 6), int))
    large[large == 4] = 1
    found = cluster_maps(painted(small, NUMBERS), painted(large, NUMBERS), min_share=0.005)
    assert "value 25" in found.called


@pytest.mark.parametrize("numbers", [
    [0, 1, 2, 3, 4], [0, 10, 20, 30, 40], [1000, 1001, 1002, 1003, 1004],
    [(6, 230, 230), (120, 120, 70), (120, 120, 80), (140, 140, 140), (120, 120, 120)],
])  # fmt: skip
def test_regions_whose_codes_look_alike_are_shown_in_colours_that_do_not(numbers):
    found = cluster_maps(*(painted(scene(), numbers, dtype=np.uint16) for _ in range(2)))
    apart = np.linalg.norm(found.colors[:, None].astype(float) - found.colors[None].astype(float), axis=2)
    assert apart[~np.eye(5, dtype=bool)].min() > 60


def test_regions_are_shown_in_their_own_colours_where_the_eye_can_tell_them_apart():
    colors = [(70, 130, 180), (190, 153, 153), (153, 153, 153), (0, 60, 100), (0, 80, 100)]
    found = cluster_maps(*(painted(scene(), colors) for _ in range(2)))
    assert {tuple(color) for color in found.colors.tolist()} == set(colors)


def test_arrays_are_codes_too():
    colors = np.zeros((40, 50, 3), np.uint8)
    colors[:20] = 1
    assert cluster_maps(as_map(colors), as_map(colors[::-1])).count == 2
