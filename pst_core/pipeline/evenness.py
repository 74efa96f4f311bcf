"""A change of colours that is nowhere steeper than it may be.

What was alike in the content may not be torn apart: inside a region, the change is split into the even one
that explains most of it and what is left (light, texture, and blotches), and what is left is held back
until the whole is no steeper than asked for. Even is what is linear, or linear and a curve of brightness on
top of it, without which a dark region that takes a pale look could keep its blacks only as what is left.
"""

from bisect import bisect_left

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.color.baselines import LUMINANCE
from pst_core.color.transfer import NOISE
from pst_core.errors import PstError
from pst_core.pipeline.working import WorkingPair
from pst_core.quality.slopes import ColorPairs, pairs_apart, slope_over
from pst_core.regions.labels import NOWHERE

ROOM = 0.95  # of the slope that is asked for, at working size: detail comes on top of it at full size
KNEE = 8  # how sharply what is left turns at its limit: what is below it keeps nearly all of itself
LIMITS = tuple(0.6 * 0.85**step for step in range(16))  # on [0, 1]: on what is left, widest first
TONES = 16  # of a region, equally many pixels each, between which its curve of brightness is straight
LEAST_TONES = 2 / 255  # between darkest and brightest of them: of less a curve says nothing

Floats = NDArray[np.floating]


def bound_slope(image: Tensor, pair: WorkingPair, max_slope: float | None) -> Tensor:
    """Hold back what makes the change from content to image steep.

    Parameters
    ----------
    image : Tensor, shape (3, h, w)
        On [0, 1].
    max_slope
        Largest slope inside a region, as `pst_core.quality.slopes` measures it; None bounds nothing.

    Returns
    -------
    Tensor, shape (3, h, w)
        On [0, 1]; the image itself where it is even enough.
    """
    if max_slope is None or (pairs := _pairs(pair)) is None:
        return image
    most = ROOM * max_slope
    if _slope(image, pairs) <= most:
        return image
    held_back = (
        _held_back(image, change(image, pair.content, pair.soft_masks, most), pairs, most)
        for change in (linear_change, curved_change)
    )
    return min(
        held_back, key=lambda each: (_slope(each, pairs) > max_slope, float((each - image).square().mean()))
    )


def _held_back(image: Tensor, even: Tensor, pairs: ColorPairs, most: float) -> Tensor:
    """The even change and as much of what it leaves of the image as keeps the slope below `most`."""
    rest = image - even
    size = rest.norm(dim=0, keepdim=True)

    def limited(limit: float) -> Tensor:
        kept: Tensor = rest * (1 + (size / limit) ** KNEE) ** (-1 / KNEE)
        return (even + kept).clamp(0, 1)

    first = bisect_left(LIMITS, True, key=lambda limit: _slope(limited(limit), pairs) <= most)
    return limited(LIMITS[min(first, len(LIMITS) - 1)])


def linear_change(image: Tensor, content: Tensor, masks: Tensor, max_gain: float = float("inf")) -> Tensor:
    """The image as a linear function of its content's colours, a function a region, blended over soft masks.

    Parameters
    ----------
    image, content : Tensor, shape (3, h, w)
    masks : Tensor, shape (R, h, w)
        Summing to 1.
    max_gain
        Largest gain of a region's function along any direction.

    Returns
    -------
    Tensor, shape (3, h, w)
    """
    colors, after = content.flatten(1).double(), image.flatten(1).double()
    even = torch.zeros_like(after)
    for mask in masks.flatten(1).double():
        mean, wanted, slopes = _linear_map(colors, after, mask, max_gain)
        even += mask * (slopes @ (colors - mean) + wanted)
    return even.view_as(image).to(image.dtype)


