"""How much light a photograph has against another one, and looks under more or less light than their own.

A look is known where its own photograph has colours. One that was exposed otherwise is brought to that
exposure, takes the look there, and gets a share of the difference back. Both are a gain g = 2^stops in linear
light. Where that is more than 1, highlights would clip: so all three channels are scaled by their largest, m,

    m' = g m / (1 + (g^p - 1) m^p)^(1/p)

which is a gain of g in the dark, leaves white where it is, and keeps hues.
"""

import numpy as np
from numpy.typing import NDArray

from pst_core.images.light import LUMINANCE, decode_srgb, encode_srgb
from pst_core.looks.lattice import Lattice

Floats = NDArray[np.float32]

MOST_STOPS = 2.0
"""What two photographs of one shoot differ by at most: beyond, they show something else."""
SHOULDER = 4.0
"""The curve's p: the larger, the nearer to white it is a plain gain, and the flatter there."""
_LEVELS = np.linspace(0.05, 0.95, 19)  # quantiles that are compared
_CLIPPED = 1 / 255, 254 / 255  # encoded: beyond, no light is known
_POINTS = 65  # of a grid that a curve goes into: steep in the dark


def stops_against(image: Floats, other: Floats, counted: NDArray[np.bool_] | None = None) -> float:
    """How much more light a photograph has than another: the middle one of what quantiles differ by.

    Where a quantile of either is clipped it says nothing.

    Parameters
    ----------
    image, other : ndarray of float32, shape (3, H, W)
        sRGB on [0, 1], of any sizes.
    counted : ndarray of bool, shape (H, W), optional
        Pixels of the image that count.

    Returns
    -------
    float
        In stops, on [-`MOST_STOPS`, `MOST_STOPS`]; 0 where nothing can be compared.
    """
    here = _quantiles(image if counted is None else image[:, counted])
    there = _quantiles(other)
    known = np.isfinite(here) & np.isfinite(there)
    if not known.any():
        return 0.0
    return float(np.clip(np.median(here[known] - there[known]), -MOST_STOPS, MOST_STOPS))


def _quantiles(image: Floats) -> NDArray[np.float64]:
    """Quantiles of log2 of luminance; infinite where they are clipped."""
    colors = image.reshape(3, -1)
    light = np.log2(np.maximum(LUMINANCE @ decode_srgb(colors), np.finfo(np.float32).tiny))
    dark, bright = _CLIPPED
    top = colors.max(axis=0)
    light[top <= dark], light[top >= bright] = -np.inf, np.inf
    quantiles: NDArray[np.float64] = np.quantile(light, _LEVELS, method="nearest")
    return quantiles


def exposed(colors: Floats, stops: float) -> Floats:
    """Colours under more light, or less.

    Parameters
    ----------
    colors : ndarray of float32, shape (..., 3)
        sRGB on [0, 1].
    """
    light, gain = decode_srgb(colors), np.float32(2**stops)
    if gain > 1:
        top = light.max(axis=-1, keepdims=True)
        gain = gain / (1 + (gain**SHOULDER - 1) * top**SHOULDER) ** (1 / SHOULDER)
    return encode_srgb(np.clip(light * gain, 0, 1)).astype(np.float32)


def at_exposure(look: Lattice, stops: float, share: float) -> Lattice:
    """A look for a photograph that has so many more stops of light than the look's own.

    Parameters
    ----------
    share
        Of the difference that it gets back, on [0, 1].
    """
    grid = Lattice.identity(_POINTS).values
    brought = np.moveaxis(exposed(grid, -stops), -1, 0).reshape(3, _POINTS, -1)
    under = np.moveaxis(look.apply(brought).reshape(grid.shape[-1:] + grid.shape[:-1]), 0, -1)
    return Lattice(exposed(under, share * stops))
