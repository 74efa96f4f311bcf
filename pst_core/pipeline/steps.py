"""A pair from start to finish, in memory: each step is a function, and `stylize` walks them in order."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.color.baselines import in_gray, match_histograms, match_luminance, reinhard
from pst_core.color.transfer import transfer_colors
from pst_core.errors import DivergenceError
from pst_core.filters.guided import guided_filter, upsample_through_guide
from pst_core.filters.resizing import resize
from pst_core.filters.smoothing import gaussian, highpass, total_variation
from pst_core.images.inputs import Inputs
from pst_core.machine import check_device, pick_device, pick_dtype
from pst_core.network.encoder import Encoder, deepest_layer, make_encoder
from pst_core.network.weights import Weights, load_weights
from pst_core.optimisation.objectives import global_losses, regional_losses
from pst_core.optimisation.record import Evaluation
from pst_core.optimisation.solver import minimise
from pst_core.optimisation.targets import Targets, compute_targets, layers_of
from pst_core.pipeline.plan import Stage
from pst_core.pipeline.working import WorkingPair, make_working_pair
from pst_core.regions.labels import Regions
from pst_core.regions.maps import cluster_maps
from pst_core.settings.config import Config

__all__ = ["find_regions"]

Floats = NDArray[np.float32]


def open_encoder(config: Config) -> tuple[Weights, Encoder]:
    """The weights and the process-wide encoder that the settings name."""
    device = check_device(config.device)
    layers = layers_of(config)
    weights = load_weights(config.weights, deepest_layer(layers), config.weights_convention)
    return weights, make_encoder(weights, layers, pick_dtype(config.precision, device), device)


def find_regions(inputs: Inputs, encoder: Encoder | None, config: Config) -> Regions:
    """Regions of a pair: from its maps, or found in the photographs themselves.

    Parameters
    ----------
    encoder
        Needed for clustering photographs alone.
    """
    if inputs.content_map is not None and inputs.style_map is not None:
        return cluster_maps(
            inputs.content_map.colors,
            inputs.style_map.colors,
            regions=config.regions,
            min_share=config.min_region_share,
            names=(str(inputs.content_map.path), str(inputs.style_map.path)),
        )
    if config.segmentation == "deeplab":
        from pst_core.regions.deeplab import segment_pair

        return segment_pair(inputs.content.pixels, inputs.style.pixels, pick_device(config.device))
    from pst_core.regions.photographs import cluster_photographs

    if encoder is None:
        raise ValueError("clustering photographs takes an encoder")
    return cluster_photographs(inputs.content.pixels, inputs.style.pixels, encoder, config)


def prepare(
    content: Floats, style: Floats, regions: Regions, size: int, config: Config, device: torch.device
) -> WorkingPair:
    """The pair at one working size; in gray where luminance alone is transferred.

    Parameters
    ----------
    content, style : ndarray of float32, shape (3, H, W)
        Both photographs as they were read.
    """
    if config.colors == "content":
        style, content = match_luminance(style, content), in_gray(content)
    return make_working_pair(content, style, regions, size=size, device=device, softness=config.mask_softness)


def targets_of(pair: WorkingPair, encoder: Encoder, config: Config) -> Targets:
    """Targets of a pair at its working size."""
    return compute_targets(encoder, pair.content, pair.style, pair.content_masks, pair.style_masks, config)


def start_image(pair: WorkingPair, config: Config, given: Floats | None = None) -> Tensor:
    """First image of the optimisation, on [0, 1]: given, or what ``config.init`` names."""
    size = (pair.content.shape[1], pair.content.shape[2])
    if given is not None:
        return resize(torch.from_numpy(given).to(pair.content.device), size).clamp(0, 1)
    if config.init == "content":
        return pair.content
    if config.init in ("reinhard", "histogram"):
        transfer = reinhard if config.init == "reinhard" else match_histograms
        moved = transfer(pair.content.cpu().numpy(), pair.style.cpu().numpy())
        return torch.from_numpy(moved).to(pair.content.device)
    if config.init == "random":
        # Drawn on the CPU, so that every device starts from the same pixels.
        generator = torch.Generator().manual_seed(config.seed)
        return torch.rand(3, *size, generator=generator).to(pair.content.device)
    source, target = pair.colors_of(pair.content), pair.wanted_colors(pair.content, config.unmatched)
    return transfer_colors(pair.content, source, target, pair.soft_masks).clamp(0, 1)


def enlarge(image: Tensor, pair: WorkingPair, finer: WorkingPair, config: Config) -> Tensor:
    """Carry the image to the next size through the content's structure."""
    return upsample_through_guide(
        image, pair.content, finer.content, config.filter_radius, config.filter_epsilon
    ).clamp(0, 1)


def run_stage(
    image: Tensor,
    stage: Stage,
    targets: Targets,
    encoder: Encoder,
    config: Config,
    callback: Callable[[Evaluation], None] | None = None,
) -> tuple[Tensor, list[Evaluation]]:
    """Optimise one stage; its result is not yet filtered.

    Raises
    ------
    DivergenceError
        If the loss is no number even at the smallest step length.
    """
    losses = global_losses if stage.kind == "global" else regional_losses
    try:
        return minimise(
            image,
            losses(encoder, targets, config, stage.round),
            iterations=stage.iterations,
            optimizer=config.optimizer,
            step=config.step,
            history=config.history,
            callback=callback,
        )
    except DivergenceError as error:
        raise DivergenceError(f"In {stage.name}: {error}") from error


def filter_stage(image: Tensor, pair: WorkingPair, config: Config) -> Tensor:
    """Filter a stage's result; regions that are to be left get their content back."""
    image = apply_filter(image, pair.content, config)
    return pair.restore_left(image, config.unmatched)


def apply_filter(image: Tensor, content: Tensor, config: Config) -> Tensor:
    """Apply the filter that `config` names to a stage's result; the outcome is on [0, 1]."""
    if config.filter == "guided":
        image = guided_filter(image, content, config.filter_radius, config.filter_epsilon)
    elif config.filter == "gaussian":
        image = gaussian(image, config.filter_sigma)
    elif config.filter == "highpass":
        image = highpass(image, config.filter_sigma, config.filter_strength)
    elif config.filter == "tv":
        image = total_variation(image, config.tv_weight)
    return image.clamp(0, 1)
