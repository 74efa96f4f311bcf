"""A change of colours that is nowhere steeper than it may be.

What was alike in the content may not be torn apart: inside a region, the change is split into the linear one
that explains most of it and what is left (light, texture, and blotches), and what is left is held back
until the whole is no steeper than asked for.
"""

import torch
from torch import Tensor

from pst_core.color.transfer import NOISE
from pst_core.errors import PstError
from pst_core.pipeline.working import WorkingPair
from pst_core.quality.slopes import largest_slope
from pst_core.regions.labels import NOWHERE

ROOM = 0.95  # of the slope that is asked for, at working size: detail comes on top of it at full size
KNEE = 8  # how sharply what is left turns at its limit: what is below it keeps nearly all of itself
LIMITS = tuple(0.6 * 0.85**step for step in range(16))  # on [0, 1]: on what is left, tried widest first


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
    if max_slope is None or _slope(image, pair) <= ROOM * max_slope:
        return image
    even = linear_change(image, pair.content, pair.soft_masks, ROOM * max_slope)
    rest = image - even
    size = rest.norm(dim=0, keepdim=True)
    for limit in LIMITS:
        image = (even + rest * (1 + (size / limit) ** KNEE) ** (-1 / KNEE)).clamp(0, 1)
        if _slope(image, pair) <= ROOM * max_slope:
            return image
    return image


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
        weights = mask / mask.sum().clamp_min(1e-9)
        mean, wanted = colors @ weights, after @ weights
        centred, moved = colors - mean[:, None], after - wanted[:, None]
        noise = NOISE * torch.eye(3, dtype=colors.dtype, device=colors.device)
        slopes = torch.linalg.solve((centred * weights) @ centred.T + noise, (centred * weights) @ moved.T).T
        left, gains, right = torch.linalg.svd(slopes)
        limited = left @ torch.diag(gains.clamp(max=max_gain)) @ right
        even += mask * (limited @ centred + wanted[:, None])
    return even.view_as(image).to(image.dtype)


def _slope(image: Tensor, pair: WorkingPair) -> float:
    """Largest slope of the change; 0 where a content has hardly two colours in any region."""
    labels = torch.where(pair.content_counted[0] > 0, pair.content_masks.argmax(dim=0), NOWHERE).cpu().numpy()
    try:
        return largest_slope(image.cpu().numpy(), pair.content.cpu().numpy(), labels)
    except PstError:
        return 0.0
