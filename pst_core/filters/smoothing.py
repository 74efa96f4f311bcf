"""Gaussian blur, high-pass sharpening and total-variation denoising, the guided filter's alternatives.

Images have shape (C, H, W), on [0, 1], float32; everything stays on the image's device. Tensors of other
shapes raise `ValueError`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.shapes import expect_shapes


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, mirrored at borders, cut off at four deviations (`sigma` in pixels)."""
    expect_shapes("image: C H W", image)
    radius = max(1, round(4 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    for axis in (1, 2):
        image = _convolve(image, kernel, radius, axis)
    return image


def _convolve(image: Tensor, kernel: Tensor, radius: int, axis: int) -> Tensor:
    """Convolve along one axis, the border's pixels mirrored (edge pixel repeated)."""
    length = image.shape[axis]
    index = torch.arange(-radius, length + radius, device=image.device) % (2 * length)
    index = torch.minimum(index, 2 * length - 1 - index)
    lines = image.index_select(axis, index).movedim(axis, -1)
    blurred = functional.conv1d(lines.reshape(-1, 1, length + 2 * radius), kernel)
    return blurred.view(*lines.shape[:-1], length).movedim(-1, axis)


def highpass(image: Tensor, sigma: float, strength: float) -> Tensor:
    """Sharpen by adding back what a Gaussian blur takes away, `strength` times (unsharp mask)."""
    return image + strength * (image - gaussian(image, sigma))


def total_variation(image: Tensor, weight: float, iterations: int = 60) -> Tensor:
    """Total-variation denoising by Chambolle's projection (2004, equation 9), each channel by itself.

    Parameters
    ----------
    image : Tensor, shape (C, H, W)
    weight
        Chambolle's lambda: larger is smoother.
    iterations
        Steps of the projection, each of length 1/4.

    Returns
    -------
    Tensor, shape (C, H, W)
    """
    expect_shapes("image: C H W", image)
    dual = image.new_zeros(2, *image.shape)
    for _ in range(iterations):
        slope = _gradient(_divergence(dual) - image / weight)
        dual = (dual + 0.25 * slope) / (1 + 0.25 * slope.square().sum(dim=0).sqrt())
    return image - weight * _divergence(dual)


def _gradient(image: Tensor) -> Tensor:
    """Forward differences, zero at the far border; shape (2, C, H, W)."""
    down = functional.pad(image.diff(dim=1), (0, 0, 0, 1))
    right = functional.pad(image.diff(dim=2), (0, 1))
    return torch.stack([down, right])


def _divergence(field: Tensor) -> Tensor:
    """Negative adjoint of `_gradient`."""
    down, right = field[0][:, :-1], field[1][:, :, :-1]
    return (
        functional.pad(down, (0, 0, 0, 1))
        - functional.pad(down, (0, 0, 1, 0))
        + functional.pad(right, (0, 1))
        - functional.pad(right, (1, 0))
    )
