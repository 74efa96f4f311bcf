import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter
from sklearn.cluster import KMeans

from pst_core.regions.blended import in_areas, k_means
from pst_core.regions.codes import COLOR_RADIUS


def noisy_colors(random, centers, spread, size=3000):
    drawn = centers[random.integers(0, len(centers), size)] + random.normal(
        0, spread, (size, centers.shape[1])
    )
    points, counts = np.unique(np.clip(np.rint(drawn), 0, 255), axis=0, return_counts=True)
    return points, counts * random.integers(1, 50, len(counts))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("spread", [1, 20])
@pytest.mark.parametrize("seed", range(4))
def test_k_means_is_scikit_learns(channels, spread, seed):
    random = np.random.default_rng(seed)
    starts = random.integers(0, 256, (5, channels)).astype(float)
    points, counts = noisy_colors(random, starts, spread)
    reference = KMeans(5, init=starts, n_init=1, max_iter=50, tol=0).fit(points, sample_weight=counts)
    labels, centers = k_means(points, counts, starts)
    assert np.array_equal(labels, reference.labels_)
    np.testing.assert_allclose(centers, reference.cluster_centers_, rtol=1e-9)


def test_a_center_that_no_color_is_nearest_to_stays():
    points, far = np.array([[0.0, 0, 0], [10, 0, 0]]), np.array([200.0, 200, 200])
    labels, centers = k_means(points, np.array([1, 3]), np.array([[1.0, 0, 0], far]))
    assert labels.tolist() == [0, 0]
    assert centers.tolist() == [[7.5, 0, 0], far.tolist()]


def test_a_weight_is_as_many_points():
    points, counts = np.array([[0.0], [4.0], [9.0]]), np.array([3, 1, 2])
    labels, centers = k_means(points, counts, np.array([[1.0], [8.0]]))
    repeated = k_means(np.repeat(points, counts, axis=0), np.ones(6, int), np.array([[1.0], [8.0]]))
    assert np.array_equal(np.repeat(labels, counts), repeated[0])
    assert np.array_equal(centers, repeated[1])


@pytest.mark.parametrize("shape", [(40, 31), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize("channels", [3, 4])
def test_areas_are_where_all_neighbours_are_near(shape, channels):
    random = np.random.default_rng(5)
    colors = np.repeat(np.repeat(random.integers(0, 256, (*shape, channels)), 5, 0), 5, 1)[
        : shape[0], : shape[1]
    ]
    colors = np.clip(colors + random.integers(-25, 26, colors.shape), 0, 255).astype(np.uint8)
    spread = maximum_filter(colors, (3, 3, 1)).astype(int) - minimum_filter(colors, (3, 3, 1))
    assert np.array_equal(in_areas(colors), spread.max(axis=2) <= COLOR_RADIUS)
