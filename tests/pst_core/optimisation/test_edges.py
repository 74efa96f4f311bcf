import numpy as np
import pytest
import torch
from scipy.ndimage import laplace

from pst_core.errors import ImageError
from pst_core.optimisation.edges import FLAT, edge_loss, image_laplacian, total_variation, unevenness


def pooled(image, pool):
    """Block means, pixel by pixel."""
    _, height, width = image.shape
    return np.array(
        [
            [
                [
                    channel[row * pool : (row + 1) * pool, column * pool : (column + 1) * pool].mean()
                    for column in range(width // pool)
                ]
                for row in range(height // pool)
            ]
            for channel in image
        ]
    )


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize(("height", "width"), [(12, 16), (17, 13)])
def test_laplacian_is_scipys_of_the_block_means(random_image, pool, height, width):
    image = random_image(height, width, dtype=torch.float64)
    # SciPy's kernel is the negative of the paper's; inside the border its mode does not matter.
    expected = -sum(laplace(channel) for channel in pooled(image.numpy(), pool))[1:-1, 1:-1]
    found = image_laplacian(image, pool)
    assert found.shape == (height // pool - 2, width // pool - 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_planes_have_no_edges_and_parabolas_the_same_everywhere():
    rows, columns = torch.meshgrid(torch.arange(10.0), torch.arange(11.0), indexing="ij")
    plane = torch.stack([rows, 2 * columns, rows - columns])
    assert image_laplacian(plane, 1).abs().max() < 1e-5
    bowl = (rows**2 + columns**2).expand(3, -1, -1)
    torch.testing.assert_close(image_laplacian(bowl, 1), torch.full((8, 9), -12.0))


def test_channels_are_summed_so_opposite_edges_cancel(random_image):
    image = random_image(9, 9)
    image[1], image[2] = 1 - image[0], 0.5
    assert image_laplacian(image, 1).abs().max() < 1e-5


def test_a_pool_too_large_for_the_image_is_held_to_a_third_of_its_side(random_image):
    image = random_image(10, 40)
    torch.testing.assert_close(image_laplacian(image, 16), image_laplacian(image, 3))
    assert image_laplacian(image, 16).numel() > 0


@pytest.mark.parametrize(("height", "width"), [(2, 20), (20, 2)])
def test_an_image_without_positions_is_refused(random_image, height, width):
    with pytest.raises(ImageError, match=rf"at least 3 pixels a side, not {width}x{height}"):
        image_laplacian(random_image(height, width), 1)


def test_loss_is_the_papers_sum_over_the_number_of_positions(random_image):
    content, image = random_image(33, 40), random_image(33, 40, seed=1)
    targets = {pool: image_laplacian(content, pool) for pool in (4, 8)}
    expected = 0.0
    for pool in targets:
        here, there = (image_laplacian(each, pool).numpy() for each in (image, content))
        positions = (33 // pool - 2) * (40 // pool - 2)
        expected += sum((a - b) ** 2 for a, b in zip(here.flat, there.flat, strict=True)) / positions
    assert edge_loss(image, targets).item() == pytest.approx(expected, rel=1e-5)


def test_loss_does_not_see_what_has_no_edges(random_image):
    content = random_image(24, 24, dtype=torch.float64)
    targets = {4: image_laplacian(content, 4)}
    ramp = torch.linspace(0, 1, 24, dtype=torch.float64)
    assert edge_loss(content + 0.2 + 0.5 * ramp, targets) < 1e-20
    assert edge_loss(content + (ramp > 0.5), targets) > 1e-2


def test_gradient_of_the_loss(random_image):
    content = random_image(13, 12, dtype=torch.float64)
    targets = {pool: image_laplacian(content, pool) for pool in (1, 4)}
    point = random_image(13, 12, seed=1, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: edge_loss(image, targets), point)


def test_total_variation_is_the_sum_over_neighbours_by_the_number_of_pixels(random_image):
    image = random_image(5, 7)
    values, expected = image.numpy(), 0.0
    for row in range(5):
        for column in range(7):
            for down, right in ((1, 0), (0, 1)):
                if row + down < 5 and column + right < 7:
                    step = values[:, row, column] - values[:, row + down, column + right]
                    expected += (step**2).sum()
    assert total_variation(image).item() == pytest.approx(expected / 35, rel=1e-5)
    assert torch.autograd.gradcheck(total_variation, image.double().requires_grad_())


def test_total_variation_of_a_constant_is_zero_even_of_one_pixel():
    assert total_variation(torch.full((3, 6, 4), 0.3)) == 0
    assert total_variation(torch.full((3, 1, 1), 0.3)) == 0


@pytest.mark.parametrize("shape", [(9, 9), (1, 9, 9), (1, 3, 9, 9), (3, 0, 9)])
@pytest.mark.parametrize("term", [lambda image: image_laplacian(image, 1), total_variation])
def test_what_is_no_photograph_is_refused(term, shape):
    with pytest.raises(ValueError, match=r"image must have the shape \(3, H, W\), not \("):
        term(torch.zeros(shape))


def test_laplacians_of_an_image_of_another_size_are_refused(random_image):
    """One of a single position would fit any by broadcasting."""
    for height in (3, 12):
        targets = {1: image_laplacian(random_image(height, 3), 1)}
        with pytest.raises(
            ValueError, match=rf"the target's must have the shape \(7, 7\), not \({height - 2}, 1\)"
        ):
            edge_loss(random_image(9, 9), targets)


def test_unevenness_is_the_sum_pixel_by_pixel(random_image):
    image, content = (random_image(6, 7, seed, torch.float64).numpy() for seed in (1, 2))
    content, change, expected = 0.05 * content, image - 0.05 * content, 0.0
    for y in range(6):
        for x in range(7):
            for there in ((y + 1, x), (y, x + 1)):
                if there[0] < 6 and there[1] < 7:
                    step = content[:, *there] - content[:, y, x]
                    moved = change[:, *there] - change[:, y, x]
                    expected += (moved @ moved) / (1 + (step @ step) / FLAT**2)
    found = unevenness(torch.from_numpy(image), torch.from_numpy(content))
    assert found.item() == pytest.approx(expected / 42, rel=1e-12)


def test_a_shift_of_everything_is_even_and_a_patch_on_a_flat_wall_is_not():
    """The same patch costs next to nothing where the content has a border there."""
    wall, patch = torch.full((3, 12, 12), 0.5), torch.zeros(3, 12, 12)
    patch[0, 4:8, 4:8] = 0.3
    assert unevenness(wall + 0.2, wall).item() < 1e-12
    on_wall, on_border = unevenness(wall + patch, wall), unevenness(wall + 2 * patch, wall + patch)
    assert on_wall.item() == pytest.approx(16 * 0.3**2 / 144, rel=1e-4)
    assert on_border < 0.01 * on_wall


def test_gradient_of_unevenness_is_that_of_finite_differences(random_image):
    image, content = random_image(5, 6, 1, torch.float64), 0.05 * random_image(5, 6, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda x: unevenness(x, content), image.requires_grad_())
