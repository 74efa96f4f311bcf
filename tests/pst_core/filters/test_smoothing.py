import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from pst_core.filters import smoothing
from pst_core.filters.smoothing import gaussian, gaussian_slopes, highpass, total_variation


def rof_energy(image, noisy, weight):
    """Chambolle 2004, equation 6: J(u) + |u - g|^2 / (2 lambda), per channel, by plain differences."""
    down = np.zeros_like(image)
    right = np.zeros_like(image)
    down[:, :-1] = image[:, 1:] - image[:, :-1]
    right[:, :, :-1] = image[:, :, 1:] - image[:, :, :-1]
    return np.hypot(down, right).sum() + ((image - noisy) ** 2).sum() / (2 * weight)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.5, 4.0, 9.0])
def test_gaussian_is_scipys(random_image, sigma):
    image = random_image(15, 22, dtype=torch.float64)
    radius = max(1, round(4 * sigma))
    expected = np.stack(
        [ndimage.gaussian_filter(channel, sigma, mode="reflect", radius=radius) for channel in image.numpy()]
    )
    np.testing.assert_allclose(gaussian(image, sigma), expected, atol=1e-10)


def test_gaussian_cuts_off_where_scipy_does(random_image):
    image = random_image(30, 30, dtype=torch.float64)
    expected = np.stack([ndimage.gaussian_filter(c, 2.0, mode="reflect", truncate=4) for c in image.numpy()])
    np.testing.assert_allclose(gaussian(image, 2.0), expected, atol=1e-10)


@pytest.mark.parametrize("axis", [1, 2])
def test_both_ways_to_correlate_are_one(random_image, axis):
    lines = random_image(13, 17, dtype=torch.float64)
    kernel = [0.2, -0.5, 0.9, 0.1, 0.3]
    expected = ndimage.correlate1d(lines.numpy(), kernel, axis=axis)
    expected = expected.take(range(2, expected.shape[axis] - 2), axis=axis)
    for way in (smoothing._shifted, smoothing._convolved):
        np.testing.assert_allclose(way(lines, kernel, axis), expected, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.5])
def test_slopes_are_scipys(random_image, sigma):
    gray = random_image(26, 31, dtype=torch.float64)[0]
    expected = [ndimage.gaussian_filter(gray.numpy(), sigma, order=order) for order in ((1, 0), (0, 1))]
    np.testing.assert_allclose(gaussian_slopes(gray, sigma), np.stack(expected), atol=1e-10)


def test_highpass_adds_back_what_the_blur_takes(random_image):
    image = random_image(14, 18, dtype=torch.float64)
    blurred = np.stack([ndimage.gaussian_filter(c, 1.5, mode="reflect", truncate=4) for c in image.numpy()])
    np.testing.assert_allclose(highpass(image, 1.5, 0.7), 1.7 * image.numpy() - 0.7 * blurred, atol=1e-10)


@pytest.mark.parametrize("weight", [0.02, 0.1, 0.5])
def test_total_variation_is_chambolles_with_scikit_images_weight(random_image, weight):
    image = random_image(24, 20, dtype=torch.float64)
    expected = np.stack(
        [denoise_tv_chambolle(channel, weight=weight, eps=0, max_num_iter=2000) for channel in image.numpy()]
    )
    np.testing.assert_allclose(total_variation(image, weight, iterations=2000), expected, atol=2e-3)


def test_total_variation_minimises_the_rof_energy(random_image):
    noisy, weight = random_image(16, 16, dtype=torch.float64), 0.2
    found = total_variation(noisy, weight, iterations=3000).numpy()
    lowest = rof_energy(found, noisy.numpy(), weight)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2):
        for _ in range(10):
            other = found + size * ndimage.gaussian_filter(rng.standard_normal(found.shape), (0, 1, 1))
            assert rof_energy(other, noisy.numpy(), weight) > lowest
    for weaker in (0.1, 0.4):  # the minimiser for another lambda is none for this one
        assert rof_energy(total_variation(noisy, weaker, 3000).numpy(), noisy.numpy(), weight) > lowest + 1e-3


def test_total_variation_keeps_the_mean_and_a_constant(random_image):
    noisy = random_image(16, 12, dtype=torch.float64)
    torch.testing.assert_close(total_variation(noisy, 0.3).mean(dim=(1, 2)), noisy.mean(dim=(1, 2)))
    flat = torch.full((3, 9, 9), 0.4)
    torch.testing.assert_close(total_variation(flat, 0.3), flat)


def test_divergence_is_the_negative_adjoint_of_the_gradient():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 7, 9, generator=generator, dtype=torch.float64)
    field = torch.randn(2, 2, 7, 9, generator=generator, dtype=torch.float64)
    here = (smoothing._gradient(image) * field).sum()
    there = -(image * smoothing._divergence(field)).sum()
    assert here.item() == pytest.approx(there.item(), rel=1e-12)


@pytest.mark.parametrize("smooth", [
    lambda image: gaussian(image, 1.5), lambda image: highpass(image, 1.5, 0.7),
    lambda image: total_variation(image, 0.1, iterations=3),
])  # fmt: skip
def test_each_filter_takes_any_channels_and_refuses_what_is_no_image(smooth, random_image):
    image = random_image(7, 8, dtype=torch.float64)
    assert smooth(image[:2]).shape == (2, 7, 8)
    torch.testing.assert_close(smooth(image)[:2], smooth(image[:2]))  # each channel by itself
    assert torch.autograd.gradcheck(smooth, image[:1].clone().requires_grad_())
    for shape in ((7, 8), (1, 3, 7, 8), (3, 0, 8)):
        with pytest.raises(ValueError, match=r"image must have the shape \(C, H, W\)"):
            smooth(torch.zeros(shape))
