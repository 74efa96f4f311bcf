"""The walk that every pair takes: the library call, the pipeline and its dry run all follow this one."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from pst_core.settings.config import Config

__all__ = ["Stage", "Steps", "cheaper_plan", "plan_stages", "walk", "working_sizes"]

SMALLEST_PLAN = 64  # pixels: a working image smaller than this has too little to go by
SHRINKING = 0.7  # of the working size, so that a cheaper plan needs half the memory

RegionsT = TypeVar("RegionsT")
PreparedT = TypeVar("PreparedT")
ImageT = TypeVar("ImageT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


@dataclass(frozen=True)
class Stage:
    """One optimisation of one loss at one size, followed by the filter.

    Attributes
    ----------
    index : int
        Position in the walk, from 0.
    round : int
        Round it belongs to, from 0.
    kind : {"global", "regional"}
        Which equation it minimises: (1) or (2).
    size : int
        Long side of the working image in pixels.
    iterations : int
        Evaluations of the loss.
    """

    index: int
    round: int
    kind: Literal["global", "regional"]
    size: int
    iterations: int

    @property
    def name(self) -> str:
        """What to call it: ``round 1 global``."""
        return f"round {self.round + 1} {self.kind}"


def working_sizes(config: Config, content_side: int) -> tuple[int, ...]:
    """Long sides that the rounds are spread over, coarse to fine; none is larger than the content.

    Parameters
    ----------
    content_side
        Long side of the content photograph in pixels.
    """
    finest = min(config.size or content_side, content_side)
    sizes = [max(32, round(finest / 2**step)) for step in reversed(range(config.scales))]
    return tuple(dict.fromkeys(min(size, finest) for size in sizes))


def plan_stages(config: Config, content_side: int) -> tuple[Stage, ...]:
    """List the stages of a pair in order: global, then regional, in each round (paper, figure 2)."""
    sizes = working_sizes(config, content_side)
    iterations = {"global": config.global_iterations, "regional": config.regional_iterations}
    kinds: tuple[Literal["global", "regional"], ...] = ("global", "regional")
    walk = [
        (turn, kind, sizes[turn * len(sizes) // config.rounds])
        for turn in range(config.rounds)
        for kind in kinds
        if iterations[kind]
    ]
    return tuple(
        Stage(index, turn, kind, size, iterations[kind]) for index, (turn, kind, size) in enumerate(walk)
    )


class Steps(Protocol[RegionsT, PreparedT, ImageT, ResultT_co]):
    """The steps of one pair; what passes between them (arrays, references) is their own affair."""

    def find_regions(self) -> RegionsT:
        """Cluster the semantic maps, or the photographs, into regions."""

    def prepare(self, regions: RegionsT, size: int) -> PreparedT:
        """Bring the pair to a working size and compute what stays fixed there."""

    def start(self, prepared: PreparedT) -> ImageT:
        """Make the image that the first stage begins with."""

    def enlarge(self, image: ImageT, coarse: PreparedT, fine: PreparedT) -> ImageT:
        """Carry the image from one working size to the next."""

    def optimise(self, image: ImageT, stage: Stage, prepared: PreparedT) -> ImageT:
        """Minimise the loss of one stage."""

    def filter(self, image: ImageT, stage: Stage, prepared: PreparedT) -> ImageT:
        """Filter the result of a stage."""

    def render(self, image: ImageT, prepared: PreparedT) -> ResultT_co:
        """Match colours a last time and bring the image to full size."""


def walk(
    steps: Steps[RegionsT, PreparedT, ImageT, ResultT_co], config: Config, content_side: int
) -> tuple[RegionsT, ResultT_co]:
    """Take the steps of a pair in order (paper, figure 2).

    read -> regions -> targets -> (global stage -> filter -> regional stage -> filter) x rounds -> full size

    Parameters
    ----------
    content_side
        Long side of the content photograph in pixels.
    """
    sizes, stages = working_sizes(config, content_side), plan_stages(config, content_side)
    regions = steps.find_regions()
    prepared = steps.prepare(regions, sizes[0])
    image = steps.start(prepared)
    for size in sizes:
        if size != sizes[0]:
            finer = steps.prepare(regions, size)
            image, prepared = steps.enlarge(image, prepared, finer), finer
        for stage in (stage for stage in stages if stage.size == size):
            image = steps.filter(steps.optimise(image, stage, prepared), stage, prepared)
    return regions, steps.render(image, prepared)


def cheaper_plan(config: Config, content_side: int, *, on_gpu: bool) -> Config | None:
    """Settings that need less memory, for when it ran out; None if there are none left.

    On a GPU the same work is first moved to the CPU in float32, which keeps the result's quality; on a CPU
    the working size shrinks.

    Parameters
    ----------
    content_side
        Long side of the content photograph in pixels.
    on_gpu
        Whether the plan that failed ran on a GPU.
    """
    if on_gpu:
        return config.model_copy(update={"device": "cpu", "precision": "float32"})
    smaller = round(working_sizes(config, content_side)[-1] * SHRINKING)
    return None if smaller < SMALLEST_PLAN else config.model_copy(update={"size": smaller})
