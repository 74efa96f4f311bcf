import colorsys

import numpy as np
import pytest
from PIL import Image

from pst_core.color import baselines as color_baselines
from pst_core.color.baselines import (
    in_gray,
    linear,
    luminance_of,
    match_histograms,
    match_luminance,
    reinhard,
    with_color_of,
)
from pst_core.errors import ImageError
from pst_core.quality.distances import structural_similarity

PAIRS = (1, 14, 23, 34, 8)  # the last content is gray


@pytest.fixture
def pair(random_image):
    """Two soft images of different sizes and colours, away from black and white."""
    content = 0.35 + 0.25 * random_image(20, 31).numpy()
    tint = np.array([0.45, 0.3, 0.2], np.float32)[:, None, None]
    return content, tint + np.array([0.2, 0.3, 0.1])[:, None, None] * random_image(17, 12, seed=1).numpy()


@pytest.fixture(scope="module")
def photographs(luan60):
    def read(name):
        return np.moveaxis(np.asarray(Image.open(luan60 / name).convert("RGB"), np.float32) / 255, -1, 0)

    return [(read(f"input/in{number}.png"), read(f"style/tar{number}.png")) for number in PAIRS]


def to_lab(color):
    """l-alpha-beta of one colour, spelt out from the paper's equations (4) to (6)."""
    red, green, blue = (max(float(value), 1 / 255) for value in color)
    long = np.log10(0.3811 * red + 0.5783 * green + 0.0402 * blue)
    middle = np.log10(0.1967 * red + 0.7244 * green + 0.0782 * blue)
    short = np.log10(0.0241 * red + 0.1288 * green + 0.8444 * blue)
    return (
        (long + middle + short) / np.sqrt(3),
        (long + middle - 2 * short) / np.sqrt(6),
        (long - middle) / np.sqrt(2),
    )


def lab_of(image):
    return np.array(to_lab_rows(image.reshape(3, -1)))


def to_lab_rows(colors):
    return np.array([to_lab(color) for color in colors.T]).T


