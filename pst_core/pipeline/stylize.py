"""The library call: a pair from start to finish, everything in memory."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pst_core.images.inputs import Inputs, Source, load_mixture, load_start
from pst_core.machine import describe_device, peak_memory
from pst_core.network.encoder import Encoder, open_encoder
from pst_core.network.finder import Finder
from pst_core.network.weights import Weights
from pst_core.optimisation.record import Evaluation
from pst_core.optimisation.targets import Targets
from pst_core.pipeline import steps
from pst_core.pipeline.notes import notes_of
from pst_core.pipeline.plan import Stage, plan_stages
from pst_core.pipeline.regions import finder_for, regions_of
from pst_core.pipeline.trace import StageTrace
from pst_core.pipeline.walk import walk
from pst_core.pipeline.working import WorkingPair
from pst_core.regions.labels import Regions
from pst_core.settings.config import Config
from pst_core.streams import own_stream, turn

Floats = NDArray[np.float32]
Several = Sequence[Source]


@dataclass(frozen=True, eq=False)
class Result:
    """A restyled photograph with everything needed to explain it.

    Attributes
    ----------
    image : ndarray of float32, shape (3, H, W)
        On [0, 1], sRGB, at the content's full size; what the content hides under full transparency as it was.
    trace : tuple of StageTrace
        Losses of every evaluation, stage by stage.
    regions, inputs : Regions, Inputs
        Of the content with its first style.
    config : Config
    weights : Weights
        Where the encoder's weights came from.
    color_match : float
        Strength of the closing colour match that was used.
    seconds : dict
        Time by step.
    peak_memory : int
        Largest memory of the process so far, in bytes.
    device, dtype : str
    further_regions : tuple of Regions
        Of the content with each further style.
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
    further_regions: tuple[Regions, ...] = ()


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
    style: Source | Several,
    content_map: Source | None = None,
    style_map: Source | Several | None = None,
    config: Config | None = None,
    *,
    start: Source | None = None,
    callback: Callable[[Stage, Evaluation], None] | None = None,
) -> Result:
    """Give a content photograph the look of a style photograph, region by region, or a mixture of several.

    Parameters
    ----------
    content, style : path, Photograph, or ndarray of uint8 of shape (H, W, 3)
        Several styles are a list; ``config.shares`` says how much of each there is.
    content_map, style_map : path, SemanticMap, or ndarray of uint8 of shape (H, W, 3), optional
        Equal colours mark what belongs together. Both or neither; without them regions are found. Several
        styles have a list of maps.
    config
        Settings; the default preset if not given.
    start
        An image to start from in place of ``config.init``, of the content's shape.
    callback
        Called with the stage once per evaluation of its loss.

    Raises
    ------
    PstError
        With one sentence that names what is wrong and the way out.

    References
    ----------
    R. R. Yang, "Multi-stage Optimization for Photorealistic Neural Style Transfer", CVPRW 2019.

    Examples
    --------
    >>> content, style = np.random.default_rng(0).integers(0, 256, (2, 40, 48, 3), np.uint8)
    >>> quickly = Config(weights="untrained", size=32, rounds=1, global_iterations=1, regional_iterations=1)
    >>> stylize(content, style, config=quickly).image.shape
    (3, 40, 48)
    """
    config = config or Config()
    clock = Clock()
    with clock("read"):
        maps = None if style_map is None else _several(style_map)
        inputs = load_mixture(content, _several(style), content_map, maps)
        config.shares_of(len(inputs))  # what is wrong with them is told before any work
        given = load_start(start, inputs[0]) if start is not None else None
    with clock("encoder"):
        weights, encoder = open_encoder(config, config.layers)
        finder = finder_for(inputs[0], config)
    side = max(inputs[0].content.height, inputs[0].content.width)
    taken = _InMemory(inputs, finder, encoder, config, given, plan_stages(config, side), clock, callback)
    with own_stream(encoder.device):
        regions, (full, strength) = walk(taken, config, side)
    return Result(
        image=full, trace=tuple(taken.traces), regions=regions[0], config=config, inputs=inputs[0],
        weights=weights, color_match=strength, seconds=clock.seconds, peak_memory=peak_memory(),
        device=describe_device(encoder.device), dtype=encoder.arithmetic,
        notes=notes_of(
            [*chain(*(each.notes for each in inputs), *(each.notes for each in regions))], config,
            unmatched=any(bool(each.unmatched.any()) for each in regions), trained=weights.trained,
        ),
        further_regions=regions[1:],
    )  # fmt: skip


def _several(sources: Source | Several) -> Several:
    return sources if isinstance(sources, (list, tuple)) else (cast("Source", sources),)  # text is a path


@dataclass(frozen=True)
class Prepared:
    """A pair at one working size, with what stays fixed there."""

    pair: WorkingPair
    targets: Targets


@dataclass
class _InMemory:
    """The steps of one pair, everything in memory."""

    inputs: tuple[Inputs, ...]
    finder: Finder | None
    encoder: Encoder
    config: Config
    given: Floats | None
    stages: tuple[Stage, ...]
    clock: Clock
    callback: Callable[[Stage, Evaluation], None] | None
    traces: list[StageTrace] = field(default_factory=list)

    def find_regions(self) -> tuple[Regions, ...]:
        with self.clock("regions"):
            return tuple(regions_of(each, self.finder, self.encoder, self.config) for each in self.inputs)

    @contextmanager
    def at_work(self, step: str) -> Iterator[None]:
        """What the device is told in the block, and the time that it takes, without waiting for a turn."""
        with turn(self.encoder.device), self.clock(step):
            yield

    def prepare(self, regions: tuple[Regions, ...], size: int) -> Prepared:
        pixels = self.inputs[0].content.filled, [each.style.filled for each in self.inputs]
        with self.at_work("targets"):
            return Prepared(
                *steps.precompute(*pixels, regions, size, self.encoder, self.config, staged=bool(self.stages))
            )

    def start(self, prepared: Prepared) -> Tensor:
        with self.at_work("targets"):
            return steps.start_image(prepared.pair, self.config, self.given)

    def enlarge(self, image: Tensor, coarse: Prepared, fine: Prepared) -> Tensor:
        with self.at_work("targets"):
            return steps.enlarge(image, coarse.pair, fine.pair, self.config)

    def optimise(self, image: Tensor, stage: Stage, prepared: Prepared) -> Tensor:
        with self.at_work(stage.name):
            image, trace = steps.run_stage(
                image, stage, prepared.targets, self.encoder, self.config, self.callback
            )
        self.traces.append(StageTrace(stage, tuple(trace)))
        return image

    def filter(self, image: Tensor, stage: Stage, prepared: Prepared) -> Tensor:
        with self.at_work(stage.name):
            return steps.filter_stage(image, prepared.pair, self.config)

    def render(self, image: Tensor, prepared: Prepared) -> tuple[Floats, float]:
        with self.at_work("finish"):
            content = self.inputs[0].content
            full, strength = steps.render(image, prepared.pair, content.filled, self.config)
            return content.with_hidden(full), strength
