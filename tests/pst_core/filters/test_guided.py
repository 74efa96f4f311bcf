import numpy as np
import pytest
import torch
from scipy import ndimage

from pst_core.filters import guided as filters
from pst_core.filters.guided import (
    GuidedFilter,
    box_mean,
    guided_coefficients,
    guided_filter,
    upsample_through_guide,
    upsampled_strips,
)


def window(center, radius, length):
    return slice(max(0, center - radius), min(length, center + radius + 1))


def direct_guided_filter(image, guide, radius, epsilon, tolerance=None):
    """He et al. 2013, equations 13 to 15, one window after the other, in float64.

    With a tolerance windows are averaged by how well they explain what they hold.
    """
    image, guide = image.astype(np.float64), guide.astype(np.float64)
    height, width = image.shape[1:]
    slopes = np.zeros((len(image), 3, height, width))
    offsets = np.zeros((len(image), height, width))
    say = np.ones((height, width))
    for y in range(height):
        for x in range(width):
            part = (slice(None), window(y, radius, height), window(x, radius, width))
            colors = guide[part].reshape(3, -1)
            ridge = np.cov(colors, bias=True) + epsilon * np.eye(3)
            for channel, values in enumerate(image[part].reshape(len(image), -1)):
                covariance = (colors * values).mean(axis=1) - colors.mean(axis=1) * values.mean()
                slope = np.linalg.solve(ridge, covariance)
                slopes[channel, :, y, x] = slope
                offsets[channel, y, x] = values.mean() - slope @ colors.mean(axis=1)
            if tolerance is not None:
                model = np.einsum("ci,ihw->chw", slopes[:, :, y, x], guide[part])
                error = np.square(model + offsets[:, y, x, None, None] - image[part]).mean()
                say[y, x] = tolerance**2 / (error + tolerance**2)
    result = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            part = (slice(None), window(y, radius, height), window(x, radius, width))
            weights = say[part[1:]] / say[part[1:]].sum()
            slope = (slopes[(slice(None), *part)] * weights).sum(axis=(2, 3))
            result[:, y, x] = slope @ guide[:, y, x] + (offsets[part] * weights).sum(axis=(1, 2))
    return result


def direct_box_mean(image, radius):
    height, width = image.shape[1:]
    result = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            part = image[:, window(y, radius, height), window(x, radius, width)]
            result[:, y, x] = part.astype(np.float64).mean(axis=(1, 2))
    return result


@pytest.mark.parametrize(("size", "radius"), [((9, 13), 1), ((9, 13), 3), ((5, 8), 7), ((12, 7), 2)])
def test_box_mean_counts_only_what_is_inside(random_image, size, radius):
    image = random_image(*size)
    np.testing.assert_allclose(box_mean(image, radius), direct_box_mean(image.numpy(), radius), atol=1e-6)


def test_box_mean_away_from_borders_is_a_uniform_filter(random_image):
    image = random_image(20, 24)
    expected = ndimage.uniform_filter(image.numpy(), size=(1, 7, 7))
    np.testing.assert_allclose(box_mean(image, 3)[:, 3:-3, 3:-3], expected[:, 3:-3, 3:-3], atol=1e-6)


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-2), (2, 1e-2), (2, 1e-4), (4, 1e-3), (6, 0.5)])
def test_guided_filter_is_the_published_one(random_image, radius, epsilon):
    image, guide = random_image(11, 14, seed=1), random_image(11, 14, seed=2)
    expected = direct_guided_filter(image.numpy(), guide.numpy(), radius, epsilon)
    np.testing.assert_allclose(guided_filter(image, guide, radius, epsilon), expected, atol=2e-4)


def test_a_guide_is_used_again_and_gradients_are_those_of_finite_differences(random_image):
    guide = random_image(7, 9, seed=2, dtype=torch.float64)
    filter_ = GuidedFilter(guide, 2, 1e-2)
    for seed in (3, 4):
        image = random_image(7, 9, seed=seed, dtype=torch.float64).requires_grad_()
        torch.testing.assert_close(filter_(image), guided_filter(image, guide, 2, 1e-2))
        assert torch.autograd.gradcheck(filter_, image)


