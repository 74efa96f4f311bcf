import io

import numpy as np
import pytest
from painted_maps import as_map, painted, scene
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from pst_core.regions.maps import cluster_maps
from pst_core.regions.outlines import without_outlines

NUMBERS = [0, 7, 15, 12, 2]
COLORS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (255, 0, 255)]
LARGE = {"height": 360, "width": 480}


def outlined(labels, width, label=5):
    """Draw a line of so many pixels along every border."""
    border = maximum_filter(labels, width) != minimum_filter(labels, width)
    return np.where(border, label, labels)


@pytest.mark.parametrize("width", [2, 3, 5, 6])
@pytest.mark.parametrize("void", [255, 254])
def test_lines_between_class_numbers_are_no_region(width, void):
    here, there = scene(**LARGE), scene(shift=6, **LARGE)
    found = cluster_maps(*(painted(outlined(each, width), [*NUMBERS, void]) for each in (here, there)))
    assert found.called == ("value 0", "value 7", "value 15", "value 12", "value 2")
    for labels, truth in ((found.content, here), (found.style, there)):
        assert (labels == truth).mean() > 0.99
    told = f"Lines between regions are no region, and went to those on either side: value {void}."
    assert found.notes == ((told,) if width > 2 else ())  # 2 pixels form no area that could be one


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (224, 224, 192)])
@pytest.mark.parametrize("lossless", [True, False])
def test_outlines_of_a_drawing_are_no_region_also_where_it_was_compressed(color, lossless):
    drawn = outlined(scene(**LARGE), 5)
    given = painted(drawn, [*COLORS, color])
    if not lossless:
        buffer = io.BytesIO()
        Image.fromarray(given.colors).save(buffer, "JPEG", quality=90)
        given = as_map(np.asarray(Image.open(buffer)), lossless=False)
    found = cluster_maps(given, given)
    assert found.count == 5
    assert (np.array([0, 1, 2, 3, 4])[found.content] == scene(**LARGE)).mean() > 0.985
    assert found.notes[0].startswith("Lines between regions are no region")


def test_a_line_is_kept_where_its_colour_is_a_region_too():
    truth = scene(**LARGE)
    drawn = outlined(truth, 5, label=0)
    found, same, notes = without_outlines(drawn.astype(np.int16), truth.astype(np.int16), "abcde", 0.005)
    assert (found == truth).mean() > 0.98  # beside that region nothing tells the line from it
    np.testing.assert_array_equal(same, truth)
    assert notes == ("Lines between regions are no region, and went to those on either side: a.",)


def test_a_blob_of_a_line_s_colour_stays():
    truth = scene(**LARGE)
    drawn = outlined(truth, 5)
    drawn[300:350, 20:90] = 5
    found, _, _ = without_outlines(drawn.astype(np.int16), truth.astype(np.int16), "abcdef", 0.005)
    assert (found[302:348, 22:88] == 5).all()
    drawn[300:350, 20:90] = truth[300:350, 20:90]
    drawn[300:308, 20:28] = 5  # as large as two lines that cross
    found, _, _ = without_outlines(drawn.astype(np.int16), truth.astype(np.int16), "abcdef", 0.005)
    assert not (found == 5).any()


def pole(labels):
    labels[40:300, 200:204] = 5
    return labels


def branches(labels):
    """A thin thing in front of a single other one."""
    labels = np.zeros_like(labels)
    for step in range(0, 300, 20):
        labels[step : step + 4, 50:400] = 1
    return labels


def objects_on_black(labels):
    """Objects near each other, on a ground that lies between all of them."""
    labels = np.zeros_like(labels)
    for place in range(4):
        labels[60:300, 40 + 100 * place : 128 + 100 * place] = place + 1
    return labels


def plain(labels):
    return np.zeros_like(labels)


@pytest.mark.parametrize("picture", [pole, branches, objects_on_black, plain, scene])
def test_thin_and_dividing_regions_that_are_no_lines_stay(picture):
    labels = picture(**LARGE) if picture is scene else picture(scene(**LARGE))
    labels = labels.astype(np.int16)
    found, same, notes = without_outlines(labels, labels, "abcdef", 0.005)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(same, labels)
    assert notes == ()


def test_each_map_has_lines_of_its_own():
    """Black outlines here, a black region there: the one is none, the other is."""
    black = [*COLORS, (0, 0, 0)]
    there = scene(shift=6, **LARGE)
    there[200:300, 300:450] = 5
    found = cluster_maps(painted(outlined(scene(**LARGE), 5), black), painted(there, black))
    assert found.count == 6 and not found.unmatched.any() and found.matched.sum() == 5


def test_outlines_are_none_of_the_regions_asked_for():
    given = painted(outlined(scene(**LARGE), 5), [*COLORS, (0, 0, 0)])
    found = cluster_maps(given, given, regions=5)
    assert sorted(found.called) == sorted("#{:02X}{:02X}{:02X}".format(*color) for color in COLORS)
