"""What stays fixed for a pair at one size: content features, global and regional Grams, masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.network.encoder import Encoder
from pst_core.optimisation.colors import color_targets
from pst_core.optimisation.image_terms import needs_content
from pst_core.optimisation.losses import regional_gram, whole_gram
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
        ``content`` -> the content at working size, shape (3, h, w), if `needs_content`.
    style_features, style_masks, content_masks : dict
        Style layer -> features of the style, shape (N, h, w), and masks of both photographs' regions, shape
        (R, h, w), if patches are matched.
    counted : dict
        Layer -> share of each position of the content that counts, shape (1, D); empty where all do.
    style_counted : dict
        Style layer -> that share of the style's, shape (h, w), if patches are matched; empty where all do.
    color_positions, colors : dict
        Region's number -> pixels at which its colours are looked at, and what they should be there: see
        `color_targets`.
    color_shares : dict
        Region's number -> its style's share, shape (), if several styles are mixed.
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
    counted: Tensors = field(default_factory=dict)
    style_counted: Tensors = field(default_factory=dict)
    color_positions: Tensors = field(default_factory=dict)
    colors: Tensors = field(default_factory=dict)
    color_shares: Tensors = field(default_factory=dict)


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
    counted: tuple[Tensor, Tensor] | None = None,
) -> Targets:
    """Run the encoder once over each photograph.

    Parameters
    ----------
    content, style : Tensor, shape (3, H, W)
    content_masks, style_masks : Tensor, shape (R, H, W)
        A region that the style lacks has an empty style mask: its target is the whole style's Gram
        (``unmatched="style"``), or it is left out of the style loss (``"leave"``).
    counted : pair of Tensor, shape (1, H, W), optional
        Share of each pixel of content and style that counts; all do unless given.
    """
    content_features, style_features = encoder(content[None]), encoder(style[None])
    seen_here, seen_there = (
        _pyramid(shares, features)
        for shares, features in zip(counted or (None, None), (content_features, style_features), strict=True)
    )
    scales = {}
    for layer, value in content_features.items():
        mean = (_mean(value, seen_here.get(layer)) + _mean(style_features[layer], seen_there.get(layer))) / 2
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
        whole[layer] = whole_gram(features, seen_there.get(layer), normalized=normalized)
        grams = regional_gram(features, there[layer], normalized=normalized)
        regional[layer] = torch.where(has_style[:, None, None], grams, whole[layer])
        weights[layer] = _region_weights(here[layer], has_style, seen_here.get(layer), settings)
    masks = {layer: here[layer] for layer in settings.style_layers}
    return Targets(
        scales, content_targets, whole, regional, masks, weights,
        photographs={"content": content} if needs_content(settings) else {},
        counted=seen_here,
        **_color_targets(style, content_masks, style_masks, has_style, counted, settings),
        **_patch_targets(content_features, style_features, scales, here, there, seen_there, settings),
    )  # fmt: skip


def mixed_targets(targets: Sequence[Targets], shares: Sequence[float]) -> Targets:
    """Targets of one content and several styles: each style's regions count by its share.

    A loss is quadratic in Gram matrices and in sorted colours: where the styles' regions are alike, it is
    least at the mean of what the styles ask for. The targets of one style alone stay as they are.

    Parameters
    ----------
    targets
        Of the content with each style.
    shares
        Of each style, together 1.
    """
    if len(targets) == 1:
        return targets[0]
    scales = {
        layer: _sum([share * one.scales[layer] for one, share in zip(targets, shares, strict=True)])
        for layer in targets[0].scales
    }
    alike = [_rescaled(one, scales) for one in targets]
    each, layers = list(zip(alike, shares, strict=True)), list(alike[0].global_grams)
    return replace(
        alike[0],
        global_grams={
            layer: _sum([share * one.global_grams[layer] for one, share in each]) for layer in layers
        },
        regional_grams={layer: torch.cat([one.regional_grams[layer] for one in alike]) for layer in layers},
        masks={layer: torch.cat([one.masks[layer] for one in alike]) for layer in layers},
        region_weights={
            layer: torch.cat([share * one.region_weights[layer] for one, share in each]) for layer in layers
        },
        **_mixed_colors(targets, shares),
    )


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).sum(dim=0)


def _rescaled(targets: Targets, scales: Tensors) -> Targets:
    """Targets of features that are divided by other scales; Gram matrices are quadratic in them."""
    gains = {layer: targets.scales[layer] / scale for layer, scale in scales.items()}
    return replace(
        targets,
        scales=scales,
        content={layer: gains[layer] * features for layer, features in targets.content.items()},
        global_grams={layer: gains[layer] ** 2 * grams for layer, grams in targets.global_grams.items()},
        regional_grams={layer: gains[layer] ** 2 * grams for layer, grams in targets.regional_grams.items()},
    )


def _mixed_colors(targets: Sequence[Targets], shares: Sequence[float]) -> dict[str, Tensors]:
    """Colours of all styles' regions, numbered one style after another."""
    mixed: dict[str, Tensors] = {"color_positions": {}, "colors": {}, "color_shares": {}}
    first = 0
    for one, share in zip(targets, shares, strict=True):
        for region, inside in one.color_positions.items():
            number = str(first + int(region))
            mixed["color_positions"][number], mixed["colors"][number] = inside, one.colors[region]
            mixed["color_shares"][number] = one.colors[region].new_tensor(share)
        first += max(len(weights) for weights in one.region_weights.values())
    return mixed


def _color_targets(
    style: Tensor, content_masks: Tensor, style_masks: Tensor, has_style: Tensor,
    counted: tuple[Tensor, Tensor] | None, settings: TargetSettings,
) -> dict[str, Tensors]:  # fmt: skip
    """The colours of each region; a region that the style lacks takes the whole style's, or is left out."""
    if settings.color_weight == 0:
        return {}
    if settings.unmatched == "style":
        whole = torch.ones_like(style[:1]) if counted is None else counted[1]
        style_masks = torch.where(has_style[:, None, None], style_masks, whole)
    positions, wanted = color_targets(style, content_masks, style_masks)
    return {"color_positions": positions, "colors": wanted}


def _pyramid(counted: Tensor | None, features: Tensors) -> Tensors:
    """Shares of each layer's positions that count, shape (1, D); empty where all do."""
    return {} if counted is None or (counted == 1).all() else mask_pyramid(counted, features)


def _mean(features: Tensor, counted: Tensor | None) -> Tensor:
    """Mean activation of a layer, over what counts."""
    values = features.float()
    if counted is None:
        return values.mean()
    return (values.flatten(1) * counted).mean() / counted.mean()


def _patch_targets(
    content_features: Tensors, style_features: Tensors, scales: Tensors, here: Tensors, there: Tensors,
    seen_there: Tensors, settings: TargetSettings,
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
        "style_counted": {
            layer: _as_map(seen_there[layer], style_features[layer])[0] for layer in layers if seen_there
        },
    }


def _as_map(masks: Tensor, features: Tensor) -> Tensor:
    """Masks of shape (R, D) with the height and width of a layer's features."""
    return masks.reshape(len(masks), *features.shape[1:])


def _region_weights(
    masks: Tensor, has_style: Tensor, counted: Tensor | None, settings: TargetSettings
) -> Tensor:
    """Factors of the regions: the paper's 1, or shares of what counts: no small one drowns the others."""
    present = masks.sum(dim=1) > 0
    if settings.unmatched == "leave":
        present = present & has_style
    if settings.gram == "paper":
        return present.float()
    shares = masks.mean(dim=1)
    return present * (shares if counted is None else shares / counted.mean())
