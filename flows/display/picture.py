"""What a person, a log or a program sees while a picture is made."""

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from pst_core.optimisation.record import Evaluation
    from pst_core.pipeline.stylize import Progress

__all__ = [
    "Display",
    "JsonLines",
    "LiveBar",
    "Meter",
    "PlainLines",
    "Silent",
    "choose_display",
    "clock",
    "emit",
    "loss_text",
]

PLAIN_LINE_SECONDS = 30.0


class Meter:
    """Work done and time left, in evaluations weighted by the pixels each one costs."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.before: list[int] = []
        self.total = 0
        for stage in stages:
            self.before.append(self.total)
            self.total += stage.iterations * stage.size**2
        self.first: tuple[float, int] | None = None

    def done(self, progress: "Progress") -> int:
        """Work up to and including an evaluation."""
        return self.done_at(progress.stage, progress.evaluation)

    def done_at(self, stage: Stage, evaluation: "Evaluation") -> int:
        """Work up to and including an evaluation of a stage."""
        return self.before[stage.index] + (evaluation.iteration + 1) * stage.size**2

    def seconds_left(self, progress: "Progress") -> float | None:
        """Time left by the speed so far; None as long as there is no speed to go by."""
        now, done = time.monotonic(), self.done(progress)
        if self.first is None:
            self.first = (now, done)
        start, at_start = self.first
        if done <= at_start:
            return None
        return (now - start) * (self.total - done) / (done - at_start)


class Display(Protocol):
    """Something that can be told how far the work is."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *details: object) -> None:
        """Stop showing, whatever happened."""

    def update(self, progress: "Progress") -> None:
        """Take note of one evaluation."""


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Begin to show nothing."""
        return self

    def __exit__(self, *details: object) -> None:
        """Stop showing nothing."""

    def update(self, progress: "Progress") -> None:
        """Ignore an evaluation."""


class JsonLines(Silent):
    """One JSON object per evaluation, on stdout."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.meter = Meter(stages)

    def update(self, progress: "Progress") -> None:
        """Write one ``progress`` event."""
        stage, evaluation = progress.stage, progress.evaluation
        left = self.meter.seconds_left(progress)
        emit(
            "progress",
            stage=stage.name, stage_index=stage.index, stages=progress.stages, size=stage.size,
            evaluation=evaluation.iteration + 1, evaluations=stage.iterations,
            total=evaluation.total, content=evaluation.content, style=evaluation.style,
            share_done=round(self.meter.done(progress) / self.meter.total, 4),
            seconds_left=None if left is None else round(left, 1),
        )  # fmt: skip


class PlainLines(Silent):
    """A line at the end of each stage, and now and then in a long one: for logs."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.meter = Meter(stages)
        self.last = time.monotonic()

    def update(self, progress: "Progress") -> None:
        """Write a line if it is time for one."""
        left = self.meter.seconds_left(progress)
        ended = progress.evaluation.iteration + 1 == progress.stage.iterations
        if ended or time.monotonic() - self.last >= PLAIN_LINE_SECONDS:
            self.last = time.monotonic()
            until = "" if left is None else f", {clock(left)} left"
            print(
                f"{_stage_text(progress)}: {loss_text(progress.evaluation)}{until}",
                file=sys.stderr,
                flush=True,
            )


class LiveBar:
    """A bar on the terminal that is gone when the work is done."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.meter = Meter(stages)
        self.bar = _make_bar()
        self.task = self.bar.add_task("preparing", total=self.meter.total or 1, losses="", left="")

    def __enter__(self) -> Self:
        """Take the terminal's last lines."""
        self.bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        """Give them back, cursor and all."""
        self.bar.stop()

    def update(self, progress: "Progress") -> None:
        """Move the bar."""
        left = self.meter.seconds_left(progress)
        self.bar.update(
            self.task,
            completed=self.meter.done(progress),
            description=_stage_text(progress),
            losses=loss_text(progress.evaluation),
            left="" if left is None else f"{clock(left)} left",
        )


def choose_display(stages: Sequence[Stage], *, quiet: bool, as_json: bool) -> Display:
    """Choose the display that suits who is looking."""
    if as_json:
        return JsonLines(stages)
    if quiet:
        return Silent()
    return LiveBar(stages) if sys.stderr.isatty() else PlainLines(stages)


def emit(event: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write one line of JSON to stdout."""
    print(json.dumps({"event": event, **fields}), flush=True)


def _make_bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[losses]}", style="dim"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )


def _stage_text(progress: "Progress") -> str:
    stage = progress.stage
    place = f"stage {stage.index + 1} of {progress.stages}"
    return f"{place}, {stage.name}, {progress.evaluation.iteration + 1}/{stage.iterations} at {stage.size} px"


def loss_text(losses: "Evaluation") -> str:
    """Losses in a few words."""
    return f"loss {losses.total:.4g} (content {losses.content:.4g}, style {losses.style:.4g})"


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: ``1:05``, ``2:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
