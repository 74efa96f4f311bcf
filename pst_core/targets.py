"""What stays fixed for a pair at one size: content features, global and regional Grams, masks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.config import Config
from pst_core.encoder import Encoder
from pst_core.losses import (
    content_loss,
    gram,
    mask_supports,
    regional_gram,
    style_loss,
    supported_gram,
)
from pst_core.solver import Losses

__all__ = ["GROUPS", "Targets", "compute_targets", "global_losses", "layers_of", "regional_losses"]

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Targets:
    """Targets of both stages, by layer; features are divided by the layer's scale.

    Attributes
    ----------
    scales : dict
        Layer -> scalar tensor that features are divided by.
    content : dict
        Content layer -> features of the content, shape (N, D).
    global_grams, regional_grams : dict
        Style layer -> Gram of the style, shape (N, N) and (R, N, N).
    masks : dict
        Style layer -> masks of the content's regions, shape (R, D).
    region_weights : dict
        Style layer -> factor of each region in the style loss, shape (R,).
    """

    scales: Tensors
    content: Tensors
    global_grams: Tensors
    regional_grams: Tensors
    masks: Tensors
    region_weights: Tensors


GROUPS = ("scales", "content", "global_grams", "regional_grams", "masks", "region_weights")


def layers_of(config: Config) -> frozenset[str]:
    """Layers whose features the losses need."""
    return frozenset(config.content_layers) | frozenset(config.style_layers)


def mask_pyramid(masks: Tensor, features: dict[str, Tensor]) -> Tensors:
    """Area averages of masks at each layer's size, so that a small region fades but does not vanish.

    Parameters
    ----------
    masks : Tensor, shape (R, H, W)
    features : dict
        Layer -> tensor of shape (N, H_l, W_l), which gives the sizes.

    Returns
    -------
    dict
        Layer -> tensor of shape (R, H_l * W_l).
    """
    sizes = {layer: (value.shape[1], value.shape[2]) for layer, value in features.items()}
    return {layer: functional.adaptive_avg_pool2d(masks, size).flatten(1) for layer, size in sizes.items()}


@torch.no_grad()
def compute_targets(
    encoder: Encoder,
    content: Tensor,
    style: Tensor,
    content_masks: Tensor,
    style_masks: Tensor,
    config: Config,
) -> Targets:
    """Run the encoder once over each photograph.

    Parameters
    ----------
    content, style : Tensor, shape (3, H, W)
    content_masks, style_masks : Tensor, shape (R, H, W)
        A region that the style lacks has an empty style mask: its target is the whole style's Gram
        (``unmatched="style"``), or it is left out of the style loss (``"leave"``).
    """
    content_features, style_features = encoder(content[None]), encoder(style[None])
    scales = {}
    for layer, value in content_features.items():
        mean = (value.float().mean() + style_features[layer].float().mean()) / 2
        scales[layer] = mean.clamp_min(1e-8) if config.layer_scale == "pair" else torch.ones_like(mean)
    normalized = config.gram == "normalized"
    here = mask_pyramid(content_masks, content_features)
    there = mask_pyramid(style_masks, style_features)
    has_style = style_masks.sum(dim=(1, 2)) > 0
    content_targets, whole, regional, weights = {}, {}, {}, {}
    for layer in config.content_layers:
        content_targets[layer] = content_features[layer].float().flatten(1) / scales[layer]
    for layer in config.style_layers:
        features = style_features[layer].float().flatten(1) / scales[layer]
        whole[layer] = gram(features, normalized=normalized)
        grams = regional_gram(features, there[layer], normalized=normalized)
        regional[layer] = torch.where(has_style[:, None, None], grams, whole[layer])
        weights[layer] = _region_weights(here[layer], has_style, config)
    masks = {layer: here[layer] for layer in config.style_layers}
    return Targets(scales, content_targets, whole, regional, masks, weights)


def _region_weights(masks: Tensor, has_style: Tensor, config: Config) -> Tensor:
    """Factors of the regions: the paper's 1, or shares, so that no small region drowns the others."""
    present = masks.sum(dim=1) > 0
    if config.unmatched == "leave":
        present = present & has_style
    if config.gram == "paper":
        return present.float()
    return present * masks.mean(dim=1)


def global_losses(encoder: Encoder, targets: Targets, config: Config) -> Callable[[Tensor], Losses]:
    """Equation (1) as a function of the image."""

    def losses(image: Tensor) -> Losses:
        features = _scaled_features(encoder, targets, image)
        normalized = config.gram == "normalized"
        terms = [
            weight * style_loss(gram(features[layer], normalized=normalized), targets.global_grams[layer])
            for layer, weight in config.style_layers.items()
        ]
        return _total(_content_term(features, targets, config), torch.stack(terms).sum(), config)

    return losses


def regional_losses(encoder: Encoder, targets: Targets, config: Config) -> Callable[[Tensor], Losses]:
    """Equation (2) as a function of the image; its content term is equation (1)'s (masks partition)."""
    normalized = config.gram == "normalized"
    supports = {layer: mask_supports(mask, normalized=normalized) for layer, mask in targets.masks.items()}

    def losses(image: Tensor) -> Losses:
        features = _scaled_features(encoder, targets, image)
        terms = []
        for layer, weight in config.style_layers.items():
            grams = supported_gram(features[layer], supports[layer])
            loss = style_loss(grams, targets.regional_grams[layer], targets.region_weights[layer])
            terms.append(weight * loss)
        return _total(_content_term(features, targets, config), torch.stack(terms).sum(), config)

    return losses


def _scaled_features(encoder: Encoder, targets: Targets, image: Tensor) -> Tensors:
    features = encoder(image[None])
    return {layer: value.float().flatten(1) / targets.scales[layer] for layer, value in features.items()}


def _content_term(features: Tensors, targets: Targets, config: Config) -> Tensor:
    terms = [
        weight * content_loss(features[layer], targets.content[layer])
        for layer, weight in config.content_layers.items()
    ]
    return torch.stack(terms).sum() if terms else next(iter(features.values())).new_zeros(())


def _total(content: Tensor, style: Tensor, config: Config) -> Losses:
    content, style = config.content_weight * content, config.style_weight * style
    return Losses(content + style, content, style)
