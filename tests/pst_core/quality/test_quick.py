import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.measures import REPORTED, take
from pst_core.quality.models import load_quality_models
from pst_core.quality.quick import quick_similarity
from pst_core.quality.subject import Subject
from pst_core.regions.labels import Regions

MODELS = load_quality_models()
QUICK = [each for each in REPORTED if each.key.endswith("_quick") and not each.model]
BOTH = np.array([True, True])


def scores_of(image, content, style, regions):
    return take(QUICK, Subject(image, content, style, regions, MODELS)).values


def photograph(height, width, seed, base=(0.5, 0.5, 0.5)):
    """Smooth shapes around a colour, with a little grain."""
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 4, 4))
    shapes *= 0.15 / shapes.std()
    grain = 0.02 * rng.standard_normal((3, height, width))
    return np.clip(np.array(base)[:, None, None] + shapes + grain, 0, 1).astype(np.float32)


def halves(height, width, share=0.5):
    labels = np.zeros((height, width), np.int16)
    labels[:, int(width * share) :] = 1
    return labels


def made(here, there, count=2):
    return Regions(here, there, np.zeros((count, 3), np.uint8))


@pytest.fixture
def small():
    content, style = photograph(60, 80, 1), photograph(50, 70, 2, (0.6, 0.4, 0.3))
    image = np.clip(content + np.float32(0.1) * photograph(60, 80, 3), 0, 1)
    return image, content, style, made(halves(60, 80, 0.3), halves(50, 70))


@pytest.mark.parametrize("shape", [(33, 4000), (4000, 33)])
def test_a_strip_is_scored_by_as_many_pixels_as_the_window_has(shape):
    content = photograph(*shape, 1)
    assert quick_similarity(content, content) == 1
    assert 0 < quick_similarity(photograph(*shape, 2), content) < 0.5


def test_a_small_picture_is_scored_by_every_pixel(small):
    image, content, style, regions = small
    found = scores_of(image, content, style, regions)
    assert list(found) == [measure.key for measure in QUICK]
    labels = regions.content, regions.style
    nothing = np.zeros((60, 80), int), np.zeros((50, 70), int)
    assert found["ssim_quick"] == structural_similarity(image, content)
    assert found["color_distance_quick"] == color_distance(image, style, *labels, matched=BOTH)
    assert found["color_distance_before_quick"] == color_distance(content, style, *labels, matched=BOTH)
    assert found["color_distance_whole_quick"] == color_distance(
        image, style, *nothing, matched=np.array([True])
    )
    assert len(set(found.values())) == 4  # so that none was taken for another


def test_the_contents_own_picture_keeps_all_structure_and_gains_no_colour(small):
    _, content, style, regions = small
    found = scores_of(content, content, style, regions)
    assert found["ssim_quick"] == pytest.approx(1)
    assert found["color_distance_quick"] == found["color_distance_before_quick"] > 0


def test_the_styles_own_colours_are_at_no_distance(small):
    _, content, _, regions = small
    image = photograph(60, 80, 7, (0.3, 0.5, 0.7))
    same = made(regions.content, regions.content)
    found = scores_of(image, content, image, same)
    assert found["color_distance_quick"] == found["color_distance_whole_quick"] == 0
    assert found["color_distance_before_quick"] > 1
    assert found["ssim_quick"] < 0.9


def test_a_swap_between_regions_is_seen_by_the_regional_distance_alone():
    style = np.empty((3, 60, 80), np.float32)
    style[:, :, :40], style[:, :, 40:] = photograph(60, 40, 1, (0.7, 0.3, 0.3)), photograph(60, 40, 2)
    swapped = np.concatenate([style[:, :, 40:], style[:, :, :40]], axis=2)
    found = scores_of(swapped, style, style, made(halves(60, 80), halves(60, 80)))
    assert found["color_distance_whole_quick"] == pytest.approx(0, abs=1e-9)
    assert found["color_distance_quick"] > 5


