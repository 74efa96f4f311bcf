import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter
from skimage.measure import label
from sklearn.cluster import KMeans

from pst_core.regions.blended import _absorb_borders, _along_borders, _everywhere, in_areas, k_means
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
    palette, places = np.unique(colors.reshape(-1, channels), axis=0, return_inverse=True)
    found = in_areas(places.reshape(shape).astype(np.int32), palette)
    assert np.array_equal(found, spread.max(axis=2) <= COLOR_RADIUS)


@pytest.mark.parametrize("shape", [(40, 31), (1, 9), (9, 1), (1, 1)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("count", [1, 3])
def test_pieces_that_form_an_area_are_kept_whichever_way_they_are_found(shape, share, count):
    """Pieces of a label, connected also across corners; by scikit-image, and by what lies along borders."""
    random = np.random.default_rng(7)
    labels = random.integers(0, count, shape).astype(np.int16)
    flat = random.random(shape) < share
    expected = np.zeros(shape, bool)
    pieces = label(labels, connectivity=2, background=-1)
    for piece in np.unique(pieces):
        expected |= (pieces == piece) & flat[pieces == piece].any()
    assert np.array_equal(_everywhere(labels, flat), expected)
    assert np.array_equal(_along_borders(labels, flat), expected)


def test_borders_go_to_the_nearest_label_that_forms_an_area():
    labels = np.zeros((9, 12), np.int16)
    labels[:, 6:], labels[:, 5] = 1, 2  # a line of a blend between two areas
    flat = np.ones_like(labels, bool)
    flat[:, 4:7] = False
    found = _absorb_borders(labels, flat)
    assert (found[:, :5] == 0).all() and (found[:, 6:] == 1).all() and set(found[:, 5].tolist()) <= {0, 1}
    assert np.array_equal(_absorb_borders(labels, np.ones_like(flat)), labels)
    assert np.array_equal(_absorb_borders(labels, np.zeros_like(flat)), labels)
