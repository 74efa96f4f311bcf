"""Classes of a network become regions: what is merged, what stands in for what, and where borders lie."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pst_core.errors import ConfigError
from pst_core.regions.ade20k import GROUPS, NEAREST
from pst_core.regions.classes import Scores, assign_groups, regions_of_classes

CLASSES = ("sky", "sea", "lake", "tree", "grass", "mountain", "road", "boat", "car", "person", "snowdrift")
# In the order of the dataset's own list (objectInfo150), without the second names that some models write.
ADE20K = """
wall building sky floor tree ceiling road bed windowpane grass cabinet sidewalk person earth door table
mountain plant curtain chair car water painting sofa shelf house sea mirror rug field armchair seat fence
desk rock wardrobe lamp bathtub railing cushion base box column signboard chest-of-drawers counter sand sink
skyscraper fireplace refrigerator grandstand path stairs runway case pool-table pillow screen-door stairway
river bridge bookcase blind coffee-table toilet flower book hill bench countertop stove palm kitchen-island
computer swivel-chair boat bar arcade-machine hovel bus towel light truck tower chandelier awning
streetlight booth television-receiver airplane dirt-track apparel pole land bannister escalator ottoman
bottle buffet poster stage van ship fountain conveyer-belt canopy washer plaything swimming-pool stool
barrel basket waterfall tent bag minibike cradle oven ball food step tank trade-name microwave pot animal
bicycle lake dishwasher screen blanket sculpture hood sconce vase traffic-light tray ashcan fan pier
crt-screen plate monitor bulletin-board shower radiator glass clock flag
"""


def find(content, style, *, classes=CLASSES, sure=(0.9, 0.9), most=None, counted=(None, None)):
    """Regions of two gray photographs in which a network sees bands of classes, each with its rows."""

    def photograph(bands):
        rows = sum(count for _, count in bands)
        return np.full((3, rows, 80), 0.5, np.float32)

    def scores(bands, sure):
        labels = torch.cat([torch.full((rows, 80), classes.index(name)) for name, rows in bands])
        hot = functional.one_hot(labels, len(classes)).permute(2, 0, 1).float()
        return Scores(classes, hot * sure + (1 - sure) / len(classes) * 1.0)

    answers = iter([scores(content, sure[0]), scores(style, sure[1])])
    return regions_of_classes(
        (photograph(content), photograph(style)), lambda pixels: next(answers), merges={}, most=most,
        counted=counted, source="semantic", model="a model",
    )  # fmt: skip


def named(regions, labels):
    """Name of the region of each row."""
    return [regions.names[label] for label in labels[:, 40]]


# --- the table


def test_every_class_of_ade20k_is_in_one_group():
    merged = [name for names in GROUPS.values() for name in names]
    assert sorted(merged) == sorted(name.replace("-", " ") for name in ADE20K.split())
    assert len(merged) == 150


def test_what_stands_in_for_a_group_is_another_group():
    for group, others in NEAREST.items():
        assert group in GROUPS and {*others} <= GROUPS.keys() - {group}


def test_classes_are_known_by_any_of_the_ways_that_models_write_them():
    names = ("Windowpane;window", "tree", "television_receiver", "Chest of drawers, bureau", "snowdrift")
    assert assign_groups(names, {}) == ("window", "greenery", "screen", "furniture", "snowdrift")


def test_own_groups_go_before_those_of_ade20k():
    names = ("sea", "lake", "tree", "snowdrift")
    own = {"wet": ("sea",), "white": ("Snowdrift",)}
    assert assign_groups(names, own) == ("wet", "water", "greenery", "white")
    with pytest.raises(
        ConfigError, match="the class 'ocean', which the network does not have: it has sea, lake"
    ):
        assign_groups(names, {"wet": ("ocean",)})


# --- merging and matching


def test_what_is_one_thing_is_one_region_on_both_sides():
    found = find([("sky", 40), ("sea", 20), ("tree", 40)], [("grass", 30), ("lake", 30), ("sky", 60)])
    assert found.count == 3 and found.matched.all() and found.notes == ()
    assert named(found, found.content) == ["sky"] * 40 + ["water"] * 20 + ["greenery"] * 40
    assert named(found, found.style) == ["greenery"] * 30 + ["water"] * 30 + ["sky"] * 60
    assert (found.source, found.model) == ("semantic", "a model")


def test_a_group_of_the_content_alone_takes_the_nearest_that_the_style_has():
    found = find([("sky", 50), ("mountain", 50)], [("sky", 50), ("road", 20), ("tree", 30)])
    assert found.names[:2] == ("sky", "greenery + mountain") and found.matched[:2].all()
    assert "The content's mountain takes the look of the style's greenery." in found.notes
    assert any("no counterpart in the content: it is unused" in note for note in found.notes)


def test_a_group_joins_what_the_content_has_besides():
    found = find([("sky", 40), ("tree", 30), ("mountain", 30)], [("sky", 40), ("tree", 60)])
    assert found.names == ("greenery + mountain", "sky")
    assert named(found, found.content) == ["sky"] * 40 + ["greenery + mountain"] * 60


def test_a_group_that_nothing_stands_in_for_is_left_unmatched():
    found = find([("sky", 50), ("person", 50)], [("sky", 100)])
    assert found.names == ("sky", "person") and found.unmatched.tolist() == [False, True]
    assert any("person" in note and "no counterpart in the style" in note for note in found.notes)


def test_what_is_hardly_there_goes_to_what_else_the_network_sees():
    """A speck of boat in the style has no statistics: the boat takes the cars' instead."""
    content = [("sky", 300), ("boat", 100)]
    assert find(content, [("sky", 398), ("boat", 2)]).unmatched.any()
    assert find(content, [("sky", 390), ("boat", 10)]).matched.all()
    found = find(content, [("sky", 299), ("boat", 1), ("car", 100)])
    assert "vehicle + boat" in found.names and found.matched.all()


