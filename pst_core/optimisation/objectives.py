"""Equations (1) and (2) as functions of the image, each with content, style and image terms."""

from collections.abc import Callable

import torch
from torch import Tensor

from pst_core.network.encoder import Encoder
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
from pst_core.settings.config import Config

__all__ = ["global_losses", "regional_losses"]


Tensors = dict[str, Tensor]
Objective = Callable[[Tensor], Losses]


def global_losses(encoder: Encoder, targets: Targets, config: Config, turn: int = 0) -> Objective:
    """Equation (1) as a function of the image.

    Parameters
    ----------
    turn
        Round of the stage, from 0: terms of the image may set in later.
    """
    normalized = config.gram == "normalized"

    def style_term(features: Tensors) -> Tensor:
        terms = [
            weight
            * style_loss(gram(features[layer].flatten(1), normalized=normalized), targets.global_grams[layer])
            for layer, weight in config.style_layers.items()
        ]
        return torch.stack(terms).sum()

    return _objective(encoder, targets, config, style_term, turn)


def regional_losses(encoder: Encoder, targets: Targets, config: Config, turn: int = 0) -> Objective:
    """Equation (2) as a function of the image; its content term is equation (1)'s (masks partition)."""
    style_term = _patch_term if config.style_term == "patches" else _regional_gram_term
    return _objective(encoder, targets, config, style_term(targets, config), turn)


def _regional_gram_term(targets: Targets, config: Config) -> Callable[[Tensors], Tensor]:
    normalized = config.gram == "normalized"
    supports = {layer: mask_supports(mask, normalized=normalized) for layer, mask in targets.masks.items()}

    def term(features: Tensors) -> Tensor:
        terms = []
        for layer, weight in config.style_layers.items():
            grams = supported_gram(features[layer].flatten(1), supports[layer])
            loss = style_loss(grams, targets.regional_grams[layer], targets.region_weights[layer])
            terms.append(weight * loss)
        return torch.stack(terms).sum()

    return term


def _patch_term(targets: Targets, config: Config) -> Callable[[Tensors], Tensor]:
    """Champandard's style term: every patch of the image against its best counterpart in the style."""
    from pst_core.optimisation.patches import patch_loss, style_patches

    patches = {
        layer: style_patches(features, targets.style_masks[layer], config.semantic_weight)
        for layer, features in targets.style_features.items()
    }

    def term(features: Tensors) -> Tensor:
        terms = [
            weight * patch_loss(features[layer], targets.content_masks[layer], patches[layer])
            for layer, weight in config.style_layers.items()
        ]
        return torch.stack(terms).sum()

    return term


def _objective(
    encoder: Encoder, targets: Targets, config: Config, style_term: Callable[[Tensors], Tensor], turn: int
) -> Objective:
    """Content, style and image terms together."""
    image_term = make_image_term(targets.photographs.get("content"), config, turn)

    def losses(image: Tensor) -> Losses:
        features = {
            layer: value.float() / targets.scales[layer] for layer, value in encoder(image[None]).items()
        }
        content = config.content_weight * _content_term(features, targets, config)
        style = config.style_weight * style_term(features)
        total = content + style
        return Losses(total if image_term is None else total + image_term(image), content, style)

    return losses


def _content_term(features: Tensors, targets: Targets, config: Config) -> Tensor:
    terms = [
        weight * content_loss(features[layer].flatten(1), targets.content[layer])
        for layer, weight in config.content_layers.items()
    ]
    return torch.stack(terms).sum() if terms else next(iter(features.values())).new_zeros(())
