"""The closing colour match: the last filter pulls colours back to the content, this mends it."""

from torch import Tensor

from pst_core.color import transfer_colors
from pst_core.config import Config
from pst_core.working import WorkingPair

__all__ = ["match_colors"]


def match_colors(image: Tensor, pair: WorkingPair, config: Config) -> tuple[Tensor, float]:
    """Match each region's colours to the style's once more.

    Returns
    -------
    image : Tensor, shape (3, h, w)
        On [0, 1].
    strength : float
        The strength used.
    """
    strength = 1.0 if config.color_match == "auto" else float(config.color_match)
    if strength == 0:
        return image, strength
    matched = transfer_colors(image, pair.colors_of(image), pair.style_colors(), pair.soft_masks, strength)
    return matched.clamp(0, 1), strength