def test_guided_filter_takes_any_number_of_channels(random_image):
    image, guide = torch.cat([random_image(8, 9), random_image(8, 9, seed=3)])[:5], random_image(8, 9, seed=4)
    together = guided_filter(image, guide, 2, 1e-3)
    for channel in range(5):
        alone = guided_filter(image[channel : channel + 1], guide, 2, 1e-3)
        torch.testing.assert_close(together[channel : channel + 1], alone, rtol=0, atol=1e-5)


def test_guided_filter_takes_a_radius_larger_than_the_image(random_image):
    image, guide = random_image(6, 9), random_image(6, 9, seed=1)
    expected = direct_guided_filter(image.numpy(), guide.numpy(), 5, 1e-2)
    np.testing.assert_allclose(guided_filter(image, guide, 5, 1e-2), expected, atol=2e-4)
    assert guided_filter(image, guide, 500, 1e-2).isfinite().all()


def test_guided_filter_keeps_a_constant_image(random_image):
    image = torch.full((3, 12, 12), 0.37)
    torch.testing.assert_close(guided_filter(image, random_image(12, 12), 3, 1e-4), image, rtol=0, atol=1e-6)


def test_guided_filter_with_a_constant_guide_is_two_box_means(random_image):
    image = random_image(12, 10)
    flat = torch.full_like(image, 0.8)
    torch.testing.assert_close(
        guided_filter(image, flat, 2, 1e-4), box_mean(box_mean(image, 2), 2), rtol=0, atol=1e-6
    )


def test_large_epsilon_gives_two_box_means(random_image):
    image, guide = random_image(12, 10), random_image(12, 10, seed=5)
    torch.testing.assert_close(
        guided_filter(image, guide, 2, 1e6), box_mean(box_mean(image, 2), 2), rtol=0, atol=1e-5
    )


def test_small_epsilon_reproduces_an_affine_function_of_the_guide(random_image):
    guide = random_image(16, 12)
    mixing = torch.tensor([[0.5, 0.2, -0.1], [0.1, -0.4, 0.3], [0.0, 0.3, 0.6]])
    image = torch.einsum("ij,jhw->ihw", mixing, guide) + 0.2
    torch.testing.assert_close(guided_filter(image, guide, 2, 1e-7), image, rtol=0, atol=1e-4)
    assert (guided_filter(image, guide, 2, 1e-1) - image).abs().max() > 0.02


def test_guided_filter_keeps_an_edge_of_the_guide_and_drops_one_it_lacks(random_image):
    edge = torch.zeros(3, 16, 16)
    edge[:, :, 8:] = 1
    kept = guided_filter(edge, edge, 3, 1e-4)
    lost = guided_filter(edge, edge.transpose(1, 2), 3, 1e-4)
    assert (kept[:, :, 8] - kept[:, :, 7]).min() > 0.99
    assert (lost[:, :, 8] - lost[:, :, 7]).max() < 0.3


def test_upsampling_to_the_same_size_is_the_guided_filter(random_image):
    image, guide = random_image(13, 17), random_image(13, 17, seed=1)
    torch.testing.assert_close(
        upsample_through_guide(image, guide, guide, 3, 1e-3),
        guided_filter(image, guide, 3, 1e-3),
        rtol=0,
        atol=1e-6,
    )


