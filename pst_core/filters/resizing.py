"""Images brought to another size."""

from torch import Tensor
from torch.nn import functional

from pst_core.shapes import expect_shapes


def fit_size(height: int, width: int, long_side: int, least_side: int = 0) -> tuple[int, int]:
    """Height and width in pixels of an image shrunk to a long side; never enlarged.

    Parameters
    ----------
    least_side
        What the short side keeps at least, in pixels, if it has as much: strips then stay longer than
        `long_side`.
    """
    scale = min(1.0, max(long_side / max(height, width), least_side / min(height, width)))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink or enlarge an image of shape (C, h, w) to a height and width, bilinearly and antialiased."""
    expect_shapes("image: C H W", image)
    if tuple(image.shape[1:]) == size:
        return image
    return functional.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
