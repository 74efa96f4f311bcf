"""The matting Laplacian (Levin, Lischinski and Weiss 2008), Luan et al.'s (2017) measure of photorealism."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from pst_core.errors import ImageError
from pst_core.shapes import expect_shapes

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.floating]
STRIP_WINDOWS = 1 << 16  # windows worked on at once, which bounds memory: about 40 MB with 3x3 windows


def matting_laplacian(image: Floats, *, epsilon: float = 1e-7, radius: int = 1) -> "csr_matrix":
    """Matting Laplacian of a photograph, equation (12) of Levin et al.

    Over the windows w_k that hold both pixels i and j, and lie within the image, L_ij is the sum of
    delta_ij - 1/|w_k| (1 + (I_i - mu_k)^T (Sigma_k + epsilon/|w_k| U)^-1 (I_j - mu_k)), with U the identity.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        RGB on [0, 1].
    epsilon
        Regulariser, on [0, 1] squared.
    radius
        Window radius in pixels: 1 for 3x3 windows.

    Returns
    -------
    csr_matrix of float64, shape (H W, H W)
        Symmetric and positive semi-definite, its column indices sorted; pixels in row-major order. Rows sum
        to zero within 1e-9, and an image that is a global affine function of the photograph's colours has
        almost no energy.

    Raises
    ------
    ImageError
        If no window fits into the image.
    """
    expect_shapes("image: 3 H W", image)
    side = 2 * radius + 1
    height, width = image.shape[1:]
    if min(height, width) < side:
        raise ImageError(
            f"The matting Laplacian needs a photograph of at least {side} pixels a side, "
            f"not {width}x{height}: use a larger one."
        )
    pixels = np.asarray(image, np.float64)
    # Pixels that share a window are at most 2 radius apart: axes 2 and 3 hold what one is to each of those.
    reach = 4 * radius + 1
    entries = np.zeros((height, width, reach, reach))
    step = max(1, STRIP_WINDOWS // width)
    for top in range(0, height - side + 1, step):
        bottom = min(top + step, height - side + 1)
        rows = slice(top, bottom + side - 1)
        _add_windows(entries[rows], pixels[:, rows], epsilon, side)
    return _compressed(entries)


def _add_windows(entries: Floats, pixels: Floats, epsilon: float, side: int) -> None:
    """Add what all windows of a strip, shape (3, rows, W), say about each pair of their pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(1, 2))
    colors = np.moveaxis(windows, 0, -1).reshape(*windows.shape[1:3], side**2, 3)
    centered = colors - colors.mean(axis=2, keepdims=True)
    count = side**2
    covariance = centered.swapaxes(2, 3) @ centered / count + epsilon / count * np.eye(3)
    weighted = np.linalg.solve(covariance, centered.swapaxes(2, 3))
    pairs = np.eye(count) - (1 + centered @ weighted) / count
    pairs = (pairs + pairs.swapaxes(2, 3)) / 2  # rounding would leave the matrix not quite symmetric
    rows, columns = pairs.shape[:2]
    for first in range(count):
        down, right = divmod(first, side)
        # The other pixels of the window, as seen from this one, are a block of its neighbourhood.
        seen = np.s_[side - 1 - down : 2 * side - 1 - down, side - 1 - right : 2 * side - 1 - right]
        here = entries[down : down + rows, right : right + columns]
        here[:, :, *seen] += pairs[:, :, first].reshape(rows, columns, side, side)


def _compressed(entries: Floats) -> "csr_matrix":
    """Sparse matrix of the entries of each pixel's neighbourhood, shape (H, W, reach, reach)."""
    from scipy.sparse import csr_matrix

    height, width, reach, _ = entries.shape
    offsets = np.arange(reach, dtype=np.int32) - reach // 2
    rows = np.arange(height, dtype=np.int32)[:, None] + offsets
    columns = np.arange(width, dtype=np.int32)[:, None] + offsets
    within = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None]
    indices = (rows * np.int32(width))[:, None, :, None] + columns[:, None]
    starts = np.concatenate([[0], within.sum(axis=(2, 3)).ravel().cumsum()])
    size = height * width
    return csr_matrix((entries[within], indices[within], starts), shape=(size, size))


def as_tensor(laplacian: "csr_matrix", device: torch.device | str) -> Tensor:
    """Laplacian, shape (H W, H W), as a sparse CSR tensor of float32 on a device, for `matting_energy`."""
    expect_shapes("laplacian: P P", laplacian)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Sparse (CSR tensor support is in beta|invariant checks are implicitly)"
        )
        return torch.sparse_csr_tensor(
            torch.from_numpy(laplacian.indptr),
            torch.from_numpy(laplacian.indices),
            torch.from_numpy(laplacian.data.astype(np.float32)),
            laplacian.shape,
            device=device,
            check_invariants=False,
        )


class _MattingEnergy(torch.autograd.Function):
    """Quadratic form of a symmetric matrix; the gradient is written out, for the product is at hand."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, laplacian: Tensor) -> Tensor:  # noqa: ANN401
        columns = image.flatten(1).T
        product = laplacian @ columns
        ctx.save_for_backward(product)
        ctx.shape = image.shape
        return (columns * product).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (product,) = ctx.saved_tensors
        return (2 * gradients[0] * product).T.reshape(ctx.shape), None


def matting_energy(image: Tensor, laplacian: Tensor) -> Tensor:
    """Photorealism term of Luan et al.'s equation (2): the sum over channels c of V_c^T L V_c.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        V: RGB on [0, 1], of the Laplacian's precision.
    laplacian : Tensor, shape (H W, H W)
        L of the content, from `as_tensor`; symmetric. The gradient is 2 L V_c per channel, and has none
        itself.
    """
    expect_shapes("image: 3 H W", image)
    expect_shapes("the image's pixels: 3 P, laplacian: P P", image.flatten(1), laplacian)
    energy: Tensor = _MattingEnergy.apply(image, laplacian)
    return energy
