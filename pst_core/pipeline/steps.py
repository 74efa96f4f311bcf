"""The steps of a pair, one function each, in the order in which `walk` takes them.

Library and pipeline call the same functions. Each takes its own section of the settings, and computes so
that the same bits come out wherever it is called from.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.color.baselines import in_gray, linear, match_histograms, match_luminance, reinhard
from pst_core.color.transfer import transfer_colors
from pst_core.errors import DivergenceError
from pst_core.filters.guided import guided_filter, upsample_through_guide
from pst_core.filters.resizing import resize
from pst_core.filters.smoothing import gaussian, highpass, total_variation
from pst_core.images.inputs import Inputs
from pst_core.machine import bring, reproducible
from pst_core.network.encoder import Encoder
from pst_core.network.finder import Finder
from pst_core.optimisation.objectives import global_losses, regional_losses
from pst_core.optimisation.patches import SIDE
from pst_core.optimisation.record import Evaluation
from pst_core.optimisation.solver import minimise
from pst_core.optimisation.targets import NO_TARGETS, Targets, compute_targets, mixed_targets
from pst_core.pipeline import finish
from pst_core.pipeline.evenness import bound_slope
from pst_core.pipeline.plan import Stage
from pst_core.pipeline.strength import at_strength
from pst_core.pipeline.working import WorkingPair, make_working_pair, mixed_pair
from pst_core.regions.found import find_regions
from pst_core.regions.labels import Regions
from pst_core.regions.maps import cluster_maps, scale_regions
from pst_core.settings.config import (
    FilterSettings,
    FinishSettings,
    FoundRegionSettings,
    GuidedFilterSettings,
    MapRegionSettings,
    PrecomputationSettings,
    StageSettings,
    StartSettings,
)

Floats = NDArray[np.float32]
WHOLE_IMAGE = {"reinhard": reinhard, "linear": linear, "histogram": match_histograms}
"""Colour transfers to start from that know no regions, by what `init` calls them."""
P = ParamSpec("P")
R = TypeVar("R")


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function a step: the one place where arithmetic is kept reproducible."""
    return reproducible()(function)


@step
def regions_of_maps(inputs: Inputs, settings: MapRegionSettings) -> Regions:
    """Regions of a pair that has semantic maps (paper, section 3)."""
    assert inputs.content_map is not None and inputs.style_map is not None
    content, style = inputs.content, inputs.style
    counted = content.counted, style.counted
    regions = cluster_maps(
        inputs.content_map, inputs.style_map, regions=settings.regions, min_share=settings.min_region_share,
        counted=counted,
    )  # fmt: skip
    return scale_regions(regions, (content.height, content.width), (style.height, style.width), counted)


@step
def regions_of_photographs(
    inputs: Inputs, finder: Finder, encoder: Encoder | None, settings: FoundRegionSettings
) -> Regions:
    """Regions found in the photographs themselves, see `find_regions`."""
    pixels = inputs.content.filled, inputs.style.filled
    counted = inputs.content.counted, inputs.style.counted
    return find_regions(*pixels, finder, encoder, settings, counted)


@step
def precompute(
    content: Floats,
    styles: Sequence[Floats],
    regions: Sequence[Regions],
    size: int,
    encoder: Encoder,
    settings: PrecomputationSettings,
    *,
    staged: bool,
) -> tuple[WorkingPair, Targets]:
    """The pair at one working size, in gray where luminance alone is transferred, and what stays fixed there.

    Parameters
    ----------
    content, styles : ndarray of float32, shape (3, H, W)
        The photographs, filled where they are invisible.
    regions
        Of the content with each style.
    size
        Long side in pixels of the working images.
    staged
        Whether any stage will ask for targets.
    """
    shares = settings.shares_of(len(styles))
    pairs = [
        _working_pair(content, style, found, size, encoder, settings)
        for style, found in zip(styles, regions, strict=True)
    ]
    if not staged:
        return mixed_pair(pairs, shares), NO_TARGETS
    targets = [_targets(pair, encoder, settings) for pair in pairs]
    return mixed_pair(pairs, shares), mixed_targets(targets, shares)


def _working_pair(
    content: Floats,
    style: Floats,
    regions: Regions,
    size: int,
    encoder: Encoder,
    settings: PrecomputationSettings,
) -> WorkingPair:
    if settings.colors == "content":
        style = match_luminance(style, content, (regions.style_counted, regions.content_counted))
        content = in_gray(content)
    positions = SIDE if settings.style_term == "patches" else 1  # that the deepest layer must have
    return make_working_pair(
        content, style, regions, size=size, device=encoder.device, softness=settings.mask_softness,
        least_side=positions * encoder.least_side, graded=_may_be_graded(regions, settings),
    )  # fmt: skip


