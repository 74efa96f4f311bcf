"""Terms of image space: the Laplacian loss of Li et al. (2017), total variation, and unevenness."""

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.errors import ImageError
from pst_core.machine import constant
from pst_core.shapes import expect_shapes

KERNEL = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))
SIDE = len(KERNEL)
FLAT = (
    0.02  # difference of neighbours on [0, 1], over all channels, from which on content is an edge or texture
)


def image_laplacian(image: Tensor, pool: int) -> Tensor:
    """Laplacian of an image after average pooling, its channels summed (Li et al. 2017, section 3).

    Positions are those whose neighbours are all there, as in the published code: a border that is made up,
    be it of zeros or of repeated pixels, has edges that neither photograph has.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        RGB on [0, 1].
    pool
        Side of the pooled blocks in pixels, the paper's p; what does not fill a block at the right and at
        the bottom is left out. It is at most a third of the image's shorter side, so that small images keep
        at least one position.

    Returns
    -------
    Tensor, shape (H // pool - 2, W // pool - 2)

    Raises
    ------
    ImageError
        If the image has a side of fewer than 3 pixels.
    """
    expect_shapes("image: 3 H W", image)
    _, height, width = image.shape
    if min(height, width) < SIDE:
        raise ImageError(
            f"The Laplacian needs a photograph of at least {SIDE} pixels a side, not {width}x{height}: "
            f"use a larger one."
        )
    # Both steps are linear, so the channels may as well be summed first.
    pooled = functional.avg_pool2d(image.sum(dim=0)[None, None], min(pool, min(height, width) // SIDE))
    kernel = constant(KERNEL, image.dtype, image.device)
    return functional.conv2d(pooled, kernel[None, None])[0, 0]


def edge_loss(image: Tensor, target_laplacians: dict[int, Tensor]) -> Tensor:
    """Laplacian loss of Li et al. (2017): squared differences to the content's Laplacians.

    The paper sums over positions. Here, as in its published code, they are averaged, so that a weight means
    the same at every size; that code's pixels are on [0, 256], so its loss is 65536 times this one.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        RGB on [0, 1].
    target_laplacians : dict
        Pool -> the content's `image_laplacian`, of an image of the same size. Pools count alike.
    """
    terms = []
    for pool, target in target_laplacians.items():
        laplacian = image_laplacian(image, pool)
        expect_shapes("the image's Laplacian: h w, the target's: h w", laplacian, target)
        terms.append((laplacian - target).square().mean())
    return torch.stack(terms).sum()


def total_variation(image: Tensor) -> Tensor:
    """Squared differences of vertical and of horizontal neighbours, summed over channels, mean over pixels.

    The code that Li et al. and Luan et al. build on descends half the plain sum, of pixels on [0, 256]: its
    weight w is w/2 * 65536 * H * W here.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        RGB on [0, 1].
    """
    expect_shapes("image: 3 H W", image)
    _, height, width = image.shape
    differences = image.diff(dim=1).square().sum() + image.diff(dim=2).square().sum()
    return differences / (height * width)


def unevenness(image: Tensor, content: Tensor) -> Tensor:
    """How unevenly an image changes its content where that is flat, a mean over pixels.

    Squared differences of the change between neighbours, vertical and horizontal, summed over channels; each
    counts 1 / (1 + (d / `FLAT`)^2), with d the distance of the content's two colours.

    Parameters
    ----------
    image, content : Tensor, shape (3, H, W)
        RGB on [0, 1].

    Returns
    -------
    Tensor, shape ()
        0 where flat areas are shifted as a whole.
    """
    expect_shapes("image: 3 H W, content: 3 H W", image, content)
    _, height, width = content.shape
    change, parts = image - content, []
    for axis in (1, 2):
        counts = 1 / (1 + content.diff(dim=axis).square().sum(dim=0) / FLAT**2)
        parts.append((counts * change.diff(dim=axis).square().sum(dim=0)).sum())
    return torch.stack(parts).sum() / (height * width)
