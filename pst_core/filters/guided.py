"""The guided filter with a colour guide, and enlarging through it (paper, section 3).

Images have shape (C, H, W), on [0, 1], float32; everything stays on the image's device. Tensors of other
shapes than those stated raise `ValueError`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.shapes import expect_shapes

STRIP_PIXELS = 1 << 20  # full-size work goes in strips of about this many pixels, which bounds memory


def box_mean(image: Tensor, radius: int) -> Tensor:
    """Mean over a window of 2r+1 pixels a side, at borders over the part of it inside; shape (C, H, W)."""
    expect_shapes("image: C H W", image)
    if _is_on_cpu(image):
        sums: Tensor = _BoxSum.apply(image, radius)
        rows, columns = (_window_lengths(side, radius).to(image) for side in image.shape[1:])
        return sums / (rows[:, None] * columns)
    rows = functional.avg_pool2d(
        image[None], (2 * radius + 1, 1), stride=1, padding=(radius, 0), count_include_pad=False
    )
    return functional.avg_pool2d(
        rows, (1, 2 * radius + 1), stride=1, padding=(0, radius), count_include_pad=False
    )[0]


def _is_on_cpu(image: Tensor) -> bool:
    return image.device.type == "cpu"


class _BoxSum(torch.autograd.Function):
    """Sums over windows by OpenCV, whose time does not grow with the window; being symmetric, so are slopes.

    With torch's pooling a mean and its slopes take 14 times as long on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, radius: int) -> Tensor:  # noqa: ANN401
        ctx.radius = radius
        return _box_sum(image, radius)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return _box_sum(gradients[0], ctx.radius), None


