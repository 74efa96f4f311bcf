"""Several styles: what is mixed, and how much of each."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pst_core.errors import ConfigError, MapError
from pst_core.pipeline.steps import start_image
from pst_core.pipeline.stylize import stylize
from pst_core.pipeline.working import make_working_pair, mixed_pair
from pst_core.regions.labels import Regions
from pst_core.settings.config import Config

QUICK = {
    "weights": "untrained", "precision": "float32", "size": 40, "global_iterations": 2,
    "regional_iterations": 2, "content_layers": {"conv2_2": 1.0},
    "style_layers": {"conv1_1": 0.5, "conv2_1": 0.5},
}  # fmt: skip


def photograph(height, width, seed, base):
    shapes = gaussian_filter(np.random.default_rng(seed).standard_normal((3, height, width)), (0, 3, 3))
    return (np.array(base)[:, None, None] + 0.06 * shapes / shapes.std()).clip(0, 1).astype(np.float32)


def halves(height, width):
    labels = np.zeros((height, width), np.int16)
    labels[:, width // 2 :] = 1
    return labels


CONTENT = photograph(40, 52, 1, (0.5, 0.5, 0.5))
STYLES = photograph(36, 48, 2, (0.6, 0.45, 0.4)), photograph(48, 34, 3, (0.35, 0.45, 0.55))


def pair_with(style):
    regions = Regions(halves(*CONTENT.shape[1:]), halves(*style.shape[1:]), np.zeros((2, 3), np.uint8))
    return make_working_pair(CONTENT, style, regions, size=52, device=torch.device("cpu"), softness=2)


def as_given(picture):
    return np.ascontiguousarray(np.moveaxis((255 * picture).round().astype(np.uint8), 0, -1))


def map_of(picture):
    return np.ascontiguousarray(255 * halves(*picture.shape[1:])[..., None].repeat(3, 2).astype(np.uint8))


def mixed(styles, shares, **settings):
    return stylize(
        as_given(CONTENT), [as_given(each) for each in styles], map_of(CONTENT),
        [map_of(each) for each in styles], Config(**QUICK, shares=shares, **settings),
    )  # fmt: skip


@pytest.mark.parametrize("init", ["color", "reinhard", "linear", "histogram"])
def test_a_colour_goes_where_the_shares_say_between_what_it_becomes_in_each_style(init):
    """Displacement interpolation, for styles of other shapes."""
    pairs = [pair_with(style) for style in STYLES]
    shares, settings = (0.3, 0.7), Config(init=init)
    alone = [start_image(pair, settings) for pair in pairs]
    assert all(float(each.min()) > 0 and float(each.max()) < 1 for each in alone)  # nothing is clipped
    found = start_image(mixed_pair(pairs, shares), settings)
    torch.testing.assert_close(found, 0.3 * alone[0] + 0.7 * alone[1], atol=1e-5, rtol=0)
    assert (alone[0] - alone[1]).abs().mean() > 0.05


def test_a_region_that_one_style_lacks_takes_that_styles_whole_look():
    bare = STYLES[1]
    regions = Regions(
        halves(*CONTENT.shape[1:]), np.zeros(bare.shape[1:], np.int16), np.zeros((2, 3), np.uint8)
    )
    lacking = make_working_pair(CONTENT, bare, regions, size=52, device=torch.device("cpu"), softness=2)
    pairs = [pair_with(STYLES[0]), lacking]
    for unmatched in ("style", "leave"):
        settings = Config(unmatched=unmatched)
        alone = [start_image(pair, settings) for pair in pairs]
        found = start_image(mixed_pair(pairs, (0.5, 0.5)), settings)
        torch.testing.assert_close(found, (alone[0] + alone[1]) / 2, atol=1e-5, rtol=0)


def test_a_style_mixed_with_itself_is_that_style():
    once = stylize(
        as_given(CONTENT), as_given(STYLES[0]), map_of(CONTENT), map_of(STYLES[0]), Config(**QUICK)
    )
    twice = mixed([STYLES[0], STYLES[0]], (1, 3))
    for one, two in zip(once.trace, twice.trace, strict=True):
        assert two.evaluations[0].total == pytest.approx(one.evaluations[0].total, rel=1e-3)
    assert np.abs(once.image - twice.image).mean() < 2e-3
    assert twice.regions.count == 2 and len(twice.further_regions) == 1


def test_the_order_of_styles_means_nothing_and_their_shares_much():
    found = [
        mixed(styles, shares).image
        for styles, shares in ((STYLES, (1, 3)), (STYLES[::-1], (0.75, 0.25)), (STYLES, (3, 1)))
    ]
    assert np.abs(found[0] - found[1]).mean() < 2e-3 < 0.02 < np.abs(found[0] - found[2]).mean()


@pytest.mark.parametrize(("shares", "settings", "sentence"), [
    ((1, 2, 3), {}, r"^The shares 1,2,3 are 3 and the styles 2: give a share for each style\.$"),
    (None, {"style_term": "patches"}, r"^Patches are taken from one style: give one, or use "),
])  # fmt: skip
def test_shares_that_do_not_fit_are_refused(shares, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        mixed(STYLES, shares, **settings)


def test_a_style_without_its_map_is_refused():
    with pytest.raises(MapError, match=r"^The styles are 2 and their maps 1: give a map of each style"):
        stylize(as_given(CONTENT), [as_given(each) for each in STYLES], map_of(CONTENT), [map_of(STYLES[0])])
