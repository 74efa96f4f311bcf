"""A pair from start to finish, in memory: each step is a function, and `stylize` walks them in order."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.color.baselines import in_gray, match_histograms, match_luminance, reinhard
from pst_core.color.transfer import transfer_colors
from pst_core.errors import DivergenceError
from pst_core.filters.guided import apply_filter, upsample_through_guide
from pst_core.images.inputs import Inputs, Source, load_inputs, load_start
from pst_core.machine import check_device, describe_device, peak_memory, reproducible
from pst_core.network.encoder import Encoder, deepest_layer, make_encoder, pick_device, pick_dtype
from pst_core.network.weights import Weights, load_weights
from pst_core.optimisation.solver import Evaluation, minimise
from pst_core.optimisation.targets import (
    NO_TARGETS,
    Targets,
    compute_targets,
    global_losses,
    layers_of,
    regional_losses,
)
from pst_core.pipeline.finish import match_colors, render
from pst_core.pipeline.walk import Stage, plan_stages, walk
from pst_core.pipeline.working import WorkingPair, make_working_pair, resize
from pst_core.regions.maps import Regions, cluster_maps
from pst_core.report import notes_of
from pst_core.settings.config import Config

__all__ = ["Progress", "Result", "StageTrace", "find_regions", "stylize"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """One evaluation of one stage, with its place in the walk."""

    stage: Stage
    stages: int
    evaluation: Evaluation


@dataclass(frozen=True)
class StageTrace:
    """Losses of one stage."""

    stage: Stage
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True, eq=False)
class Result:
    """A restyled photograph with everything needed to explain it.

    Attributes
    ----------
    image : ndarray of float32, shape (3, H, W)
        On [0, 1], sRGB, at the content's full size.
    trace : tuple of StageTrace
        Losses of every evaluation, stage by stage.
    regions : Regions
    config : Config
    inputs : Inputs
    weights : Weights
        Where the encoder's weights came from.
    color_match : float
        Strength of the closing colour match that was used.
    seconds : dict
        Time by step.
    peak_memory : int
        Largest memory of the process so far, in bytes.
    device, dtype : str
    """

    image: Floats
    trace: tuple[StageTrace, ...]
    regions: Regions
    config: Config
    inputs: Inputs
    weights: Weights
    color_match: float
    seconds: dict[str, float]
    peak_memory: int
    device: str
    dtype: str
    notes: tuple[str, ...] = ()


@dataclass
class Clock:
    """Seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the time that the block takes to a step's."""
        start = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start


def stylize(
    content: Source,
    style: Source,
    content_map: Source | None = None,
    style_map: Source | None = None,
    config: Config | None = None,
    *,
    start: Source | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> Result:
    """Give a content photograph the look of a style photograph, region by region.

    Parameters
    ----------
    content, style : path, Photograph, or ndarray of uint8 of shape (H, W, 3)
    content_map, style_map : path, SemanticMap, or ndarray of uint8 of shape (H, W, 3), optional
        Equal colours mark what belongs together. Both or neither; without them regions are found.
    config
        Settings; the default preset if not given.
    start
        An image to start from in place of ``config.init``, of the content's shape.
    callback
        Called once per evaluation of a loss.

    Raises
    ------
    PstError
        With one sentence that names what is wrong and the way out.

    References
    ----------
    R. R. Yang, "Multi-stage Optimization for Photorealistic Neural Style Transfer", CVPRW 2019.
    """
    config = config or Config()
    clock = Clock()
    with clock("read"):
        inputs = load_inputs(content, style, content_map, style_map)
        given = load_start(start, inputs) if start is not None else None
    with reproducible():
        with clock("encoder"):
            weights, encoder = open_encoder(config)
        steps = _InMemory(inputs, encoder, config, given, clock, callback)
        side = max(inputs.content.height, inputs.content.width)
        regions, (full, strength) = walk(steps, config, side)
    return Result(
        image=full,
        trace=tuple(steps.traces),
        regions=regions,
        config=config,
        inputs=inputs,
        weights=weights,
        color_match=strength,
        seconds=clock.seconds,
        peak_memory=peak_memory(),
        device=describe_device(encoder.mean.device),
        dtype=str(encoder.dtype).removeprefix("torch."),
        notes=notes_of(
            (*inputs.notes, *regions.notes),
            config,
            unmatched=bool(regions.unmatched.any()),
            trained=weights.trained,
        ),
    )


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


@dataclass(frozen=True)
class Prepared:
    """A pair at one working size, with what stays fixed there."""

    pair: WorkingPair
    targets: Targets


@dataclass
class _InMemory:
    """The steps of one pair, everything in memory."""

    inputs: Inputs
    encoder: Encoder
    config: Config
    given: Floats | None
    clock: Clock
    callback: Callable[[Progress], None] | None
    traces: list[StageTrace] = field(default_factory=list)

    def find_regions(self) -> Regions:
        with self.clock("regions"):
            return find_regions(self.inputs, self.encoder, self.config)

    def prepare(self, regions: Regions, size: int) -> Prepared:
        content, config = self.inputs.content, self.config
        with self.clock("targets"):
            pair = prepare(
                content.pixels, self.inputs.style.pixels, regions, size, config, self.encoder.mean.device
            )
            stages = plan_stages(config, max(content.height, content.width))
            return Prepared(pair, targets_of(pair, self.encoder, config) if stages else NO_TARGETS)

    def start(self, prepared: Prepared) -> Tensor:
        with self.clock("targets"):
            return start_image(prepared.pair, self.config, self.given)

    def enlarge(self, image: Tensor, coarse: Prepared, fine: Prepared) -> Tensor:
        with self.clock("targets"):
            return enlarge(image, coarse.pair, fine.pair, self.config)

    def optimise(self, image: Tensor, stage: Stage, prepared: Prepared) -> Tensor:
        content = self.inputs.content
        stages = len(plan_stages(self.config, max(content.height, content.width)))
        report = _reporter(stage, stages, self.callback)
        with self.clock(stage.name):
            image, trace = run_stage(image, stage, prepared.targets, self.encoder, self.config, report)
        self.traces.append(StageTrace(stage, tuple(trace)))
        return image

    def filter(self, image: Tensor, stage: Stage, prepared: Prepared) -> Tensor:
        with self.clock(stage.name):
            return filter_stage(image, prepared.pair, self.config)

    def render(self, image: Tensor, prepared: Prepared) -> tuple[Floats, float]:
        with self.clock("finish"):
            image, strength = match_colors(image, prepared.pair, self.config)
            return render(image, prepared.pair, self.inputs.content.pixels, self.config), strength


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


def _reporter(
    stage: Stage, stages: int, callback: Callable[[Progress], None] | None
) -> Callable[[Evaluation], None] | None:
    if callback is None:
        return None
    return lambda evaluation: callback(Progress(stage, stages, evaluation))
