import numpy as np
import pytest
import torch

from pst_core.errors import PstError
from pst_core.filters.resizing import resize
from pst_core.quality.grams import QUICK_SIDE, gram_distance, quick_gram_distance
from pst_core.regions.labels import Regions

LAYERS = ("conv1_1", "conv2_1")


def picture(height=60, width=80, seed=0):
    return np.random.default_rng(seed).random((3, height, width), np.float32)


def halves(height=60, width=80):
    labels = np.zeros((height, width), np.int16)
    labels[:, width // 2 :] = 1
    return labels


def regions_of(here, there):
    return Regions(here, there, np.zeros((2, 3), np.uint8))


REGIONS = regions_of(halves(), halves())


@pytest.fixture
def encoder(small_encoder):
    return small_encoder


def test_a_picture_is_at_no_distance_from_itself(encoder):
    assert gram_distance(picture(), picture(), REGIONS, encoder, LAYERS) == 0


def test_black_features_are_at_distance_one(encoder, monkeypatch):
    """|0 - G|^2 / |G|^2 = 1, in each layer and each region."""
    real = encoder.forward
    nothing = picture(seed=7)

    def forward(image):
        features = real(image)
        same = np.array_equal(image[0].numpy(), nothing)
        return {layer: 0 * value if same else value for layer, value in features.items()}

    monkeypatch.setattr(encoder, "forward", forward)
    assert gram_distance(nothing, picture(), REGIONS, encoder, LAYERS) == pytest.approx(1)


def test_a_swap_between_regions_is_seen(encoder):
    style = picture()
    style[..., :40] *= 0.2
    swapped = np.concatenate([style[..., 40:], style[..., :40]], axis=2)
    assert gram_distance(swapped, style, REGIONS, encoder, LAYERS) > 0.1
    crossed = regions_of(halves()[:, ::-1], halves())
    assert gram_distance(swapped, style, crossed, encoder, LAYERS) < 0.01


def test_a_small_picture_is_measured_as_it_is(encoder):
    here, there = picture(), picture(seed=1)
    assert quick_gram_distance(here, there, REGIONS, encoder, LAYERS) == gram_distance(
        here, there, REGIONS, encoder, LAYERS
    )


def test_a_large_picture_is_shrunk_first(encoder):
    here, style = picture(300, 2 * QUICK_SIDE), picture(seed=1)
    regions = regions_of(halves(300, 2 * QUICK_SIDE), halves())
    small = resize(torch.from_numpy(here), (150, QUICK_SIDE)).numpy()
    expected = gram_distance(small, style, regions_of(halves(150, QUICK_SIDE), halves()), encoder, LAYERS)
    assert quick_gram_distance(here, style, regions, encoder, LAYERS) == pytest.approx(expected)
    assert gram_distance(here, style, regions, encoder, LAYERS) != pytest.approx(expected, rel=0.05)


def test_what_cannot_be_measured_is_told(encoder):
    apart = regions_of(np.zeros((60, 80), np.int16), np.ones((60, 80), np.int16))
    for measure in (gram_distance, quick_gram_distance):
        with pytest.raises(PstError, match="a region that both images have"):
            measure(picture(), picture(), apart, encoder, LAYERS)
        with pytest.raises(PstError, match="needs a network"):
            measure(picture(), picture(), REGIONS, None, LAYERS)
        with pytest.raises(PstError, match="at least 2 pixels a side"):
            measure(picture(1, 80), picture(), regions_of(halves(1), halves()), encoder, LAYERS)
