import numpy as np
import pytest
from drawn_pictures import plain, smooth, with_noise
from scipy.ndimage import gaussian_filter, uniform_filter

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop, check_crop, choose_crops, parse_crop


def test_the_places_where_results_differ_are_chosen_from_left_to_right():
    picture = smooth(200, 300)
    crops = choose_crops([picture, with_noise(picture, (120, 200), (30, 60))], share=0.15)
    assert [(crop.width, crop.height) for crop in crops] == [(45, 30), (45, 30)]
    for crop, (top, left) in zip(crops, [(30, 60), (120, 200)], strict=True):
        assert abs(crop.top - top) <= 3 and left - 17 <= crop.left <= left + 2


def test_the_first_crop_is_the_best_of_all_windows():
    first, second = smooth(80, 120, 2), with_noise(smooth(80, 120, 2), (30, 50), size=10)
    weights = np.array([0.2126, 0.7152, 0.0722])
    gray = [np.tensordot(weights, each.astype(float), 1) for each in (first, second)]
    detail = [each - gaussian_filter(each, 1.2, mode="mirror", truncate=4) for each in gray]
    means = uniform_filter(np.var(detail, axis=0), (16, 24), mode="constant")
    row_, column = np.unravel_index(means[8:-8, 12:-12].argmax(), (64, 96))
    (crop,) = choose_crops([first, second], count=1, share=0.2)
    assert abs(crop.top - row_) <= 1 and abs(crop.left - column) <= 1


def test_detail_that_all_results_share_and_colours_without_detail_draw_no_crop():
    shared = with_noise(smooth(200, 300), (20, 20), size=60)
    shifted = with_noise((0.7 * shared + 0.2).astype(np.float32), (120, 200), strength=0.4)
    (crop,) = choose_crops([shared, shared + np.float32(0.3), shifted], count=1)
    assert crop.left > 150 and crop.top > 90


def test_crops_neither_overlap_nor_touch_the_border():
    rng = np.random.default_rng(3)
    pictures = [rng.random((3, 150, 200), np.float32) for _ in range(3)]
    crops = choose_crops(pictures, count=4, share=0.2)
    assert len(crops) == 4
    canvas = np.zeros((150, 200), int)
    for crop in crops:
        canvas[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width] += 1
    assert canvas.max() == 1
    assert not canvas[:3].any() and not canvas[-3:].any() and not canvas[:, :4].any()
    assert crops == choose_crops(pictures, count=4, share=0.2)


def test_where_there_is_no_room_there_are_fewer_crops():
    pictures = [smooth(40, 50), smooth(40, 50, 1)]
    assert choose_crops(pictures, count=3, share=1) == (Crop(0, 0, 50, 40),)
    assert len(choose_crops(pictures, count=50, share=0.3)) < 10
    assert choose_crops([plain(1, 1)], count=1) == (Crop(0, 0, 1, 1),)


def test_crops_of_a_large_picture_are_those_of_a_small_one_in_its_own_pixels():
    picture = smooth(200, 300)
    pictures = [picture, with_noise(picture, (120, 200), (30, 60))]
    large = [np.repeat(np.repeat(each, 11, 1), 11, 2) for each in pictures]
    for small, found in zip(choose_crops(pictures, share=0.15), choose_crops(large, share=0.15), strict=True):
        assert (found.width, found.height) == (11 * small.width, 11 * small.height)
        assert abs(found.left - 11 * small.left) <= 44 and abs(found.top - 11 * small.top) <= 44


def test_a_single_picture_is_judged_by_its_detail():
    (crop,) = choose_crops([with_noise(smooth(200, 300), (100, 150))], count=1, share=0.15)
    assert abs(crop.top - 100) <= 3 and abs(crop.left + 7 - 150) <= 12


@pytest.mark.parametrize(("pictures", "settings", "said"), [
    ([], {}, "no picture"),
    ([plain(20, 30), plain(20, 31)], {}, "one size, not of 30x20 and 31x20"),
    ([plain(20, 30)], {"count": 0}, "not 0"),
    ([plain(20, 30)], {"share": 0.0}, "share in"),
    ([plain(20, 30)], {"share": 1.5}, "1.5"),
])  # fmt: skip
def test_crops_that_cannot_be_chosen(pictures, settings, said):
    with pytest.raises(ConfigError, match=said):
        choose_crops(pictures, **settings)


def test_a_crop_is_read_as_it_is_written():
    crop = parse_crop(" 120, 80,200,150 ")
    assert crop == Crop(left=120, top=80, width=200, height=150)
    assert parse_crop(str(crop)) == crop


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "-1,2,3,4", "1,2,3,٤",
                                  "1,2,0,4", "1,2,3,0", "1;2;3;4", "1,2,3,99999999999"])  # fmt: skip
def test_what_is_no_crop_is_refused(text):
    with pytest.raises(ConfigError):
        parse_crop(text)


def test_a_crop_must_lie_in_its_picture():
    check_crop(Crop(0, 0, 90, 60), (60, 90))
    for crop in (Crop(1, 0, 90, 60), Crop(0, 1, 90, 60), Crop(-1, 0, 9, 6), Crop(0, 0, 9, 0)):
        with pytest.raises(ConfigError, match=str(crop)):
            check_crop(crop, (60, 90))