def test_the_grid_of_a_large_picture_stands_for_all_of_it():
    content, style = photograph(480, 640, 1), photograph(200, 300, 2, (0.7, 0.4, 0.3))
    style[:, :, 150:] = photograph(200, 150, 3, (0.3, 0.4, 0.6))
    regions = made(halves(480, 640, 0.3), halves(200, 300))
    found = scores_of(content, content, style, regions)
    exact = color_distance(content, style, regions.content, regions.style, matched=BOTH)
    assert found["color_distance_quick"] == pytest.approx(exact, rel=0.03)
    assert found["color_distance_quick"] != exact


@pytest.mark.parametrize(("shape", "step"), [((300, 1024), 1), ((60, 1025), 2), ((1500, 1000), 2)])
def test_structure_is_compared_on_every_nth_pixel(shape, step):
    content = photograph(*shape, 1)
    image = np.clip(content + np.float32(0.05) * photograph(*shape, 2), 0, 1)
    style = photograph(40, 40, 3)
    found = scores_of(image, content, style, made(halves(*shape), halves(40, 40)))
    expected = structural_similarity(image[:, ::step, ::step], content[:, ::step, ::step])
    assert found["ssim_quick"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("shape", "told"), [((11, 40), True), ((10, 40), False), ((40, 10), False)])
def test_a_tiny_picture_has_no_structure_to_tell(shape, told):
    content = photograph(*shape, 1)
    found = scores_of(content, content, photograph(40, 40, 2), made(halves(*shape), halves(40, 40)))
    assert (found["ssim_quick"] is not None) == told
    assert found["color_distance_quick"] > 0


def test_without_a_common_region_there_is_no_regional_distance(small):
    image, content, style, _ = small
    regions = made(np.zeros((60, 80), np.int16), np.ones((50, 70), np.int16))
    found = scores_of(image, content, style, regions)
    assert found["color_distance_quick"] is None and found["color_distance_before_quick"] is None
    assert found["color_distance_whole_quick"] > 0 and found["ssim_quick"] is not None


def test_a_region_that_only_one_picture_has_is_left_out(small):
    image, content, style, _ = small
    one_more = halves(60, 80)
    one_more[:20] = 2
    regions = made(one_more, halves(50, 70), 3)
    expected = color_distance(image, style, one_more, regions.style, matched=np.array([True, True, False]))
    assert scores_of(image, content, style, regions)["color_distance_quick"] == expected


@pytest.mark.parametrize("side", ["content", "style"])
def test_a_region_that_the_grid_misses_is_left_out(side):
    large, little = np.zeros((400, 600), np.int16), halves(40, 40)
    large[1::3, 1::3] = 1  # a ninth of the picture, and never on every third row
    pictures = [photograph(400, 600, 1), photograph(40, 40, 2, (0.7, 0.3, 0.3))]
    labels = [large, little]
    if side == "style":
        pictures.reverse()
        labels.reverse()
    regions = made(*labels)
    assert regions.matched.all()
    assert not large[::3, ::3].any()
    found = scores_of(pictures[0], pictures[0], pictures[1], regions)
    steps = [3 if each is large else 1 for each in labels]
    expected = color_distance(
        *(picture[:, ::step, ::step] for picture, step in zip(pictures, steps, strict=True)),
        *(each[::step, ::step] for each, step in zip(labels, steps, strict=True)),
        matched=np.array([True, False]),
    )
    assert found["color_distance_quick"] == expected


def test_regions_none_of_which_the_grid_meets_are_told_as_none():
    here = np.zeros((400, 600), np.int16)
    here[1::3, 1::3] = 1
    regions = made(here, np.ones((40, 40), np.int16))
    assert regions.matched.tolist() == [False, True]
    found = scores_of(photograph(400, 600, 1), photograph(400, 600, 1), photograph(40, 40, 2), regions)
    assert found["color_distance_quick"] is None and found["color_distance_whole_quick"] > 0


def test_inputs_are_left_alone(small):
    before = [each.copy() for each in small[:3]]
    scores_of(*small)
    assert all(np.array_equal(one, other) for one, other in zip(before, small[:3], strict=True))
