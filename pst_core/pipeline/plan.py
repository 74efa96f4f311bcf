"""Which stages a pair goes through, and at which sizes: known before anything is computed."""

from dataclasses import dataclass
from typing import Literal

from pst_core.settings.config import Config, PlanSettings

SMALLEST_PLAN = 64  # pixels: a working image smaller than this has too little to go by
SHRINKING = 0.7  # of the working size, so that a cheaper plan needs half the memory


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
        Long side of the working image in pixels; a strip's is longer, see `make_working_pair`.
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


def working_sizes(settings: PlanSettings, content_side: int) -> tuple[int, ...]:
    """Long sides that the rounds are spread over, coarse to fine; none is larger than the content.

    Parameters
    ----------
    content_side
        Long side of the content photograph in pixels.
    """
    finest = min(settings.size or content_side, content_side)
    sizes = [max(32, round(finest / 2**step)) for step in reversed(range(settings.scales))]
    return tuple(dict.fromkeys(min(size, finest) for size in sizes))


def plan_stages(settings: PlanSettings, content_side: int) -> tuple[Stage, ...]:
    """List the stages of a pair in order: global, then regional, in each round (paper, figure 2)."""
    sizes = working_sizes(settings, content_side)
    iterations = {"global": settings.global_iterations, "regional": settings.regional_iterations}
    kinds: tuple[Literal["global", "regional"], ...] = ("global", "regional")
    walk = [
        (number, kind, sizes[number * len(sizes) // settings.rounds])
        for number in range(settings.rounds)
        for kind in kinds
        if iterations[kind]
    ]
    return tuple(
        Stage(index, number, kind, size, iterations[kind]) for index, (number, kind, size) in enumerate(walk)
    )


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
