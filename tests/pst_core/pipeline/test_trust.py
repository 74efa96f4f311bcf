"""How far a pair's regions are trusted: from each by itself to the photographs as a whole."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from pst_core.optimisation.colors import color_loss, color_targets
from pst_core.pipeline.steps import start_image
from pst_core.pipeline.working import make_working_pair
from pst_core.regions.labels import Regions, display_colors, one_region
from pst_core.settings.config import Config

NOISE = np.random.default_rng(0)
PHOTOGRAPHS = NOISE.random((3, 48, 64), np.float32) * 0.5, NOISE.random((3, 40, 64), np.float32) ** 2


def halves(*confidence):
    labels = [np.zeros(pixels.shape[1:], np.int16) for pixels in PHOTOGRAPHS]
    labels[0][24:], labels[1][:, 16:] = 1, 1
    return Regions(*labels, display_colors(2), "cluster", confidence=confidence)


def working(regions):
    return make_working_pair(*PHOTOGRAPHS, regions, size=64, device=torch.device("cpu"), softness=2)


def started(regions):
    return start_image(working(regions), Config())


def test_regions_that_are_not_trusted_at_all_are_as_one():
    torch.testing.assert_close(
        started(halves(0.0, 0.0)), started(one_region(PHOTOGRAPHS, (None, None))), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("trust", [0.0, 0.2, 0.6])
def test_colours_of_regions_have_their_say_however_little_these_are_trusted(trust):
    pair = working(halves(trust, trust))
    positions, wanted = color_targets(pair.style, pair.content_masks, pair.style_masks)
    assert set(positions) == {"0", "1"}
    assert color_loss(pair.content, positions, wanted) > 0


def test_colours_of_regions_that_are_not_trusted_at_all_are_compared_as_one():
    losses = []
    for regions in (halves(0.0, 0.0), one_region(PHOTOGRAPHS, (None, None))):
        pair = working(regions)
        losses.append(
            color_loss(pair.content, *color_targets(pair.style, pair.content_masks, pair.style_masks))
        )
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)


def test_regions_that_are_trusted_in_full_are_as_those_of_maps():
    assert torch.equal(started(halves(1.0, 1.0)), started(halves()))


def test_the_more_they_are_trusted_the_nearer_is_the_result_to_theirs():
    regional = started(halves())
    distances = [(started(halves(trust, trust)) - regional).abs().mean() for trust in (0.0, 0.5, 0.8, 1.0)]
    assert all(far > near for far, near in itertools.pairwise(distances))


@pytest.mark.parametrize("trust", [(0.0, 1.0), (0.3, 0.6)])
def test_a_doubtful_region_keeps_its_weight(trust):
    plain, doubtful = working(halves()), working(halves(*trust))
    for name in ("content_masks", "style_masks"):
        sums = [getattr(pair, name).sum(dim=(1, 2)) for pair in (plain, doubtful)]
        torch.testing.assert_close(*sums)
    assert torch.equal(plain.soft_masks, doubtful.soft_masks)


def test_a_region_without_a_counterpart_is_as_it_was():
    alone = halves(0.2, 0.2)
    alone = replace(alone, style=np.zeros_like(alone.style))
    pair = working(alone)
    assert pair.style_masks[1].sum() == 0 and torch.equal(
        pair.content_masks[1], working(halves()).content_masks[1]
    )
