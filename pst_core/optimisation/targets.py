"""What stays fixed for a pair at one size: content features, global and regional Grams, masks."""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.network.encoder import Encoder
from pst_core.optimisation.image_terms import needs_content
from pst_core.optimisation.losses import gram, regional_gram
from pst_core.settings.config import TargetSettings

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
    photographs : dict
        ``content`` -> the content at working size, shape (3, h, w), if a term of the image needs it.
    style_features, style_masks, content_masks : dict
        Style layer -> features of the style, shape (N, h, w), and masks of both photographs' regions, shape
        (R, h, w), if patches are matched.
    """

    scales: Tensors
    content: Tensors
    global_grams: Tensors
    regional_grams: Tensors
    masks: Tensors
    region_weights: Tensors
    photographs: Tensors = field(default_factory=dict)
    style_features: Tensors = field(default_factory=dict)
    style_masks: Tensors = field(default_factory=dict)
    content_masks: Tensors = field(default_factory=dict)


GROUPS = tuple(item.name for item in fields(Targets))
NO_TARGETS = Targets({}, {}, {}, {}, {}, {})


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
    settings: TargetSettings,
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
        scales[layer] = mean.clamp_min(1e-8) if settings.layer_scale == "pair" else torch.ones_like(mean)
    normalized = settings.gram == "normalized"
    here = mask_pyramid(content_masks, content_features)
    there = mask_pyramid(style_masks, style_features)
    has_style = style_masks.sum(dim=(1, 2)) > 0
    content_targets, whole, regional, weights = {}, {}, {}, {}
    for layer in settings.content_layers:
        content_targets[layer] = content_features[layer].float().flatten(1) / scales[layer]
    for layer in settings.style_layers:
        features = style_features[layer].float().flatten(1) / scales[layer]
        whole[layer] = gram(features, normalized=normalized)
        grams = regional_gram(features, there[layer], normalized=normalized)
        regional[layer] = torch.where(has_style[:, None, None], grams, whole[layer])
        weights[layer] = _region_weights(here[layer], has_style, settings)
    masks = {layer: here[layer] for layer in settings.style_layers}
    return Targets(
        scales, content_targets, whole, regional, masks, weights,
        photographs={"content": content} if needs_content(settings) else {},
        **_patch_targets(content_features, style_features, scales, here, there, settings),
    )  # fmt: skip


def _patch_targets(
    content_features: Tensors, style_features: Tensors, scales: Tensors, here: Tensors, there: Tensors,
    settings: TargetSettings,
) -> dict[str, Tensors]:  # fmt: skip
    """What matching patches takes, with each layer's own height and width."""
    if settings.style_term != "patches":
        return {}
    layers = list(settings.style_layers)
    return {
        # Contiguous, as an artifact's are: sums must not depend on how a tensor lies in memory.
        "style_features": {
            layer: (style_features[layer].float() / scales[layer]).contiguous() for layer in layers
        },
        "style_masks": {layer: _as_map(there[layer], style_features[layer]) for layer in layers},
        "content_masks": {layer: _as_map(here[layer], content_features[layer]) for layer in layers},
    }


def _as_map(masks: Tensor, features: Tensor) -> Tensor:
    """Masks of shape (R, D) with the height and width of a layer's features."""
    return masks.reshape(len(masks), *features.shape[1:])


def _region_weights(masks: Tensor, has_style: Tensor, settings: TargetSettings) -> Tensor:
    """Factors of the regions: the paper's 1, or shares, so that no small region drowns the others."""
    present = masks.sum(dim=1) > 0
    if settings.unmatched == "leave":
        present = present & has_style
    if settings.gram == "paper":
        return present.float()
    return present * masks.mean(dim=1)
