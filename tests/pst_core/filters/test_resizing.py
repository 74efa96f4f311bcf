import numpy as np
import pytest
import torch
from PIL import Image

from pst_core.filters.resizing import fit_size, resize


@pytest.mark.parametrize(("size", "side", "wanted"), [
    ((400, 600), 300, (200, 300)), ((600, 400), 300, (300, 200)), ((400, 600), 600, (400, 600)),
    ((400, 600), 5000, (400, 600)), ((3, 9000), 100, (1, 100)),
])  # fmt: skip
def test_the_long_side_is_fitted_and_nothing_enlarged(size, side, wanted):
    assert fit_size(*size, side) == wanted


@pytest.mark.parametrize(("size", "side", "least", "wanted"), [
    ((100, 2400), 192, 16, (16, 384)), ((3200, 100), 128, 16, (512, 16)), ((9, 900), 100, 16, (9, 900)),
    ((400, 600), 300, 200, (200, 300)), ((400, 600), 300, 100, (200, 300)),
])  # fmt: skip
def test_a_strips_short_side_keeps_what_it_must_have(size, side, least, wanted):
    assert fit_size(*size, side, least) == wanted


def test_shrinking_is_pillows(random_image):
    image = random_image(40, 60)
    found = resize(image, (13, 20))
    for channel, shrunk in zip(image.numpy(), found, strict=True):
        expected = Image.fromarray(channel).resize((20, 13), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(shrunk, np.asarray(expected), atol=1e-5)


def test_the_same_size_is_the_same_image(random_image):
    image = random_image(5, 6)
    assert resize(image, (5, 6)) is image
    assert resize(image, (9, 10)).shape == (3, 9, 10)


@pytest.mark.parametrize("shape", [(5, 6), (1, 3, 5, 6), (3, 0, 6)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"image must have the shape \(C, H, W\)"):
        resize(torch.zeros(shape), (2, 3))
