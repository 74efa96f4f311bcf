"""How far a result's texture is from its style's, region by region, as the encoder sees it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.errors import PstError
from pst_core.network.encoder import Encoder
from pst_core.optimisation.losses import regional_gram
from pst_core.optimisation.targets import mask_pyramid
from pst_core.regions.labels import Labels, Regions

Floats = NDArray[np.float32]


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
    here = _grams(image, regions.content, regions.count, encoder, layers)
    there = _grams(style, regions.style, regions.count, encoder, layers)
    matched = torch.from_numpy(regions.matched)
    distances = [
        (_energy(here[layer] - there[layer]) / _energy(there[layer]).clamp_min(1e-12))[matched].mean()
        for layer in layers
    ]
    return float(torch.stack(distances).mean())


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