def _linear_map(
    colors: Tensor, after: Tensor, mask: Tensor, max_gain: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean colours before and after, shape (3, 1), and the slopes between them, shape (3, 3)."""
    weights = mask / mask.sum().clamp_min(1e-9)
    mean, wanted = (colors @ weights)[:, None], (after @ weights)[:, None]
    centred, moved = colors - mean, after - wanted
    noise = NOISE * torch.eye(3, dtype=colors.dtype, device=colors.device)
    slopes = torch.linalg.solve((centred * weights) @ centred.T + noise, (centred * weights) @ moved.T).T
    left, gains, right = torch.linalg.svd(slopes)
    return mean, wanted, left @ torch.diag(gains.clamp(max=max_gain)) @ right


def curved_change(image: Tensor, content: Tensor, masks: Tensor, max_gain: float) -> Tensor:
    """The linear change, and a curve of brightness a region on top of it, which moves all channels together.

    Each curve is fitted to what the linear change leaves of the image's brightness. It turns no tones round
    that the linear change leaves in order, and is nowhere steeper than `max_gain` together with it.

    Parameters
    ----------
    image, content, masks, max_gain
        As in `linear_change`.

    Returns
    -------
    Tensor, shape (3, h, w)
        Each region's mean brightness is that of the linear change.
    """
    colors, after = content.flatten(1).double(), image.flatten(1).double()
    gray = torch.tensor(LUMINANCE, dtype=colors.dtype, device=colors.device)
    tones = (gray @ colors).cpu().numpy()
    even = torch.zeros_like(after)
    for mask in masks.flatten(1).double():
        mean, wanted, slopes = _linear_map(colors, after, mask, max_gain)
        linear = slopes @ (colors - mean) + wanted
        missing, gain = gray @ (after - linear), float(gray @ slopes.sum(dim=1))
        room = min(-gain, 0.0), max(max_gain - gain, 0.0)
        curve = brightness_curve(tones, missing.cpu().numpy(), mask.cpu().numpy(), room)
        even += mask * (linear + torch.from_numpy(curve).to(linear))
    return even.view_as(image).to(image.dtype)


def brightness_curve(tones: Floats, wanted: Floats, weights: Floats, slopes: tuple[float, float]) -> Floats:
    """The curve over tones that is nearest to what is wanted, piecewise straight, with bounded slopes.

    Parameters
    ----------
    tones, wanted, weights : ndarray, shape (N,)
        Brightness on [0, 1], what is to be added to it, and how much each counts, at least 0.
    slopes
        The least, at most 0, and the largest, at least 0.

    Returns
    -------
    ndarray, shape (N,)
        The curve at each of the tones, of weighted mean 0; flat beyond the mean of the lowest and the highest
        of `TONES` groups of equal weight. All 0 where there is hardly more than one tone.
    """
    from scipy.optimize import lsq_linear

    order = np.argsort(tones, kind="stable")
    sums = np.cumsum(weights[order])
    groups = np.empty(len(tones), np.intp)
    groups[order] = np.minimum(sums * (TONES / max(sums[-1], 1e-9)), TONES - 1).astype(np.intp)
    counts = np.bincount(groups, weights, TONES)
    middles, means = (
        np.bincount(groups, weights * values, TONES)[counts > 0] / counts[counts > 0]
        for values in (tones, wanted)
    )
    if len(middles) < 2 or middles[-1] - middles[0] < LEAST_TONES:
        return np.zeros_like(tones)
    # Steps add up to the curve: its value at a tone is the sum of all slopes below, times their widths.
    rises = np.tril(np.ones((len(middles), len(middles) - 1)), -1) * np.diff(middles)
    shares = counts[counts > 0] / counts.sum()
    roots = np.sqrt(shares)
    fitted = lsq_linear(roots[:, None] * (rises - shares @ rises), roots * (means - shares @ means), slopes)
    curve = np.interp(tones, middles, rises @ fitted.x)
    found: Floats = curve - np.average(curve, weights=weights)
    return found


def _pairs(pair: WorkingPair) -> ColorPairs | None:
    """Pixels between which slopes are measured; None where a content has hardly two colours in any region."""
    labels = torch.where(pair.content_counted[0] > 0, pair.content_masks.argmax(dim=0), NOWHERE).cpu().numpy()
    try:
        return pairs_apart(pair.content.cpu().numpy(), labels)
    except PstError:
        return None


def _slope(image: Tensor, pairs: ColorPairs) -> float:
    return slope_over(image.cpu().numpy(), pairs)
