import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from pst_core.errors import ImageError
from pst_core.optimisation import matting
from pst_core.optimisation.matting import as_tensor, matting_energy, matting_laplacian


@pytest.fixture
def photograph(random_image):
    """Noise with some areas flat, one of them black: windows without any variance."""
    image = random_image(8, 9, seed=4, dtype=torch.float64).numpy()
    image[:, :4, :4] = 0.0
    image[:, 5:, 5:] = 0.6
    return image


def published(image, epsilon, radius):
    """Equation (12) entry by entry."""
    _, height, width = image.shape
    result = np.zeros((height * width, height * width))
    for row in range(radius, height - radius):
        for column in range(radius, width - radius):
            window = [
                (y, x)
                for y in range(row - radius, row + radius + 1)
                for x in range(column - radius, column + radius + 1)
            ]
            colors = np.array([image[:, y, x] for y, x in window])
            mean, covariance = colors.mean(axis=0), np.cov(colors.T, bias=True)
            inverse = np.linalg.inv(covariance + epsilon / len(window) * np.eye(3))
            for here, (y, x) in enumerate(window):
                for there, (v, u) in enumerate(window):
                    affinity = 1 + (colors[here] - mean) @ inverse @ (colors[there] - mean)
                    result[y * width + x, v * width + u] += (here == there) - affinity / len(window)
    return result


@pytest.mark.parametrize(("epsilon", "radius"), [(1e-7, 1), (1e-3, 1), (1e-7, 2)])
def test_laplacian_is_the_published_sum(photograph, epsilon, radius):
    found = matting_laplacian(photograph, epsilon=epsilon, radius=radius)
    assert isinstance(found, csr_matrix) and found.dtype == np.float64
    np.testing.assert_allclose(found.toarray(), published(photograph, epsilon, radius), atol=1e-7)


def test_small_windows_in_a_narrow_image(random_image):
    image = random_image(7, 3, dtype=torch.float64).numpy()
    np.testing.assert_allclose(matting_laplacian(image).toarray(), published(image, 1e-7, 1), atol=1e-7)


def test_strips_change_nothing(photograph, monkeypatch):
    whole = matting_laplacian(photograph)
    monkeypatch.setattr(matting, "STRIP_WINDOWS", 20)
    np.testing.assert_allclose(matting_laplacian(photograph).toarray(), whole.toarray(), atol=1e-12)


def test_it_is_symmetric_with_rows_that_sum_to_zero(photograph):
    found = matting_laplacian(photograph)
    assert abs(found - found.T).max() == 0
    assert abs(found.sum(axis=1)).max() < 1e-9
    assert found.has_canonical_format


def test_it_is_positive_semi_definite(photograph):
    values = np.linalg.eigvalsh(matting_laplacian(photograph).toarray())
    assert values[0] > -1e-9
    assert values[-1] > 1


def energy(image, laplacian):
    rows = image.reshape(3, -1)
    return sum(channel @ laplacian @ channel for channel in rows)


def test_affine_functions_of_the_colours_have_no_energy(random_image):
    image = random_image(12, 13, seed=2, dtype=torch.float64).numpy()
    laplacian = matting_laplacian(image)
    mixing = np.array([[0.4, 0.3, -0.2], [0.1, -0.7, 0.5], [1.2, 0.0, 0.1]])
    affine = np.tensordot(mixing, image, 1) + 0.3
    assert 0 <= energy(affine, laplacian) < 1e-4
    # Not so an image that is affine in something else.
    assert energy(np.tensordot(mixing, image**2, 1), laplacian) > 0.1


def test_affine_functions_may_differ_where_no_window_sees_both(random_image):
    image = random_image(9, 12, seed=2, dtype=torch.float64).numpy()
    image[:, :, 4:8] = 0.5  # across a flat band both functions are constant
    halves = np.where(np.arange(12) < 6, 0.2 + 0.5 * image, 0.45 + 0.5 * (image - 0.5))
    laplacian = matting_laplacian(image)
    assert energy(halves, laplacian) < 1e-4
    assert energy(np.where(np.arange(12) < 6, image, 0.9), laplacian) > 0.1


def test_energy_is_the_quadratic_form(photograph, random_image):
    laplacian = matting_laplacian(photograph)
    image = random_image(8, 9, seed=7)
    found = matting_energy(image, as_tensor(laplacian, "cpu"))
    assert found.dtype == torch.float32 and found.shape == ()
    assert found.item() == pytest.approx(energy(image.double().numpy(), laplacian), rel=1e-5)


def test_gradient_is_that_of_the_dense_formula(photograph, random_image):
    laplacian = as_tensor(matting_laplacian(photograph), torch.device("cpu")).double()
    dense = laplacian.to_dense()
    image = random_image(8, 9, seed=7, dtype=torch.float64).requires_grad_()
    rows = image.flatten(1)
    (expected,) = torch.autograd.grad(3 * torch.einsum("ci,ij,cj->", rows, dense, rows), image)
    (found,) = torch.autograd.grad(3 * matting_energy(image, laplacian), image)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda value: matting_energy(value, laplacian), image)


@pytest.mark.parametrize(("height", "width", "radius"), [(2, 9, 1), (9, 2, 1), (4, 9, 2)])
def test_a_photograph_smaller_than_a_window_is_refused(random_image, height, width, radius):
    with pytest.raises(ImageError, match=rf"at least {2 * radius + 1} pixels a side, not {width}x{height}"):
        matting_laplacian(random_image(height, width).numpy(), radius=radius)


def test_of_one_window_all_pixels_are_related(random_image):
    found = matting_laplacian(random_image(3, 3).numpy())
    assert found.nnz == 81


def test_published_results_are_nearer_to_affine_than_another_photograph(luan60):
    from PIL import Image

    def read(name):
        picture = Image.open(luan60 / name).convert("RGB").resize((140, 92), Image.Resampling.BOX)
        return np.moveaxis(np.asarray(picture), -1, 0) / 255

    content = read("input/in14.png")
    laplacian = matting_laplacian(content)
    result, style = read("luan_results/best14_t_1000.png"), read("style/tar14.png")
    assert energy(content, laplacian) < energy(result, laplacian) < energy(style, laplacian) / 5


def test_there_is_no_second_gradient(photograph, random_image):
    laplacian = as_tensor(matting_laplacian(photograph), "cpu")
    point = random_image(8, 9, seed=5).requires_grad_()
    factor = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad(factor * matting_energy(point, laplacian), point, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize(("call", "said"), [
    (lambda image, matrix: matting_laplacian(image[:1].numpy()), r"image must have the shape \(3, H, W\)"),
    (lambda image, matrix: matting_laplacian(image[0].numpy()), r"image must have the shape \(3, H, W\)"),
    (lambda image, matrix: as_tensor(matrix[:5], "cpu"), r"laplacian must have the shape \(P, P\)"),
    (lambda image, matrix: matting_energy(image[:1], as_tensor(matrix, "cpu")), "image must have the shape"),
    (lambda image, matrix: matting_energy(image[:, 1:], as_tensor(matrix, "cpu")),
     r"laplacian must have the shape \(63, 63\), not \(72, 72\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(random_image, call, said):
    image = random_image(8, 9)
    with pytest.raises(ValueError, match=said):
        call(image, matting_laplacian(image.numpy()))
