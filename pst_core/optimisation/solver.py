"""One stage: minimise one loss over the image, with L-BFGS or Adam."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from pst_core.errors import DivergenceError
from pst_core.optimisation.losses import Losses
from pst_core.optimisation.record import Evaluation

FIRST_MOVE = 0.01  # root mean square of the first step, on [0, 1]: there is no curvature yet to go by
LARGEST_MOVE = 0.1  # root mean square of any step: beyond it the quadratic model says nothing
RESTARTS = 3
GROWTH = 10.0  # a loss this many times the first one has diverged
FLUSH = 10  # on accelerators losses are fetched this often: each fetch waits for the device


class Stepper(Protocol):
    """An optimiser that makes steps without asking the device for a number."""

    def step(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Return the next image."""


class LimitedMemoryBFGS:
    """L-BFGS (Liu and Nocedal 1989) without line search, one evaluation a step.

    All decisions are made on the device, so nothing waits for it. A pair without positive curvature
    counts as no pair; steps are held to `LARGEST_MOVE`, which stands in for the line search.
    """

    def __init__(self, history: int, step: float = 1.0, limit_moves: bool = True) -> None:
        self.history, self.length, self.limit_moves = history, step, limit_moves
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
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
        curvature = move @ change
        # The angle between the two decides, so that the scale of the loss does not matter.
        positive = curvature > 1e-6 * (move.norm() * change.norm())
        weight = torch.where(positive, 1 / curvature, 0)
        fallback = self.scale if self.scale is not None else torch.ones_like(curvature)
        self.scale = torch.where(positive, curvature / (change @ change), fallback)
        self.pairs = (
            [*self.pairs[-(self.history - 1) :], (move, change, weight)]
            if self.history > 1
            else [(move, change, weight)]
        )

    def _direction(self, slope: Tensor) -> Tensor:
        """Two-loop recursion; the first step follows the slope alone."""
        if self.scale is None:
            return slope * (FIRST_MOVE / slope.square().mean().sqrt().clamp_min(1e-30))
        direction, along = slope, []
        for move, change, weight in reversed(self.pairs):
            along.append(weight * (move @ direction))
            direction = direction - along[-1] * change
        direction = direction * self.scale
        for (move, change, weight), share in zip(self.pairs, reversed(along), strict=True):
            direction = direction + (share - weight * (change @ direction)) * move
        if not self.limit_moves:
            return direction
        size = direction.square().mean().sqrt().clamp_min(1e-30)
        return direction * (LARGEST_MOVE / size).clamp(max=1)


class Adam:
    """Adam (Kingma and Ba 2015) by torch; one step is `step` hundredths of the pixel range."""

    def __init__(self, step: float = 1.0) -> None:
        self.rate = step / 100
        self.optimizer: torch.optim.Adam | None = None

    def step(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Return the next image after one evaluation's gradient."""
        if self.optimizer is None:
            self.image = image.clone()
            self.optimizer = torch.optim.Adam([self.image], lr=self.rate)
        self.image.grad = gradient
        self.optimizer.step()
        return self.image.clone()


def minimise(
    image: Tensor,
    loss: Callable[[Tensor], Losses],
    *,
    iterations: int,
    optimizer: str = "lbfgs",
    step: float = 1.0,
    history: int = 20,
    callback: Callable[[Evaluation], None] | None = None,
) -> tuple[Tensor, list[Evaluation]]:
    """Minimise a loss over an image, from a fresh optimiser (curvature from before a filter is void).

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        Start; it is not changed.
    loss
        Losses of an image of that shape.
    iterations
        Evaluations; the best image seen is returned.
    callback
        Called once per evaluation, in order.

    Returns
    -------
    image : Tensor, shape (3, H, W)
    trace : list of Evaluation

    Raises
    ------
    DivergenceError
        If the loss is not finite even at 1/64 of the step length. One that grows tenfold is tried again at
        a quarter of the length; if it grows at every length, the start is the best image, and comes back.
    """
    for attempt in range(RESTARTS + 1):
        length = step * 0.25**attempt
        stepper = LimitedMemoryBFGS(history, length) if optimizer == "lbfgs" else Adam(length)
        # Where even the shortest steps lead up from the start, the start is a minimum, not a failure.
        growth = GROWTH if attempt < RESTARTS else float("inf")
        best, trace = _descend(image, loss, stepper, iterations, callback, growth)
        if trace is not None:
            return best, trace
    raise DivergenceError(
        "The optimisation diverged even at small steps: lower --style-weight or --step, "
        "or use --gram normalized."
    )


def _descend(
    image: Tensor,
    loss: Callable[[Tensor], Losses],
    stepper: Stepper,
    iterations: int,
    callback: Callable[[Evaluation], None] | None,
    growth: float,
) -> tuple[Tensor, list[Evaluation] | None]:
    """One try; no trace if it diverged."""
    pending: list[Tensor] = []
    trace: list[Evaluation] = []
    best, lowest = image, torch.full((), torch.inf, device=image.device)
    flush = 1 if image.device.type == "cpu" else FLUSH
    for iteration in range(iterations):
        point = image.detach().requires_grad_()
        losses = loss(point)
        (gradient,) = torch.autograd.grad(losses.total, point)
        total = losses.total.detach()
        best = torch.where(total < lowest, point.detach(), best)
        lowest = torch.minimum(lowest, total)
        pending.append(torch.stack([total, losses.content.detach(), losses.style.detach()]))
        if len(pending) >= flush or iteration == iterations - 1:
            if not _fetch(pending, trace, callback, growth):
                return image, None
            pending = []
        if iteration < iterations - 1:
            image = stepper.step(point.detach(), gradient)
    return best, trace


def _fetch(
    pending: list[Tensor],
    trace: list[Evaluation],
    callback: Callable[[Evaluation], None] | None,
    growth: float,
) -> bool:
    """Bring losses to the host, append them to the trace; whether they are sane."""
    for total, content, style in torch.stack(pending).tolist():
        record = Evaluation(len(trace), total, content, style)
        if not total < float("inf") or total > growth * max(trace[0].total if trace else total, 1e-12):
            return False
        trace.append(record)
        if callback is not None:
            callback(record)
    return True