def test_reinhard_reaches_the_styles_mean_and_deviation(pair):
    content, style = pair
    found = reinhard(content, style)
    assert found.dtype == np.float32 and found.shape == content.shape
    assert found.min() > 0 and found.max() < 1  # nothing was clipped
    reached, wanted = lab_of(found), lab_of(style)
    np.testing.assert_allclose(reached.mean(axis=1), wanted.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(reached.std(axis=1), wanted.std(axis=1), atol=1e-5)


def test_reinhard_moves_every_axis_by_an_increasing_affine_map(pair):
    content, style = pair
    before, after = lab_of(content), lab_of(reinhard(content, style))
    for axis in range(3):
        slope, offset = np.polyfit(before[axis], after[axis], 1)
        assert slope > 0
        np.testing.assert_allclose(after[axis], slope * before[axis] + offset, atol=1e-5)


def test_reinhard_from_an_image_to_itself_changes_nothing(pair):
    np.testing.assert_allclose(reinhard(pair[0], pair[0]), pair[0], atol=1e-6)


def test_reinhard_of_a_gray_or_flat_content_stretches_no_rounding(pair):
    """Gray has no deviation in colour: stretched to the style's, its rounding errors would be all of it."""
    content, style = pair
    found = lab_of(reinhard(in_gray(content), style))
    assert found[0].std() == pytest.approx(lab_of(style)[0].std(), abs=1e-5)
    assert found[1:].std(axis=1).max() < 1e-3
    flat = reinhard(np.full((3, 6, 6), 0.4, np.float32), style)
    assert flat.std(axis=(1, 2)).max() < 1e-6
    np.testing.assert_allclose(to_lab(flat[:, 0, 0]), lab_of(style).mean(axis=1), atol=1e-5)


def test_reinhard_survives_black_and_white(pair):
    extremes = np.zeros((3, 8, 8), np.float32)
    extremes[:, ::2] = 1
    for found in (reinhard(extremes, pair[1]), reinhard(pair[0], extremes)):
        assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


def moments_of(image):
    colors = image.reshape(3, -1).astype(np.float64)
    return colors.mean(axis=1), np.cov(colors, ddof=0)


def test_linear_reaches_the_styles_mean_and_covariance(pair):
    content, style = pair
    found = linear(content, style)
    assert found.dtype == np.float32 and found.min() > 0 and found.max() < 1  # nothing was clipped
    for reached, wanted in zip(moments_of(found), moments_of(style), strict=True):
        np.testing.assert_allclose(reached, wanted, atol=2e-5)


def test_linear_is_the_map_of_least_movement(pair):
    """Of all maps between two covariances, the optimal one is symmetric and positive (Pitie and Kokaram)."""
    content, style = pair
    here, there = (each.reshape(3, -1).astype(np.float64) for each in (content, linear(content, style)))
    moved = np.linalg.lstsq(
        (here - here.mean(1, keepdims=True)).T, (there - there.mean(1, keepdims=True)).T, rcond=None
    )[0]
    np.testing.assert_allclose(moved, moved.T, atol=1e-4)
    assert np.linalg.eigvalsh(moved).min() > 0


def test_linear_from_an_image_to_itself_changes_nothing(pair):
    np.testing.assert_allclose(linear(pair[0], pair[0]), pair[0], atol=1e-5)


def test_linear_counts_what_is_visible_and_moves_all(pair):
    content, style = pair
    seen = np.zeros(content.shape[1:], bool)
    seen[:, 10:] = True
    hidden = content.copy()
    hidden[:, ~seen] = 0
    found = linear(hidden, style, (seen, None))
    np.testing.assert_allclose(found[:, seen].mean(axis=1), style.mean(axis=(1, 2)), atol=1e-4)
    flat = linear(np.full((3, 6, 6), 0.4, np.float32), style)
    np.testing.assert_allclose(flat.mean(axis=(1, 2)), style.mean(axis=(1, 2)), atol=1e-4)


def test_strips_change_nothing(pair, monkeypatch):
    whole = reinhard(*pair)
    monkeypatch.setattr(color_baselines, "STRIP_PIXELS", 70)
    np.testing.assert_allclose(reinhard(*pair), whole, atol=1e-6)


def plain_reinhard(content, style):
    """The same in whole arrays and with a solver where the module has an inverse."""
    matrix = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
    axes = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])  # orthonormal
    spaces = [
        axes @ np.log10(matrix @ np.maximum(np.float64(each).reshape(3, -1), 1 / 255))
        for each in (content, style)
    ]
    (mean, deviation), (wanted, scale) = (
        (lab.mean(axis=1, keepdims=True), lab.std(axis=1, keepdims=True)) for lab in spaces
    )
    ratio = np.divide(scale, deviation, where=deviation > 1e-6, out=np.ones_like(scale))
    moved = 10 ** (axes.T @ ((spaces[0] - mean) * ratio + wanted))
    return np.clip(np.linalg.solve(matrix, moved), 0, 1).reshape(content.shape)


def test_reinhard_on_photographs(photographs):
    for content, style in photographs:
        found, expected = reinhard(content, style), plain_reinhard(content, style)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        similarity = structural_similarity(found, content)
        assert similarity == pytest.approx(structural_similarity(expected, content), abs=1e-4)


def plain_histograms(content, style):
    """Each level becomes the one, between two of the style's, below which as many pixels lie."""
    result = np.empty(content.shape)
    for channel in range(3):
        here, there = (np.round(each[channel] * 255).ravel() for each in (content, style))
        levels, place, counts = np.unique(here, return_inverse=True, return_counts=True)
        wanted, shares = np.unique(there, return_counts=True)
        moved = np.interp(counts.cumsum() / here.size, shares.cumsum() / there.size, wanted)
        assert len(levels) == len(moved)
        result[channel] = moved[place].reshape(content.shape[1:]) / 255
    return result


def test_histograms_are_those_of_the_cumulative_counts(pair):
    found = match_histograms(*pair)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_histograms(*pair), atol=1e-6)


def test_histograms_on_photographs(photographs):
    for content, style in photographs:
        found, expected = match_histograms(content, style), plain_histograms(content, style)
        similarity = structural_similarity(found, content)
        assert similarity == pytest.approx(structural_similarity(expected, content), abs=1e-4)
        deciles = np.linspace(0.1, 0.9, 9)
        for here, there in zip(found, style, strict=True):
            # A level that fills a third of a photograph cannot be spread; others land within a few.
            assert np.abs(np.quantile(here, deciles) - np.quantile(there, deciles)).mean() < 0.04


def test_histograms_of_the_same_image_in_another_order_give_that_image(pair):
    content, _ = pair
    levels = np.round(content * 255) / 255
    shuffled = levels.reshape(3, -1)[:, np.random.default_rng(1).permutation(620)].reshape(3, 31, 20)
    np.testing.assert_allclose(match_histograms(levels, shuffled), levels, atol=1e-6)