def _targets(pair: WorkingPair, encoder: Encoder, settings: PrecomputationSettings) -> Targets:
    masks = pair.content_masks, pair.style_masks
    counted = pair.content_counted, pair.style_counted
    return compute_targets(encoder, pair.content, pair.style, *masks, settings, counted)


def _may_be_graded(regions: Regions, settings: PrecomputationSettings) -> bool:
    """Whether one even change may do: maps say themselves what belongs together, some is to be left."""
    left = settings.unmatched == "leave" and bool(regions.unmatched.any())
    return settings.common_content == "auto" and regions.source != "maps" and not left


@step
def start_image(pair: WorkingPair, settings: StartSettings, given: Floats | None = None) -> Tensor:
    """First image of the optimisation, on [0, 1]: given, or what ``settings.init`` names."""
    size = (pair.content.shape[1], pair.content.shape[2])
    if given is not None:
        return resize(bring(torch.from_numpy(given), pair.content.device), size).clamp(0, 1)
    if settings.init == "content":
        return pair.content
    if settings.init in WHOLE_IMAGE:
        return _whole_image_transfer(pair, settings.init).to(pair.content.device)
    if settings.init == "random":
        # Drawn on the CPU, so that every device starts from the same pixels.
        generator = torch.Generator().manual_seed(settings.seed)
        return torch.rand(3, *size, generator=generator).to(pair.content.device)
    source, target = pair.colors_of(pair.content), pair.wanted_colors(pair.content, settings.unmatched)
    regional = transfer_colors(pair.content, source, target, pair.soft_masks).clamp(0, 1)
    return pair.toward_grade(regional, pair.content)


def _whole_image_transfer(pair: WorkingPair, name: str) -> Tensor:
    content, style = pair.content.cpu().numpy(), pair.style.cpu().numpy()
    moved = np.zeros_like(content)
    for number, share in enumerate(pair.shares.tolist()):
        moved += share * WHOLE_IMAGE[name](content, style, pair.counted(number))
    return torch.from_numpy(moved)


@step
def enlarge(image: Tensor, pair: WorkingPair, finer: WorkingPair, settings: GuidedFilterSettings) -> Tensor:
    """Carry the image to the next size through the content's structure."""
    return upsample_through_guide(
        image, pair.content, finer.content, settings.filter_radius, settings.filter_epsilon
    ).clamp(0, 1)


@step
def run_stage(
    image: Tensor,
    stage: Stage,
    targets: Targets,
    encoder: Encoder,
    settings: StageSettings,
    callback: Callable[[Stage, Evaluation], None] | None = None,
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
            losses(encoder, targets, settings, stage.round, even_slopes=settings.gradients == "even"),
            iterations=stage.iterations,
            optimizer=settings.optimizer,
            step=settings.step,
            history=settings.history,
            callback=None if callback is None else partial(callback, stage),
        )
    except DivergenceError as error:
        raise DivergenceError(f"In {stage.name}: {error}") from error


@step
def filter_stage(image: Tensor, pair: WorkingPair, settings: FilterSettings) -> Tensor:
    """Filter a stage's result; regions that are to be left get their content back."""
    image = _filtered(image, pair.content, settings)
    return pair.restore_left(image, settings.unmatched)


def _filtered(image: Tensor, content: Tensor, settings: FilterSettings) -> Tensor:
    """Apply the filter that the settings name; the outcome is on [0, 1]."""
    if settings.filter == "guided":
        image = guided_filter(image, content, settings.filter_radius, settings.filter_epsilon)
    elif settings.filter == "gaussian":
        image = gaussian(image, settings.filter_sigma)
    elif settings.filter == "highpass":
        image = highpass(image, settings.filter_sigma, settings.filter_strength)
    elif settings.filter == "tv":
        image = total_variation(image, settings.tv_weight)
    return image.clamp(0, 1)


@step
def render(
    image: Tensor, pair: WorkingPair, content: Floats, settings: FinishSettings
) -> tuple[Floats, float]:
    """Match colours a last time, bring the image to full size, and show as much of the style as is asked for.

    Parameters
    ----------
    image : Tensor, shape (3, h, w)
    content : ndarray of float32, shape (3, H, W)
        Filled where it is invisible.

    Returns
    -------
    full : ndarray of float32, shape (3, H, W)
        On [0, 1].
    color_match : float
        Strength of the closing colour match.
    """
    matched, color_match = finish.match_colors(image, pair, settings)
    even = bound_slope(matched, pair, settings.max_slope)
    full = finish.render(even, pair, content, settings)
    return at_strength(full, pair, content, settings.strength), color_match
