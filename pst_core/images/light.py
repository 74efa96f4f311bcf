"""sRGB and the light that it stands for."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Shares of red, green and blue light (ITU-R BT.709)."""


def encode_srgb(linear: Floats) -> Floats:
    """Apply sRGB's curve to linear light in [0, 1] (IEC 61966-2-1, 5.2)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decode_srgb(encoded: Floats) -> Floats:
    """Linear light of what `encode_srgb` returns."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
