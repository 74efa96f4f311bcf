"""How steep a colour change is: what was alike in the content and was torn apart in the result.

A steep change paints noise, compression and texture into what was even. A linear gain is as steep
everywhere; a curve or a map by regions is as steep as its steepest part.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.regions.labels import NOWHERE, Labels

Floats = NDArray[np.floating]

PAIRS = 50_000
POOL = 4 * PAIRS  # pixels that pairs are made of: of large pictures not all need to be sorted by region
LEAST_DISTANCE = 16 / 255  # sRGB on [0, 1]: nearer colours differ by grain and rounding as much as by light
SHARE = 0.999  # of all pairs that are no steeper: a single pixel is no slope
LEAST_PAIRS = 100  # of fewer, the steepest says little


class ColorPairs(NamedTuple):
    """Pairs of pixels whose colours are apart in a content.

    Attributes
    ----------
    here, there : ndarray of int, shape (N,)
        Flat places of the pixels.
    distances : ndarray, shape (N,)
        Between their colours in the content.
    """

    here: NDArray[np.intp]
    there: NDArray[np.intp]
    distances: Floats


def largest_slope(image: Floats, content: Floats, labels: Labels | None = None, *, seed: int = 0) -> float:
    """The largest slope of a colour change: output over input distance of random pairs of pixels.

    Of 50,000 pairs, each of two pixels of one region, those count whose colours are apart in the content by
    16/255 or more; the largest is the slope that 99.9 % of them do not exceed. Across a border two regions
    may well be given different looks, so that pairs of pixels from two regions say nothing.

    Parameters
    ----------
    image, content : ndarray, shape (3, H, W)
        sRGB on [0, 1]; distances are Euclidean.
    labels : ndarray of int, shape (H, W), optional
        The content's regions; one unless given.

    Returns
    -------
    float
        1 for the content itself, g for its colours times g.

    Raises
    ------
    PstError
        The shapes differ, or the content has hardly two colours in any region.

    Examples
    --------
    >>> content = np.random.default_rng(0).random((3, 40, 60))
    >>> largest_slope(content, content)
    1.0
    >>> round(largest_slope(0.5 * content + 0.2, content), 6)
    0.5
    """
    if image.shape != content.shape:
        raise PstError(f"Slopes need images of one size, not {image.shape[1:]} and {content.shape[1:]}.")
    return slope_over(image, pairs_apart(content, labels, seed=seed))


def pairs_apart(content: Floats, labels: Labels | None = None, *, seed: int = 0) -> ColorPairs:
    """The pairs that `largest_slope` looks at, which all results of one content share.

    Raises
    ------
    PstError
        The content has hardly two colours in any region.
    """
    regions = np.zeros(content.shape[1:], np.int16) if labels is None else labels
    here, there = _pairs_within(regions, np.random.default_rng(seed))
    distances = _distances(content, here, there)
    apart = distances >= LEAST_DISTANCE
    if apart.sum() < LEAST_PAIRS:
        raise PstError("A slope needs a content with more than one colour.")
    return ColorPairs(here[apart], there[apart], distances[apart])


def slope_over(image: Floats, pairs: ColorPairs) -> float:
    """The largest slope over given pairs, of an image of shape (3, H, W)."""
    return float(np.quantile(_distances(image, pairs.here, pairs.there) / pairs.distances, SHARE))


def _pairs_within(labels: Labels, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat places of pairs of pixels: the first anywhere that counts, the second in the same region."""
    flat = labels.ravel()
    drawn = rng.integers(flat.size, size=POOL)
    drawn = drawn[flat[drawn] != NOWHERE]
    if not drawn.size:
        raise PstError("A slope needs something that is visible.")
    by_region = drawn[np.argsort(flat[drawn], kind="stable")]
    _, starts, sizes = np.unique(flat[by_region], return_index=True, return_counts=True)
    first = rng.integers(by_region.size, size=PAIRS)
    region = np.searchsorted(starts, first, side="right") - 1
    second = starts[region] + np.floor(rng.random(PAIRS) * sizes[region]).astype(np.intp)
    return by_region[first], by_region[second]


def _distances(image: Floats, here: NDArray[np.intp], there: NDArray[np.intp]) -> Floats:
    colors = image.reshape(3, -1)
    found: Floats = np.linalg.norm(colors[:, here].astype(np.float64) - colors[:, there], axis=0)
    return found
