import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from pst_core.errors import PstError
from pst_core.quality import rims
from pst_core.quality.distances import GRAY
from pst_core.quality.rims import UNSEEN, rim_overshoot

DARK, BRIGHT = 0.2, 0.8


def edge(height=64, width=96, column=48):
    """Dark on the left, bright on the right, and nothing else."""
    content = np.full((3, height, width), DARK, np.float32)
    content[..., column:] = BRIGHT
    return content


def with_rim(content, columns, change):
    image = content.copy()
    image[..., columns] += np.float32(change)
    return image


def test_the_content_itself_has_no_more_than_its_own(flower):
    assert rim_overshoot(flower, flower) == 1
    assert rim_overshoot(edge(), edge()) == 1


@pytest.mark.parametrize("height", [0.03, 0.12])
@pytest.mark.parametrize(("columns", "sign"), [(slice(48, 50), 1), (slice(46, 48), -1)])
def test_a_light_or_a_dark_rim_counts_by_its_height_in_steps(height, columns, sign):
    image = with_rim(edge(), columns, sign * height)
    expected = (UNSEEN + height / (BRIGHT - DARK)) / UNSEEN
    assert rim_overshoot(image, edge()) == pytest.approx(expected, rel=1e-4)


def test_rims_on_both_sides_add_up():
    image = with_rim(with_rim(edge(), slice(48, 50), 0.06), slice(46, 48), -0.03)
    assert rim_overshoot(image, edge()) == pytest.approx((UNSEEN + 0.09 / 0.6) / UNSEEN, rel=1e-4)


def test_the_contents_own_rim_is_no_fault_of_the_result():
    content = with_rim(edge(), slice(48, 50), 0.06)
    twice = with_rim(edge(), slice(48, 50), 0.12)
    assert rim_overshoot(content, content) == 1
    assert rim_overshoot(twice, content) == pytest.approx((UNSEEN + 0.2) / (UNSEEN + 0.1), rel=1e-4)
    assert rim_overshoot(edge(), content) == pytest.approx(UNSEEN / (UNSEEN + 0.1), rel=1e-4)


@pytest.mark.parametrize("turn", [lambda x: x.swapaxes(1, 2), lambda x: x[..., ::-1], lambda x: x[:, ::-1]])
def test_which_way_an_edge_runs_changes_nothing(turn):
    image = with_rim(edge(), slice(48, 50), 0.06)
    assert rim_overshoot(turn(image), turn(edge())) == pytest.approx(rim_overshoot(image, edge()), rel=1e-4)


def test_a_slanting_edges_rim_is_found_too():
    rows, columns = np.mgrid[:96, :96]
    across = (columns - rows) / np.sqrt(2)
    content = np.repeat(np.where(across > 0, BRIGHT, DARK)[None], 3, axis=0)
    image = content + np.where((across > 0) & (across < 2.5), 0.06, 0)
    expected = (UNSEEN + 0.1) / UNSEEN
    assert rim_overshoot(image, content) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("change", [lambda x: 0.3 * x + 0.5, lambda x: 1 - x])
def test_gain_offset_and_inversion_change_nothing(flower, change):
    assert rim_overshoot(change(flower), flower) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_a_smooth_change_of_tone_changes_little(flower, gamma):
    assert rim_overshoot(flower**gamma, flower) == pytest.approx(1, abs=0.15)


def test_a_blurred_edge_is_no_rim():
    image = edge()
    image[..., 44:52] = np.linspace(DARK, BRIGHT, 8, dtype=np.float32)
    assert rim_overshoot(image, edge()) == pytest.approx(1, abs=1e-4)


def test_what_is_invisible_has_no_rims():
    content = edge(height=128)
    image = content.copy()
    image[:, 64:, 48:50] += np.float32(0.12)
    seen = np.ones((128, 96), bool)
    seen[56:] = False
    assert rim_overshoot(image, content) > 2
    assert rim_overshoot(image, content, seen) == pytest.approx(1, abs=1e-4)


def test_a_large_picture_is_measured_in_means_of_blocks(monkeypatch):
    image = with_rim(edge(), slice(48, 50), 0.06)
    large = [np.kron(each, np.ones((1, 3, 3), np.float32)) for each in (image, edge())]
    small = rim_overshoot(image, edge())
    monkeypatch.setattr(rims, "SIDE", 96)
    assert rim_overshoot(*large) == pytest.approx(small, rel=1e-4)
    cut = [each[:, :-1, :-2] for each in large]  # the last blocks are no whole ones
    assert rim_overshoot(*cut) == pytest.approx(small, rel=0.05)


def test_without_edges_there_is_nothing_to_measure():
    soft = np.repeat(np.tile(np.linspace(0, 1, 96), (64, 1))[None], 3, axis=0)
    for content in (np.full((3, 64, 96), 0.5), soft, edge()[:, :, :20]):
        with pytest.raises(PstError, match="hardly any"):
            rim_overshoot(content, content)
    with pytest.raises(PstError, match=r"of one size, not \(64, 96\) and \(64, 20\)"):
        rim_overshoot(edge(), edge()[..., :20])


def profiles_by_scipy(brightness, edges):
    across = np.arange(-2 * edges.reach, 2 * edges.reach + 1)
    places, normals = edges.places.numpy(), edges.normals.numpy()
    tangents = normals[:, ::-1] * (-1, 1)
    sampled = [
        map_coordinates(
            brightness,
            (places[:, None] + shift * tangents[:, None] + across[:, None] * normals[:, None])
            .reshape(-1, 2)
            .T,
            order=1,
            mode="nearest",
        )
        for shift in rims.ALONG
    ]
    return np.mean(sampled, axis=0).reshape(-1, len(across))


@pytest.mark.parametrize("shape", [(90, 130), (130, 61)])
def test_profiles_are_scipys(shape):
    random = np.random.default_rng(1)
    angles = random.uniform(0, 2 * np.pi, 200)
    places = random.uniform(0, np.array(shape) - 1, (200, 2))  # profiles leave the picture at its borders
    normals = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    edges = rims.Edges(torch.from_numpy(places), torch.from_numpy(normals), 5)
    brightness = random.random(shape)
    found = rims.profiles_across(torch.from_numpy(brightness), edges)
    np.testing.assert_allclose(found, profiles_by_scipy(brightness, edges), rtol=0, atol=1e-12)


def test_without_an_edge_there_are_no_profiles():
    nowhere = rims.Edges(torch.zeros(0, 2), torch.zeros(0, 2), 3)
    assert rims.profiles_across(torch.zeros(20, 30), nowhere).shape == (0, 13)


@pytest.mark.parametrize("count", [3, 4])
def test_levels_are_medians(count):
    profiles = np.random.default_rng(4).random((50, 4 * count + 1))
    found = rims.levels_beside(torch.from_numpy(profiles), count)
    sides = np.median(profiles[:, :count], axis=1), np.median(profiles[:, -count:], axis=1)
    np.testing.assert_allclose(found[0], np.minimum(*sides))
    np.testing.assert_allclose(found[1], np.maximum(*sides))


@pytest.mark.parametrize(("size", "side"), [((40, 60), 1), ((31, 1500), 2), ((1607, 905), 2)])
def test_gray_is_means_of_whole_blocks(random_image, size, side):
    image = random_image(*size)
    gray = np.tensordot(GRAY, image.numpy(), 1)
    height, width = (length // side * side for length in size)
    blocks = gray[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    np.testing.assert_allclose(rims.gray_in_blocks(image), blocks, atol=1e-6)
