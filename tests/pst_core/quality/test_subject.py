import numpy as np
import pytest
from PIL import Image

from pst_core.errors import PstError
from pst_core.quality.subject import fit_to


def ramp(height, width):
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return np.stack([np.broadcast_to(rows, (height, width))] * 3)


def test_a_picture_of_the_right_size_is_left_as_it_is():
    image = ramp(30, 40)
    assert fit_to(image, (3, 30, 40)) is image


@pytest.mark.parametrize("shape", [(3, 60, 80), (3, 15, 20), (3, 31, 41)])
def test_another_size_is_brought_to_the_contents(shape):
    fitted = fit_to(ramp(30, 40), shape)
    assert fitted.shape == shape and fitted.dtype == np.float32 and fitted.flags.c_contiguous
    np.testing.assert_allclose(fitted, ramp(*shape[1:]), atol=0.03)
    np.testing.assert_array_equal(np.rint(fitted * 255) / np.float32(255), fitted)


def test_it_is_resized_as_a_picture_file_would_be():
    image = np.random.default_rng(0).random((3, 30, 40), np.float32) * 1.2 - 0.1
    levels = Image.fromarray(np.moveaxis(np.rint(image.clip(0, 1) * 255), 0, -1).astype(np.uint8))
    expected = np.asarray(levels.resize((80, 60), Image.Resampling.LANCZOS), np.float32) / 255
    np.testing.assert_array_equal(np.moveaxis(fit_to(image, (3, 60, 80)), 0, -1), expected)


@pytest.mark.parametrize("shape", [(3, 40, 30), (3, 30, 42), (3, 30, 39)])
def test_another_view_is_refused(shape):
    told = rf"A result of 40x30 pixels does not fit a content of {shape[2]}x{shape[1]}"
    with pytest.raises(PstError, match=told):
        fit_to(ramp(30, 40), shape)
