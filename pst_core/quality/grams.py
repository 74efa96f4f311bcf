"""How far a result's texture is from its style's, region by region, as the encoder sees it."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.errors import PstError
from pst_core.filters.resizing import fit_size, resize
from pst_core.network.encoder import Encoder
from pst_core.optimisation.losses import regional_gram
from pst_core.optimisation.targets import mask_pyramid
from pst_core.regions.labels import Labels, Regions

Floats = NDArray[np.float32]
QUICK_SIDE = 256  # pixels: two passes through the network take a fiftieth of a pair's time


def gram_distance(
    image: Floats, style: Floats, regions: Regions, encoder: Encoder | None, layers: tuple[str, ...]
) -> float:
    """Relative distance of regional Grams, |G[O] - G[S]|^2 / |G[S]|^2, mean over layers and matched regions.

    Parameters
    ----------
    image, style : ndarray, shape (3, H, W) and (3, H', W')
        At the sizes of the regions' label maps.
    layers
        Style layers, among those that the encoder hands out.

    Returns
    -------
    float
        0 for a result whose regions have the style's Gram matrices.

    Raises
    ------
    PstError
        If there is no encoder, or no region is in both images.
    """
    if encoder is None:
        raise PstError("The Gram distance needs a network.")
    if not regions.matched.any():
        raise PstError("The Gram distance needs a region that both images have.")
    if min(*image.shape[1:], *style.shape[1:]) < encoder.least_side:
        raise PstError(f"The Gram distance needs images of at least {encoder.least_side} pixels a side.")
    here = _grams(image, regions.content, regions.count, encoder, layers)
    there = _grams(style, regions.style, regions.count, encoder, layers)
    matched = torch.from_numpy(regions.matched)
    distances = [
        (_energy(here[layer] - there[layer]) / _energy(there[layer]).clamp_min(1e-12))[matched].mean()
        for layer in layers
    ]
    return float(torch.stack(distances).mean())


def quick_gram_distance(
    image: Floats, style: Floats, regions: Regions, encoder: Encoder | None, layers: tuple[str, ...]
) -> float:
    """Regional Gram distance of both pictures shrunk to 256 pixels; see `gram_distance`."""
    least = encoder.least_side if encoder is not None else 1
    (here, content_labels), (there, style_labels) = (
        _small(picture, labels, least)
        for picture, labels in ((image, regions.content), (style, regions.style))
    )
    small = replace(regions, content=content_labels, style=style_labels)
    return gram_distance(here, there, small, encoder, layers)


def _small(image: Floats, labels: Labels, least_side: int) -> tuple[Floats, Labels]:
    """A picture of a long side of at most `QUICK_SIDE`, with its labels; strips stay longer."""
    height, width = fit_size(labels.shape[0], labels.shape[1], QUICK_SIDE, least_side)
    shrunk = resize(torch.from_numpy(np.ascontiguousarray(image)), (height, width)).numpy()
    rows, columns = (
        ((np.arange(small) + 0.5) * (full / small)).astype(np.intp)
        for small, full in ((height, labels.shape[0]), (width, labels.shape[1]))
    )
    return shrunk, labels[rows[:, None], columns]


def _energy(grams: Tensor) -> Tensor:
    return grams.square().sum(dim=(1, 2))


@torch.no_grad()
def _grams(
    image: Floats, labels: Labels, count: int, encoder: Encoder, layers: tuple[str, ...]
) -> dict[str, Tensor]:
    """Regional Grams by layer, on the CPU."""
    device = encoder.mean.device
    features = encoder(torch.from_numpy(np.ascontiguousarray(image)).to(device)[None])
    masks = torch.stack([torch.from_numpy(labels == region).float() for region in range(count)]).to(device)
    pyramid = mask_pyramid(masks, features)
    return {
        layer: regional_gram(features[layer].float().flatten(1), pyramid[layer]).cpu() for layer in layers
    }