def _box_sum(image: Tensor, radius: int) -> Tensor:
    import cv2

    window = (2 * radius + 1, 2 * radius + 1)
    sums = torch.empty_like(image, memory_format=torch.contiguous_format)
    for channel, values in zip(sums.numpy(), image.detach().contiguous().numpy(), strict=True):
        cv2.boxFilter(values, -1, window, dst=channel, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return sums


def _window_lengths(side: int, radius: int) -> Tensor:
    """How many pixels of a side each window holds, shape (side,)."""
    places = torch.arange(side)
    return (places + radius).clamp(max=side - 1) - (places - radius).clamp(min=0) + 1


class GuidedFilter:
    """The guided filter of one guide, at whose images it is applied again and again (He et al. 2013).

    It is linear in the image, and gradients go through it; all that depends on the guide alone is computed
    once.

    Parameters
    ----------
    guide : Tensor, shape (3, H, W)
    radius
        Window radius in pixels; MATLAB's default window is 5x5, radius 2.
    epsilon
        Regulariser, on [0, 1] squared; MATLAB's default is 0.01.
    """

    def __init__(self, guide: Tensor, radius: int, epsilon: float) -> None:
        expect_shapes("guide: 3 H W", guide)
        _, height, width = guide.shape
        self.guide, self.radius = guide, min(radius, height - 1, width - 1)
        # Centred values keep the variances' small differences inside float32.
        self.shift = guide.mean(dim=(1, 2), keepdim=True)
        self.centred = guide - self.shift
        self.mean = box_mean(self.centred, self.radius)
        products = (self.centred[:, None] * self.centred[None]).flatten(0, 1)
        variance = box_mean(products, self.radius).view(3, 3, height, width)
        self.variance = variance - self.mean[:, None] * self.mean[None]
        ridge = self.variance.permute(2, 3, 0, 1).double() + epsilon * torch.eye(
            3, dtype=torch.float64, device=guide.device
        )
        inverse, _ = torch.linalg.inv_ex(ridge)
        self.inverse = inverse.permute(2, 3, 0, 1).to(guide.dtype).contiguous()

    def coefficients(self, image: Tensor, tolerance: float | None = None) -> tuple[Tensor, Tensor]:
        """Local affine model of an image of shape (C, H, W) in the guide's colours; `guided_coefficients`."""
        expect_shapes("image: C H W, guide: 3 H W", image, self.guide)
        channels, height, width = image.shape
        image_shift = image.mean(dim=(1, 2), keepdim=True)
        image = image - image_shift
        image_mean = box_mean(image, self.radius)
        products = (image[:, None] * self.centred[None]).flatten(0, 1)
        covariance = box_mean(products, self.radius).view(channels, 3, height, width)
        covariance = covariance - image_mean[:, None] * self.mean[None]
        slopes = (covariance[:, :, None] * self.inverse[None]).sum(dim=1)
        offsets = image_mean - (slopes * self.mean[None]).sum(dim=1)
        models = torch.cat([slopes.flatten(0, 1), offsets])
        if tolerance is None:
            smooth = box_mean(models, self.radius)
        else:
            say = self._say(image, image_mean, slopes, covariance, tolerance)
            smooth = box_mean(models * say, self.radius) / box_mean(say, self.radius)
        slopes = smooth[: 3 * channels].view(channels, 3, height, width)
        offsets = smooth[3 * channels :] + image_shift - (slopes * self.shift[None]).sum(dim=1)
        return slopes, offsets

    def _say(
        self, image: Tensor, mean: Tensor, slopes: Tensor, covariance: Tensor, tolerance: float
    ) -> Tensor:
        """How well each window's model explains the image in it, from 0 to 1; shape (1, H, W)."""
        own = box_mean(image**2, self.radius) - mean**2
        twice_less_fitted = 2 * covariance - torch.einsum("cihw,ijhw->cjhw", slopes, self.variance)
        error = (own - (slopes * twice_less_fitted).sum(dim=1)).clamp_min(0).mean(dim=0, keepdim=True)
        return tolerance**2 / (error + tolerance**2)

    def __call__(self, image: Tensor) -> Tensor:
        """The filtered image, of the image's shape (C, H, W)."""
        slopes, offsets = self.coefficients(image)
        return (slopes * self.guide[None]).sum(dim=1) + offsets


def guided_coefficients(
    image: Tensor, guide: Tensor, radius: int, epsilon: float, tolerance: float | None = None
) -> tuple[Tensor, Tensor]:
    """Local affine model of an image in its guide's colours (He et al. 2013, equations 14 and 15).

    In each window the image is ``a . guide + b``, with ridge `epsilon` on ``a``; the coefficients of all
    windows that hold a pixel are averaged.

    Parameters
    ----------
    image : Tensor, shape (C, H, W)
    guide : Tensor, shape (3, H, W)
    radius
        Window radius in pixels.
    epsilon
        Regulariser, on [0, 1] squared.
    tolerance
        Error of a window's model, on [0, 1], at which it has half its say in the average: windows that hold
        two things, which no one model explains, then leave no rim beside them (Chen et al. 2020, "Weighted
        aggregation for guided image filtering"). All windows have the same say unless given.

    Returns
    -------
    slopes : Tensor, shape (C, 3, H, W)
    offsets : Tensor, shape (C, H, W)
    """
    expect_shapes("image: C H W, guide: 3 H W", image, guide)
    return GuidedFilter(guide, radius, epsilon).coefficients(image, tolerance)


def guided_filter(image: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    """Guided filter with a colour guide (He et al. 2013, section 3.6).

    Parameters
    ----------
    image : Tensor, shape (C, H, W)
    guide : Tensor, shape (3, H, W)
    radius, epsilon
        As in `GuidedFilter`.

    Returns
    -------
    Tensor, shape (C, H, W)

    Examples
    --------
    Ripples go, the guide's edge stays.

    >>> import torch
    >>> edge = torch.tensor([0.0] * 4 + [1.0] * 4).expand(3, 6, 8)
    >>> ripples = edge[:1] + 0.1 * torch.tensor([1.0, -1.0]).repeat(4)
    >>> guided_filter(ripples, edge, radius=2, epsilon=1e-4)[0, 0].round(decimals=1).abs().tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    expect_shapes("image: C H W, guide: 3 H W", image, guide)
    return GuidedFilter(guide, radius, epsilon)(image)


def upsample_through_guide(
    image: Tensor,
    small_guide: Tensor,
    guide: Tensor,
    radius: int,
    epsilon: float,
    tolerance: float | None = None,
) -> Tensor:
    """Enlarge an image through a large guide (fast guided filter, He and Sun 2015).

    Parameters
    ----------
    image, small_guide : Tensor, shape (C, h, w) and (3, h, w)
    guide : Tensor, shape (3, H, W)
    radius, epsilon, tolerance
        As in `guided_coefficients`, at the small size.

    Returns
    -------
    Tensor, shape (C, H, W)
    """
    expect_shapes("image: C h w, small_guide: 3 h w, guide: 3 H W", image, small_guide, guide)
    slopes, offsets = guided_coefficients(image, small_guide, radius, epsilon, tolerance)
    result = torch.empty(image.shape[0], *guide.shape[1:], device=image.device)
    for rows, strip in upsampled_strips(slopes, offsets, guide):
        result[:, rows] = strip
    return result


def upsampled_strips(slopes: Tensor, offsets: Tensor, guide: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Apply small affine models to a large guide, strip by strip, which bounds memory.

    Parameters
    ----------
    slopes, offsets : Tensor, shape (C, 3, h, w) and (C, h, w)
        Enlarged bilinearly.
    guide : Tensor, shape (3, H, W)

    Yields
    ------
    rows : slice
    strip : Tensor, shape (C, rows, W)
    """
    expect_shapes("slopes: C 3 h w, offsets: C h w, guide: 3 H W", slopes, offsets, guide)
    maps = torch.cat([slopes.flatten(0, 1), offsets])
    channels, (_, height, width) = len(offsets), guide.shape
    columns = functional.interpolate(  # bilinear is separable: columns once, rows strip by strip
        maps[None], size=(maps.shape[1], width), mode="bilinear", align_corners=False
    )[0]
    for rows in strips(height, width):
        strip = enlarged_rows(columns, rows, height)
        local = strip[: 3 * channels].view(channels, 3, -1, width)
        yield rows, (local * guide[None, :, rows]).sum(dim=1) + strip[3 * channels :]


def strips(height: int, width: int) -> Iterator[slice]:
    """Rows of a large image, so many at a time that memory is bounded."""
    step = max(1, STRIP_PIXELS // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def enlarged_rows(maps: Tensor, rows: slice, height: int) -> Tensor:
    """Some rows of maps of shape (C, h, W) as enlarged bilinearly to a height; shape (C, rows, W)."""
    small = maps.shape[1]
    position = (torch.arange(rows.start, rows.stop, device=maps.device) + 0.5) * (small / height) - 0.5
    position = position.clamp(0, small - 1)
    above = position.floor().long().clamp(max=max(small - 2, 0))
    share = (position - above)[None, :, None]
    below = (above + 1).clamp(max=small - 1)
    return maps[:, above] * (1 - share) + maps[:, below] * share