def test_upsampling_reproduces_an_affine_function_of_the_guide(random_image):
    small, large = random_image(12, 16), random_image(61, 75, seed=1)
    mixing = torch.tensor([[0.5, 0.2, -0.1], [0.1, -0.4, 0.3], [0.0, 0.3, 0.6]])
    image = torch.einsum("ij,jhw->ihw", mixing, small) + 0.2
    expected = torch.einsum("ij,jhw->ihw", mixing, large) + 0.2
    found = upsample_through_guide(image, small, large, 2, 1e-8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("tolerance", [0.02, 0.3])
def test_windows_have_as_much_say_as_they_explain(random_image, tolerance):
    image, guide = random_image(9, 11), random_image(9, 11, seed=1)
    found = upsample_through_guide(image, guide, guide, 2, 1e-3, tolerance)
    np.testing.assert_allclose(
        found, direct_guided_filter(image.numpy(), guide.numpy(), 2, 1e-3, tolerance), atol=2e-5
    )


def test_a_wide_tolerance_gives_all_windows_the_same_say(random_image):
    image, guide = random_image(13, 17), random_image(13, 17, seed=1)
    wide = upsample_through_guide(image, guide, guide, 3, 1e-3, 1e3)
    torch.testing.assert_close(wide, guided_filter(image, guide, 3, 1e-3), rtol=0, atol=1e-5)


def test_what_no_one_model_explains_leaves_less_of_a_rim():
    """A dark, a middle and a light band whose order of brightness the result changes."""
    guide = torch.tensor([0.2] * 20 + [0.5] * 4 + [0.8] * 20).expand(3, 12, 44).contiguous()
    image = torch.tensor([0.2] * 20 + [0.9] * 4 + [0.3] * 20).expand(3, 12, 44).contiguous()
    rims = [
        (upsample_through_guide(image, guide, guide, 4, 1e-4, tolerance) - image).abs()[..., :20].mean()
        for tolerance in (None, 0.01)
    ]
    assert rims[1] < 0.5 * rims[0]


@pytest.mark.parametrize("pixels", [1, 200, 999])
def test_strips_make_no_difference(random_image, monkeypatch, pixels):
    image, small, large = random_image(9, 12), random_image(9, 12, seed=1), random_image(40, 53, seed=2)
    whole = upsample_through_guide(image, small, large, 2, 1e-3)
    monkeypatch.setattr(filters, "STRIP_PIXELS", pixels)
    torch.testing.assert_close(upsample_through_guide(image, small, large, 2, 1e-3), whole, rtol=0, atol=1e-6)


def test_strips_cover_every_row_once(random_image, monkeypatch):
    monkeypatch.setattr(filters, "STRIP_PIXELS", 7 * 20)
    slopes, offsets = torch.zeros(1, 3, 5, 5), torch.zeros(1, 5, 5)
    rows = [range(40)[part] for part, _ in filters.upsampled_strips(slopes, offsets, random_image(40, 20))]
    assert [row for part in rows for row in part] == list(range(40))
    assert max(map(len, rows)) == 7


@pytest.mark.parametrize(("small", "large"), [(7, 50), (50, 7), (9, 9), (1, 6), (2, 31)])
def test_rows_are_enlarged_as_torch_does(random_image, small, large):
    maps = random_image(small, 5)
    expected = torch.nn.functional.interpolate(maps[None], size=(large, 5), mode="bilinear")[0]
    found = torch.cat(
        [filters.enlarged_rows(maps, slice(top, min(top + 4, large)), large) for top in range(0, large, 4)],
        dim=1,
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


A, GRAY, OTHER, SMALL = torch.zeros(3, 8, 9), torch.zeros(1, 8, 9), torch.zeros(3, 9, 8), torch.zeros(3, 4, 5)


@pytest.mark.parametrize(("call", "said"), [
    (lambda: box_mean(A[0], 1), r"image must have the shape \(C, H, W\), not \(8, 9\)"),
    (lambda: guided_coefficients(A, GRAY, 2, 1e-3), r"guide must have the shape \(3, 8, 9\)"),
    (lambda: guided_filter(A, GRAY, 2, 1e-3), r"guide must have the shape \(3, 8, 9\), not \(1, 8, 9\)"),
    (lambda: guided_filter(A, OTHER, 2, 1e-3), r"guide must have the shape \(3, 8, 9\), not \(3, 9, 8\)"),
    (lambda: guided_filter(A[None], A, 2, 1e-3), r"image must have the shape \(C, H, W\), not \(1, 3, "),
    (lambda: guided_filter(A[:0], A, 2, 1e-3), r"image must have the shape \(C, H, W\), not \(0, 8, 9\)"),
    (lambda: upsample_through_guide(SMALL, A, A, 2, 1e-3), r"small_guide must have the shape \(3, 4, 5\)"),
    (lambda: upsample_through_guide(SMALL, SMALL, GRAY, 2, 1e-3), r"guide must have the shape \(3, H, W\)"),
    (lambda: next(upsampled_strips(A[None], SMALL, A)), r"offsets must have the shape \(1, 8, 9\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_gradients_of_the_filter(random_image):
    image, guide = (random_image(5, 6, seed, torch.float64).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(lambda *both: guided_filter(*both, 1, 1e-2), (image[:2], guide))
