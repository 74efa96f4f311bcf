import numpy as np
import pytest

from pst_core.errors import PstError
from pst_core.images.inputs import load_inputs
from pst_core.pipeline.look import fit_look
from pst_core.pipeline.regions import regions_of
from pst_core.settings.config import Config

RANDOM = np.random.default_rng(1)
CONTENT, STYLE = RANDOM.integers(0, 256, (2, 40, 60, 3), np.uint8)
HALVES = np.zeros((40, 60, 3), np.uint8)
HALVES[:, 30:] = 255


@pytest.fixture(scope="module")
def parts():
    inputs = load_inputs(CONTENT, STYLE, HALVES, HALVES)
    config = Config(weights="untrained", mask_softness=1)
    return inputs, regions_of(inputs, None, None, config), config


def unchanged(parts, rows=None):
    inputs, regions, config = parts
    content, style = inputs.content.filled, inputs.style.filled
    return fit_look(content, style, regions, content[:, :rows], config)


def test_each_region_takes_its_own_change(parts):
    inputs, regions, config = parts
    result = inputs.content.filled * 0.5
    result[:, :, 30:] = inputs.content.filled[:, :, 30:] * 0.5 + 0.5
    look = fit_look(inputs.content.filled, inputs.style.filled, regions, result, config)
    away = np.r_[:25, 35:60]  # from the border, which is soft
    regional = look.apply_by_region(inputs.content.filled)
    missed = np.abs(regional - result)[:, :, away].mean()
    assert missed < 0.2 * np.abs(look.whole.apply(inputs.content.filled) - result)[:, :, away].mean()
    assert look.names == regions.called and np.abs(look.masks.sum(0) - 1).max() < 1e-5


def test_masks_have_the_size_that_is_asked_for(parts):
    look = unchanged(parts)
    larger = load_inputs(CONTENT.repeat(2, axis=0).repeat(2, axis=1), STYLE).content.filled
    masks = look.masks_at(larger)
    assert masks.shape == (2, 80, 120) and np.abs(masks.sum(0) - 1).max() < 1e-5


def test_another_size_is_refused(parts):
    with pytest.raises(PstError, match=r"60x20 .* 60x40"):
        unchanged(parts, rows=20)
