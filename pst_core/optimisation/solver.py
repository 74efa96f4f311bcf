"""One stage: minimise one loss over the image, with L-BFGS or Adam."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from pst_core.errors import DivergenceError
from pst_core.optimisation.lbfgs import BufferedDescent, LimitedMemoryBFGS
from pst_core.optimisation.losses import Losses, evaluate
from pst_core.optimisation.record import Evaluation
from pst_core.optimisation.replay import repeated

RESTARTS = 3
GROWTH = 10.0  # a loss this many times the first one has diverged
FLUSH = 10  # on accelerators losses are fetched this often: each fetch waits for the device


class Stepper(Protocol):
    """An optimiser that makes steps without asking the device for a number."""

    def step(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Return the next image."""


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
        # Where even the shortest steps lead up from the start, the start is a minimum, not a failure.
        growth = GROWTH if attempt < RESTARTS else float("inf")
        if optimizer == "lbfgs" and _replays(image):
            descent = BufferedDescent(image, loss, history=history, step=length, evaluations=iterations)
            best, trace = _descend_in_buffers(descent, callback, growth)
        else:
            stepper = LimitedMemoryBFGS(history, length) if optimizer == "lbfgs" else Adam(length)
            best, trace = _descend(image, loss, stepper, iterations, callback, growth)
        if trace is not None:
            return best, trace
    raise DivergenceError(
        "The optimisation diverged even at small steps: lower --style-weight or --step, "
        "or use --gram normalized."
    )


def _replays(image: Tensor) -> bool:
    """Whether the image's device can do again by itself what it was once told."""
    return image.device.type == "cuda"


def _descend_in_buffers(
    descent: BufferedDescent, callback: Callable[[Evaluation], None] | None, growth: float
) -> tuple[Tensor, list[Evaluation] | None]:
    """One try by replays; no trace if it diverged."""
    trace: list[Evaluation] = []
    evaluations = len(descent.losses)
    steps = repeated(descent.advance, evaluations, descent.image.device)
    for done, _ in enumerate(steps, start=1):
        if done % FLUSH == 0 or done == evaluations:
            pending = list(descent.losses[len(trace) : done])
            if not _fetch(pending, trace, callback, growth):
                return descent.best, None
    return descent.best, trace


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
        found, gradient = evaluate(loss, image)
        best = torch.where(found[0] < lowest, image.detach(), best)
        lowest = torch.minimum(lowest, found[0])
        pending.append(found)
        if len(pending) >= flush or iteration == iterations - 1:
            if not _fetch(pending, trace, callback, growth):
                return image, None
            pending = []
        if iteration < iterations - 1:
            image = stepper.step(image.detach(), gradient)
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
