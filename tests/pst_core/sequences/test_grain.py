from pathlib import Path

import numpy as np
import pytest

from pst_core.images.reading import Photograph
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.look import Look
from pst_core.sequences.carrying import Key
from pst_core.sequences.grain import EVEN, part_grain, with_grain
from pst_core.sequences.restyling import levels_under

RNG = np.random.default_rng(5)
SKY = np.full((3, 60, 80), 0.5, np.float32)
NOISE = RNG.normal(0, EVEN / 4, (60, 80)).astype(np.float32)


def photograph(pixels, depth=8):
    return Photograph(pixels, None, "", Path("frame.png"), depth)


def steep(gain):
    """A look that tears grays apart around the middle."""
    values = np.clip(0.5 + gain * (Lattice.identity().values - 0.5), 0, 1)
    return Key(Look.of_whole(Lattice(values.astype(np.float32))))


def test_parts_add_up():
    image = np.clip(RNG.random((3, 50, 70)), 0.2, 0.8).astype(np.float32)
    smooth, grain = part_grain(image)
    assert smooth + grain == pytest.approx(image, abs=1e-6)


def test_noise_on_a_sky_is_grain_and_an_edge_is_none():
    smooth, _ = part_grain(SKY + NOISE)
    assert smooth.std() < 0.3 * NOISE.std()
    stepped = SKY.copy()
    stepped[:, :, 40:] = 0.9
    assert np.abs(part_grain(stepped).grain).max() < 0.01


def test_a_steep_look_leaves_grain_as_it_was():
    key = steep(4.0)
    result = levels_under((key, key), 0.0, photograph(SKY + NOISE, 16), None, 16) / 65535
    assert result.std() < 1.5 * NOISE.std() < 4.0 * 0.9 * NOISE.std()


def test_a_look_that_changes_nothing_changes_nothing():
    key, pixels = steep(1.0), RNG.random((3, 40, 50)).astype(np.float32)
    levels = levels_under((key, key), 0.0, photograph(pixels), None, 8)
    inside = (pixels > 0.1) & (pixels < 0.9)  # elsewhere what is smooth may be clipped
    wanted = np.moveaxis(pixels * 255, 0, -1)
    assert np.abs(levels - wanted)[np.moveaxis(inside, 0, -1)].max() <= 1.01


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grain_stays_within_the_range(kind):
    top = np.iinfo(kind).max
    levels = np.array([[[0, top // 5 * 2, top]]], kind)
    for grain, wanted in ((0.2, [top // 5, top // 5 * 3, top]), (-0.2, [0, top // 5, top // 5 * 4])):
        grained = with_grain(levels, np.array([[grain]], np.float32))
        assert grained.dtype == kind and grained.tolist() == [[wanted]]