def test_nothing_in_common_is_one_region():
    found = find([("sky", 50), ("sea", 50)], [("person", 60), ("car", 40)])
    assert found.count == 1 and found.matched.all() and not found.content.any() and not found.style.any()
    assert found.notes == ("The network saw nothing that both photographs have: all of both is one region.",)
    assert (found.source, found.model) == ("semantic", "a model")


@pytest.mark.parametrize(
    ("most", "names"), [(1, ("sky",)), (2, ("sky", "greenery")), (9, ("sky", "greenery", "water"))]
)
def test_no_more_regions_than_asked_for_are_the_largest(most, names):
    bands = [("sky", 50), ("tree", 30), ("lake", 20)]
    found = find(bands, bands, most=most)
    assert found.names == names and found.matched.all()


def test_regions_do_not_depend_on_the_order_of_classes():
    content, style = [("sky", 40), ("sea", 20), ("tree", 40)], [("grass", 30), ("lake", 30), ("sky", 60)]
    one, other = find(content, style), find(content, style, classes=CLASSES[::-1])
    assert one.names == other.names
    assert (one.content == other.content).all() and (one.style == other.style).all()


def test_confidence_is_in_proportion_to_the_mean_probability_until_the_network_is_sure():
    bands, rest = [("sky", 50), ("tree", 50)], 0.4 / len(CLASSES)
    expected = (0.6 + rest) / 0.75, (0.6 + 2 * rest) / 0.75  # two classes are greenery
    for sure in ((0.6, 0.6), (0.6, 0.9), (0.9, 0.6)):  # the less sure photograph decides
        assert find(bands, bands, sure=sure).confidence == pytest.approx(expected, abs=1e-4)
    assert find(bands, bands, sure=(0.8, 0.8)).confidence == (1, 1)


def test_what_does_not_count_is_in_no_region_and_no_share():
    counted = np.ones((100, 80), bool)
    counted[50:] = False
    bands = [("sky", 49), ("sea", 1), ("tree", 50)]
    found = find(bands, bands, counted=(counted, counted))
    assert (found.content[50:] == -1).all() and (found.style[50:] == -1).all()
    assert found.names == ("sky", "water")  # 2 % of what counts


def test_borders_follow_the_photographs_edges():
    """The network answers coarsely; the photograph's edge lies beside the border that it sees."""
    photograph = np.full((3, 192, 256), 0.2, np.float32)
    photograph[:, :, 101:] = 0.8
    labels = torch.zeros(48, 64, dtype=torch.long)
    labels[:, 25:] = 3
    scores = Scores(CLASSES, functional.one_hot(labels, len(CLASSES)).permute(2, 0, 1).float())
    found = regions_of_classes(
        (photograph, photograph), lambda pixels: scores, merges={}, most=None, counted=(None, None),
        source="onnx", model="",
    )  # fmt: skip
    assert found.names == ("greenery", "sky")
    assert (found.content[:, :101] == 1).all() and (found.content[:, 101:] == 0).all()
