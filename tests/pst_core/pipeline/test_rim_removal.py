import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pst_core.pipeline import rims
from pst_core.pipeline.rims import remove_rims
from pst_core.quality.rims import rim_overshoot, strong_edges


@pytest.fixture
def step():
    """Dark to the left of a bright side."""
    content = np.full((3, 120, 160), 0.25, np.float32)
    content[:, :, 80:] = 0.75
    return torch.tensor(content)


def rimmed(step, height=0.12):
    image = 0.2 + 0.6 * step
    image[:, :, 80:83] += height
    image[:, :, 77:80] -= height
    return image


def test_a_rim_beside_an_edge_goes_and_nothing_else(step):
    image = rimmed(step)
    found = remove_rims(image, step)
    before, after = (rim_overshoot(each.numpy(), step.numpy()) for each in (image, found))
    assert before > 5 and after < 1 + 0.3 * (before - 1)
    assert torch.equal(found[:, :, :60], image[:, :, :60]) and torch.equal(
        found[:, :, 100:], image[:, :, 100:]
    )


def test_half_the_share_takes_less_away(step):
    image = rimmed(step)
    found = [remove_rims(image, step, share).numpy() for share in (0.0, 0.5, 1.0)]
    none, half, all_ = (rim_overshoot(each, step.numpy()) for each in found)
    assert none > half > all_


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0.2), (-0.5, 0.8), (1.0, 0.0)])
def test_an_even_change_keeps_what_its_content_has_beyond_its_levels(step, gain, offset):
    content = step.clone()
    content[:, :, 80:83] += 0.08  # a rim of the content's own
    image = offset + gain * content
    torch.testing.assert_close(remove_rims(image, content), image, rtol=0, atol=1e-4)


def test_colours_move_together(step):
    image = rimmed(step) * torch.tensor([0.9, 0.7, 0.5])[:, None, None]
    change = remove_rims(image, step) - image
    assert change.abs().max() > 0.05
    assert (change.max(dim=0).values - change.min(dim=0).values).max() < 1e-5


def test_little_is_painted_where_the_result_has_no_edge(step, monkeypatch):
    """What is uneven on a surface that became one is no rim: taking it away would draw strokes across it."""
    rng = np.random.default_rng(2)
    blotches = gaussian_filter(rng.standard_normal((120, 160)), 4)
    image = 0.5 + torch.tensor(0.05 * blotches / blotches.std(), dtype=torch.float32).expand(3, -1, -1)
    careful = (remove_rims(image, step) - image).abs().mean()
    monkeypatch.setattr(rims, "SURE_STEP", 1e-6)
    assert 0 < careful < 0.8 * (remove_rims(image, step) - image).abs().mean()


def test_edges_that_bend_at_once_are_trusted_less():
    """A straight border and, below it, one of teeth, three pixels each."""
    content = np.full((120, 160), 0.25, np.float32)
    content[:60, 80:] = 0.75
    for row in range(60, 120):
        content[row, 80 + 4 * (row // 3 % 2) :] = 0.75
    gray = torch.from_numpy(content)
    edges = strong_edges(gray)
    straight = rims._straightness(gray, edges)
    above, below = edges.places[:, 0] < 50, edges.places[:, 0] > 70
    assert straight[above].min() > 0.98 and straight[below].mean() < 0.7
    assert straight.min() >= 0 and straight.max() <= 1 + 1e-6


def test_a_correction_ends_softly(step):
    """A ramp on the bright side, wider than the reach: what is taken away of it leaves no second edge."""
    image = step.clone()
    image[:, :, 80:] += 0.2 * torch.linspace(1, 0, 80)
    change = (remove_rims(image, step) - image)[0, 60]
    assert change.abs().max() > 0.01
    assert change.diff().abs()[81:].max() < 0.5 * change.abs().max()


def test_without_strong_edges_nothing_changes():
    soft = gaussian_filter(np.random.default_rng(0).standard_normal((3, 120, 160)), (0, 15, 15))
    content = torch.tensor(0.5 + 0.1 * soft / soft.std(), dtype=torch.float32)
    image = torch.rand(3, 120, 160, generator=torch.Generator().manual_seed(0))
    assert remove_rims(image, content) is image


def test_large_pictures_are_corrected_at_the_measured_size(step):
    content = step.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :600]
    large = 0.2 + 0.6 * content
    large[:, :, 640:648] += 0.12
    before, after = (
        rim_overshoot(each.numpy(), content.numpy()) for each in (large, remove_rims(large, content))
    )
    assert after < 1 + 0.7 * (before - 1)


def test_shapes_that_cannot_be_meant_are_refused(step):
    with pytest.raises(ValueError, match=r"content must have the shape \(3, 120, 160\)"):
        remove_rims(step, step[:, :60])


def test_sums_know_no_order():
    generator = torch.Generator().manual_seed(3)
    values, pixels = torch.rand(5000, generator=generator) - 0.4, torch.randint(0, 90, (5000,))
    order = torch.randperm(5000, generator=generator)
    found = rims._summed(values, pixels, 100)
    assert torch.equal(found, rims._summed(values[order], pixels[order], 100))
    expected = np.bincount(pixels, values.double(), 100)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_bit(step, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = remove_rims(rimmed(step), step)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, remove_rims(rimmed(step), step))
