"""What of a picture counts: invisible pixels have colours too, and no result may depend on those.

A pixel counts if it is more visible than not: at least half opaque; of a picture that is nowhere as opaque,
every pixel that can be seen at all. What counts does so in full, for alpha says how far a pixel covers what
lies behind it, not how much of its colour it has. What is quite invisible is worked on in the colours of its
visible surroundings, so that filters and networks, which look at neighbours, see nothing that nobody sees.

References
----------
S. J. Gortler, R. Grzeszczuk, R. Szeliski, M. F. Cohen: The Lumigraph, SIGGRAPH 1996, section 3.4 (pull-push).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def counted(alpha: Floats | None) -> Mask | None:
    """Which pixels count, shape (H, W); None where all do.

    Parameters
    ----------
    alpha
        Shape (H, W), on [0, 1], somewhere above 0; None for opaque.
    """
    if alpha is None:
        return None
    visible = alpha >= 0.5
    if not visible.any():
        visible = alpha > 0
    return None if visible.all() else visible


def fill(pixels: Floats, alpha: Floats | None) -> Floats:
    """Give invisible pixels the colours of their surroundings; all others keep theirs.

    Averages of what counts, at every halving of the size, flow back into what lacks a colour (pull-push): the
    filling is smooth, has no edge of its own, and is the same whatever colours were hidden.

    Parameters
    ----------
    pixels, alpha
        Shape (3, H, W) and (H, W), on [0, 1].

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        `pixels` itself where nothing is invisible.

    Examples
    --------
    >>> pixels = np.full((3, 4, 4), 0.25, np.float32)
    >>> alpha = np.ones((4, 4), np.float32)
    >>> pixels[:, :2, :2], alpha[:2, :2] = 0.875, 0
    >>> float(fill(pixels, alpha).max())
    0.25
    """
    if alpha is None or (alpha > 0).all():
        return pixels
    known = counted(alpha)
    assert known is not None
    return np.where(alpha > 0, pixels, _spread(pixels * known, known))


def on_white(pixels: Floats, alpha: Floats | None) -> Floats:
    """A picture as it looks on white paper, shape (3, H, W)."""
    if alpha is None:
        return pixels
    return pixels * alpha + (1 - alpha)


def _spread(pixels: Floats, known: Mask) -> Floats:
    """Fill what is not known, from half the size; it is 0 in `pixels`."""
    if known.all():
        return pixels
    number = _halved(known[None].astype(np.float32))
    half = (_halved(pixels) / np.maximum(number, 1)).astype(np.float32, copy=False)
    height, width = known.shape
    full = _doubled(_doubled(_spread(half, number[0] > 0), 1), 2)[:, :height, :width]
    return np.where(known, pixels, full)


def _halved(image: Floats) -> Floats:
    """Sums over 2x2 pixels, fewer at an odd edge."""
    _, height, width = image.shape
    even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)))
    sums: Floats = even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    return sums


def _doubled(image: Floats, axis: int) -> Floats:
    """Twice as long along an axis, linearly between pixels' centres."""
    lines = np.moveaxis(image, axis, -1)
    before = np.concatenate([lines[..., :1], lines[..., :-1]], axis=-1)
    after = np.concatenate([lines[..., 1:], lines[..., -1:]], axis=-1)
    pairs = np.stack([0.75 * lines + 0.25 * before, 0.75 * lines + 0.25 * after], axis=-1)
    return np.moveaxis(pairs.reshape(*lines.shape[:-1], -1).astype(np.float32, copy=False), -1, axis)
