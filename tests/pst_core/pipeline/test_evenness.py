from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pst_core.pipeline import evenness
from pst_core.pipeline.evenness import bound_slope, linear_change
from pst_core.pipeline.working import make_working_pair
from pst_core.quality.slopes import largest_slope
from pst_core.regions.labels import Regions

CPU = torch.device("cpu")


def photograph(seed, height=60, width=80):
    """Smooth shapes around the middle of the range."""
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 4, 4))
    return np.clip(0.5 + 0.12 * shapes / shapes.std(), 0, 1).astype(np.float32)


@pytest.fixture
def pair():
    labels = np.zeros((60, 80), np.int16)
    labels[:, 40:] = 1
    regions = Regions(labels, labels, np.zeros((2, 3), np.uint8))
    return make_working_pair(photograph(1), photograph(2), regions, size=80, device=CPU, softness=4)


def slope(image, pair):
    labels = pair.content_masks.argmax(dim=0).numpy()
    return largest_slope(image.numpy(), pair.content.numpy(), labels)


def uneven(pair, height):
    """The content with a blotch on it that its colours do not tell of."""
    rows, columns = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    blotch = torch.exp(-((rows - 30) ** 2 + (columns - 18) ** 2) / 50)
    return (pair.content + height * blotch).clamp(0, 1)


def test_an_even_change_stays_as_it_is(pair):
    image = 0.2 + 0.6 * pair.content
    assert bound_slope(image, pair, 2.0) is image


def test_without_a_bound_nothing_is_held_back(pair):
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
    assert bound_slope(image, pair, None) is image


@pytest.mark.parametrize("most", [3.0, 4.0])
def test_a_steep_change_becomes_as_steep_as_it_may_be(pair, most):
    image = uneven(pair, 0.45)
    bounded = bound_slope(image, pair, most)
    assert slope(image, pair) > most >= slope(bounded, pair)
    assert slope(bounded, pair) > 0.6 * most  # and no flatter than it need be


def test_what_is_held_back_is_the_blotch(pair):
    image = uneven(pair, 0.45)
    change = (bound_slope(image, pair, 3.0) - image).norm(dim=0)
    assert change[30, 18] > 0.1
    assert change[:, 60:].max() < 0.01


def test_a_linear_change_by_regions_is_found_as_it_is(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    gains = torch.tensor([[0.8, 0.1, 0.0], [0.0, 0.6, 0.2], [0.1, 0.0, 0.7]])
    other = gains.flip(0) * 0.5
    hard = (pair.content_masks > 0.5).float()
    image = sum(
        mask * (torch.einsum("ij,jhw->ihw", map_, pair.content) + shift)
        for mask, map_, shift in zip(hard, (gains, other), (0.1, 0.3), strict=True)
    )
    torch.testing.assert_close(linear_change(image, pair.content, hard), image, rtol=0, atol=1e-5)


def test_the_linear_change_is_numpys_least_squares(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(3))
    found = linear_change(image, pair.content, torch.ones(1, 60, 80))
    colors = pair.content.flatten(1).double().numpy().T
    terms = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)
    solved, *_ = np.linalg.lstsq(terms, image.flatten(1).double().numpy().T, rcond=None)
    np.testing.assert_allclose(found.flatten(1).numpy().T, terms @ solved, atol=1e-5)


def test_a_linear_change_has_no_larger_gain_than_it_may_have(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    generator = torch.Generator().manual_seed(5)
    left, right = (torch.linalg.qr(torch.randn(3, 3, generator=generator))[0] for _ in range(2))
    whole = torch.ones(1, 60, 80)
    image, limited = (
        torch.einsum("ij,jhw->ihw", left @ torch.diag(torch.tensor(gains)) @ right, pair.content)
        for gains in ([9.0, 2.0, 0.5], [4.0, 2.0, 0.5])
    )
    found = linear_change(image, pair.content, whole, 4.0)
    assert (found.mean(dim=(1, 2)) - image.mean(dim=(1, 2))).abs().max() < 1e-4
    shift = (image - limited).mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found, limited + shift, rtol=0, atol=1e-4)


def test_one_colour_alone_has_no_slope(pair):
    plain = replace(pair, content=torch.full((3, 60, 80), 0.4))
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(3))
    assert bound_slope(image, plain, 2.0) is image
