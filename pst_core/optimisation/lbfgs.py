"""L-BFGS without line search, step by step: as a stepper, and in buffers for a graph to replay."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pst_core.optimisation.losses import Losses, evaluate

FIRST_MOVE = 0.01  # root mean square of the first step, on [0, 1]: there is no curvature yet to go by
LARGEST_MOVE = 0.1  # root mean square of any step: beyond it the quadratic model says nothing

Pair = tuple[Tensor, Tensor, Tensor]
"""A move, the slope's change along it, and what they count: the inverse of their product, or 0."""


class LimitedMemoryBFGS:
    """L-BFGS (Liu and Nocedal 1989) without line search, one evaluation a step.

    All decisions are made on the device, so nothing waits for it. A pair without positive curvature
    counts as no pair; steps are held to `LARGEST_MOVE`, which stands in for the line search.
    """

    def __init__(self, history: int, step: float = 1.0, limit_moves: bool = True) -> None:
        self.history, self.length, self.limit_moves = history, step, limit_moves
        self.pairs: list[Pair] = []
        self.scale: Tensor | None = None
        self.last: tuple[Tensor, Tensor] | None = None

    def step(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Return the next image after one evaluation's gradient."""
        point, slope = image.flatten(), gradient.flatten()
        if self.last is not None:
            self._remember(point - self.last[0], slope - self.last[1])
        self.last = (point, slope)
        return image - (self.length * self._direction(slope)).view_as(image)

    def _remember(self, move: Tensor, change: Tensor) -> None:
        fallback = self.scale if self.scale is not None else move.new_ones(())
        weight, self.scale = _curvature(move, change, fallback)
        self.pairs = (
            [*self.pairs[-(self.history - 1) :], (move, change, weight)]
            if self.history > 1
            else [(move, change, weight)]
        )

    def _direction(self, slope: Tensor) -> Tensor:
        if self.scale is None:
            return _first_direction(slope)
        direction = _two_loops(slope, self.pairs, self.scale)
        return _held(direction) if self.limit_moves else direction


class BufferedDescent:
    """`LimitedMemoryBFGS` with all that changes in buffers that stay where they are.

    An evaluation with its step is the same operations on the same memory every time, and asks the device
    for nothing: what runs once can be captured and replayed, see `repeated`. Pairs that there are not yet
    are zeros, which leave a direction as it is.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        Start; it is not changed.
    loss
        Losses of an image of that shape.
    evaluations
        How often `advance` may be called.

    Attributes
    ----------
    best : Tensor, shape (3, H, W)
        The image of the lowest total so far.
    losses : Tensor, shape (`evaluations`, 3)
        Total, content and style of each evaluation; zeros from where it has not come to.
    """

    def __init__(
        self, image: Tensor, loss: Callable[[Tensor], Losses], *, history: int, step: float, evaluations: int
    ) -> None:
        self.loss, self.length = loss, step
        self.image = image.detach().clone(memory_format=torch.contiguous_format)
        self.best = self.image.clone()
        self.lowest = image.new_full((), torch.inf)
        self.losses = image.new_zeros(evaluations, 3)
        self.done = torch.zeros(1, dtype=torch.int64, device=image.device)
        slots, size = max(1, min(history, evaluations - 1)), image.numel()
        self.moves, self.changes = image.new_zeros(slots, size), image.new_zeros(slots, size)
        self.weights, self.scale = image.new_zeros(slots), image.new_ones(())
        self.last_point, self.last_slope = image.new_zeros(size), image.new_zeros(size)

    def advance(self) -> None:
        """Evaluate the loss once, and step."""
        found, gradient = evaluate(self.loss, self.image)
        self._record(found)
        self._step(gradient.flatten())
        self.done += 1

    def _record(self, found: Tensor) -> None:
        total = found[0]
        self.best.copy_(torch.where(total < self.lowest, self.image, self.best))
        self.lowest.copy_(torch.minimum(self.lowest, total))
        self.losses.index_copy_(0, self.done, found[None])

    def _step(self, slope: Tensor) -> None:
        begun, point = self.done > 0, self.image.flatten()
        # Before the first step both are zero: a pair without curvature.
        move, change = (
            torch.where(begun, new - last, 0)
            for new, last in ((point, self.last_point), (slope, self.last_slope))
        )
        weight, scale = _curvature(move, change, self.scale)
        self.scale.copy_(scale)
        for buffer, newest in ((self.moves, move), (self.changes, change), (self.weights, weight)):
            buffer.copy_(torch.cat([buffer[1:], newest[None]]))
        pairs = list(zip(self.moves, self.changes, self.weights, strict=True))
        later = _held(_two_loops(slope, pairs, self.scale))
        direction = torch.where(begun, later, _first_direction(slope))
        self.last_point.copy_(point)
        self.last_slope.copy_(slope)
        self.image -= (self.length * direction).view_as(self.image)


def _curvature(move: Tensor, change: Tensor, fallback: Tensor) -> tuple[Tensor, Tensor]:
    """What a pair counts, and the scale of steps that it tells of: 0 and `fallback` without curvature."""
    curvature = move @ change
    # The angle between the two decides, so that the scale of the loss does not matter.
    positive = curvature > 1e-6 * (move.norm() * change.norm())
    weight = torch.where(positive, 1 / curvature, 0)
    return weight, torch.where(positive, curvature / (change @ change), fallback)


def _first_direction(slope: Tensor) -> Tensor:
    """The first step follows the slope alone."""
    return slope * (FIRST_MOVE / slope.square().mean().sqrt().clamp_min(1e-30))


def _two_loops(slope: Tensor, pairs: Sequence[Pair], scale: Tensor) -> Tensor:
    """The inverse curvature that pairs tell of, oldest first, times the slope (Liu and Nocedal 1989)."""
    direction, along = slope, []
    for move, change, weight in reversed(pairs):
        along.append(weight * (move @ direction))
        direction = direction - along[-1] * change
    direction = direction * scale
    for (move, change, weight), share in zip(pairs, reversed(along), strict=True):
        direction = direction + (share - weight * (change @ direction)) * move
    return direction


def _held(direction: Tensor) -> Tensor:
    size = direction.square().mean().sqrt().clamp_min(1e-30)
    return direction * (LARGEST_MOVE / size).clamp(max=1)