def test_levels_are_not_rounded_again(pair):
    found = match_histograms(*pair) * 255
    assert np.abs(found - np.round(found)).max() > 0.2


def test_luminance_and_colours_are_those_of_yiq(pair):
    content, style = pair
    result = np.ascontiguousarray(style[:, :, :5]).reshape(3, -1)[:, :60].reshape(3, 6, 10)
    content = content[:, :6, :10]
    mixed = with_color_of(content, result)
    for row, column in ((0, 0), (3, 7), (5, 9)):
        y, i, q = colorsys.rgb_to_yiq(*mixed[:, row, column].astype(float))
        luminance = colorsys.rgb_to_yiq(*result[:, row, column].astype(float))[0]
        chrominance = colorsys.rgb_to_yiq(*content[:, row, column].astype(float))[1:]
        # Python's module rounds the standard's coefficients to two digits.
        assert y == pytest.approx(luminance, abs=3e-3)
        assert (i, q) == pytest.approx(chrominance, abs=1e-6)
        assert luminance_of(mixed)[row, column] == pytest.approx(luminance_of(result)[row, column], abs=1e-6)


def test_its_own_luminance_leaves_an_image_as_it_is(pair):
    np.testing.assert_array_equal(with_color_of(pair[0], pair[0]), pair[0])


def test_of_a_gray_content_the_colours_kept_are_gray(pair):
    content, style = pair
    result = np.resize(style, content.shape)
    np.testing.assert_allclose(with_color_of(in_gray(content), result), in_gray(result), atol=1e-6)


def test_colours_that_leave_the_range_are_clipped():
    red, white = np.zeros((3, 4, 4), np.float32), np.ones((3, 4, 4), np.float32)
    red[0] = 1
    found = with_color_of(red, white)
    assert found.max() == 1 and found.min() == pytest.approx(0.701, abs=1e-6)


def test_colours_need_one_size(pair):
    with pytest.raises(ImageError, match="result's size, 12x17, not 31x20"):
        with_color_of(*pair)


def test_gray_is_three_times_the_luminance(pair):
    found = in_gray(pair[0])
    assert found.shape == pair[0].shape
    np.testing.assert_array_equal(found, np.stack([luminance_of(pair[0])] * 3))
    np.testing.assert_allclose(luminance_of(found), luminance_of(pair[0]), atol=1e-6)


def test_the_styles_luminance_takes_the_contents_mean_and_deviation(pair):
    content, style = pair
    found = match_luminance(style, content)
    assert found.shape == style.shape and found.dtype == np.float32
    wanted = luminance_of(content)
    for channel in found:
        assert channel.mean() == pytest.approx(wanted.mean(), abs=1e-6)
        assert channel.std() == pytest.approx(wanted.std(), abs=1e-6)
    correlation = np.corrcoef(found[0].ravel(), luminance_of(style).ravel())[0, 1]
    assert correlation == pytest.approx(1, abs=1e-5)


def test_a_flat_style_is_only_moved(pair):
    found = match_luminance(np.full((3, 5, 5), 0.8, np.float32), pair[0])
    np.testing.assert_allclose(found, luminance_of(pair[0]).mean(), atol=1e-6)


def test_what_is_given_is_left_as_it_was(pair):
    content, style = pair
    copies = content.copy(), style.copy()
    reinhard(content, style)
    match_histograms(content, style)
    match_luminance(style, content)
    with_color_of(content, content + 0.1)
    np.testing.assert_array_equal(content, copies[0])
    np.testing.assert_array_equal(style, copies[1])


@pytest.mark.parametrize("shape", [(20, 31), (1, 20, 31), (20, 31, 3), (1, 3, 20, 31), (3, 0, 31)])
@pytest.mark.parametrize("function", [reinhard, match_histograms, match_luminance, with_color_of])
def test_images_of_shapes_that_cannot_be_meant_are_refused(pair, function, shape):
    for given in ((np.zeros(shape, np.float32), pair[1]), (pair[0], np.zeros(shape, np.float32))):
        with pytest.raises(ValueError, match=r"must have the shape \(3, [Hh], [Ww]\), not \("):
            function(*given)
    for of_one in (luminance_of, in_gray):
        with pytest.raises(ValueError, match=r"image must have the shape \(3, H, W\), not \("):
            of_one(np.zeros(shape, np.float32))
