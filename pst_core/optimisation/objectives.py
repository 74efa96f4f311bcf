"""Equations (1) and (2) as functions of the image, each with content, style, colour and image terms."""

from collections.abc import Callable

import torch
from torch import Tensor

from pst_core.filters.guided import GuidedFilter
from pst_core.network.encoder import Encoder
from pst_core.optimisation.colors import color_loss, running_sums
from pst_core.optimisation.image_terms import make_image_term
from pst_core.optimisation.losses import (
    Losses,
    content_loss,
    gram,
    mask_supports,
    style_loss,
    supported_gram,
)
from pst_core.optimisation.targets import Targets
from pst_core.settings.config import LossSettings, StageSettings

Tensors = dict[str, Tensor]
Objective = Callable[[Tensor], Losses]


def global_losses(
    encoder: Encoder,
    targets: Targets,
    settings: StageSettings,
    round_index: int = 0,
    *,
    even_slopes: bool = False,
) -> Objective:
    """Equation (1) as a function of the image.

    Parameters
    ----------
    round_index
        Round of the stage, from 0: terms of the image may set in later.
    even_slopes
        For descents that are to end alike on every device: the losses are the same, but where their slopes
        jump, in the network (see `slopes`) and among equal colours, they change gradually instead.
    """
    normalized = settings.gram == "normalized"

    supports = {
        layer: mask_supports(targets.counted[layer], normalized=normalized)
        for layer in settings.style_layers
        if layer in targets.counted
    }

    def _whole_gram(features: Tensor, layer: str) -> Tensor:
        if layer in supports:
            return supported_gram(features.flatten(1), supports[layer])[0]
        return gram(features.flatten(1), normalized=normalized)

    def style_term(features: Tensors) -> Tensor:
        terms = [
            weight * style_loss(_whole_gram(features[layer], layer), targets.global_grams[layer])
            for layer, weight in settings.style_layers.items()
        ]
        return torch.stack(terms).sum()

    return _objective(encoder, targets, settings, style_term, round_index, even_slopes)


def regional_losses(
    encoder: Encoder,
    targets: Targets,
    settings: StageSettings,
    round_index: int = 0,
    *,
    even_slopes: bool = False,
) -> Objective:
    """Equation (2) as a function of the image; its content term is equation (1)'s (masks partition).

    Parameters
    ----------
    round_index, even_slopes
        As in `global_losses`.
    """
    style_term = _patch_term if settings.style_term == "patches" else _regional_gram_term
    term = style_term(targets, settings)
    return _objective(encoder, targets, settings, term, round_index, even_slopes)


def _regional_gram_term(targets: Targets, settings: LossSettings) -> Callable[[Tensors], Tensor]:
    normalized = settings.gram == "normalized"
    supports = {layer: mask_supports(mask, normalized=normalized) for layer, mask in targets.masks.items()}

    def term(features: Tensors) -> Tensor:
        terms = []
        for layer, weight in settings.style_layers.items():
            grams = supported_gram(features[layer].flatten(1), supports[layer])
            loss = style_loss(grams, targets.regional_grams[layer], targets.region_weights[layer])
            terms.append(weight * loss)
        return torch.stack(terms).sum()

    return term


def _patch_term(targets: Targets, settings: LossSettings) -> Callable[[Tensors], Tensor]:
    """Champandard's style term: every patch of the image against its best counterpart in the style."""
    from pst_core.optimisation.patches import patch_loss, style_patches

    patches = {
        layer: style_patches(
            features, targets.style_masks[layer], settings.semantic_weight, targets.style_counted.get(layer)
        )
        for layer, features in targets.style_features.items()
    }

    def term(features: Tensors) -> Tensor:
        terms = []
        for layer, weight in settings.style_layers.items():
            semantic, counted = targets.content_masks[layer], targets.counted.get(layer)
            terms.append(weight * patch_loss(features[layer], semantic, patches[layer], counted=counted))
        return torch.stack(terms).sum()

    return term


def _objective(
    encoder: Encoder,
    targets: Targets,
    settings: StageSettings,
    style_term: Callable[[Tensors], Tensor],
    round_index: int,
    even_slopes: bool,
) -> Objective:
    """Content, style, colour and image terms together; of the filtered image, if the filter is inside."""
    photograph = targets.photographs.get("content")
    image_term = make_image_term(photograph, settings, round_index)
    seen = _filter_inside(photograph, settings)
    sums = running_sums(targets.colors) if even_slopes else None

    def losses(image: Tensor) -> Losses:
        image = seen(image)
        found = encoder(image[None], even_slopes=even_slopes)
        features = {layer: value.float() / targets.scales[layer] for layer, value in found.items()}
        content = settings.content_weight * _content_term(features, targets, settings)
        style = settings.style_weight * style_term(features)
        total = content + style
        if settings.color_weight > 0:
            distance = color_loss(image, targets.color_positions, targets.colors, targets.color_shares, sums)
            total = total + settings.color_weight * distance
        return Losses(total if image_term is None else total + image_term(image), content, style)

    return losses


def _filter_inside(content: Tensor | None, settings: StageSettings) -> Callable[[Tensor], Tensor]:
    """What the losses see of an image: itself, or what the guided filter leaves of it."""
    if content is None or not settings.filter_inside or settings.filter != "guided":
        return lambda image: image
    return GuidedFilter(content, settings.filter_radius, settings.filter_epsilon)


def _content_term(features: Tensors, targets: Targets, settings: LossSettings) -> Tensor:
    """The content loss of every layer, a mean over the positions that count.

    The others are held to their filling all the same: what is nowhere compared would wander off, and networks
    and filters see it from beside it.
    """
    terms = []
    for layer, weight in settings.content_layers.items():
        loss = weight * content_loss(features[layer].flatten(1), targets.content[layer])
        counted = targets.counted.get(layer)
        terms.append(loss if counted is None else loss / counted.mean())
    return torch.stack(terms).sum() if terms else next(iter(features.values())).new_zeros(())
