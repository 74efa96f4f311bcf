"""Pictures for tests of figures, and the pixels of what was drawn of them."""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pst_core.evaluation.layout import CONTENT, STYLE, ComparisonRow

GRAY = 0.5


def smooth(height, width, seed=0):
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 15, 15))
    return (0.5 + 0.2 * shapes / np.abs(shapes).max()).astype(np.float32)


def with_noise(picture, *places, size=30, strength=0.2, seed=1):
    """The picture with noise in squares that begin at these rows and columns."""
    noisy, rng = picture.copy(), np.random.default_rng(seed)
    for top, left in places:
        noise = strength * rng.standard_normal((3, size, size))
        noisy[:, top : top + size, left : left + size] += noise.astype(np.float32)
    return noisy


def plain(height, width, value=GRAY):
    """One colour a value, and none that blurred letters have."""
    return np.broadcast_to(np.array(tint(value), np.float32)[:, None, None], (3, height, width)).copy()


def tint(value):
    return value, 0.2 + value / 2, 1 - value


def row(crops=(), name="", size=(60, 90), **results):
    results = results or {"Ours": plain(*size, 0.8)}
    return ComparisonRow(name, {CONTENT: plain(*size), STYLE: plain(40, 90, 0.2), **results}, crops)


def pixels(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and image.mode == "RGB"
    return np.asarray(image).astype(int)
