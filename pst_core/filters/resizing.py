"""Images brought to another size."""

from torch import Tensor
from torch.nn import functional

from pst_core.shapes import expect_shapes


def fit_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width in pixels of an image shrunk to a long side; never enlarged."""
    scale = min(1.0, long_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink or enlarge an image of shape (C, h, w) to a height and width, bilinearly and antialiased."""
    expect_shapes("image: C H W", image)
    if tuple(image.shape[1:]) == size:
        return image
    return functional.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
