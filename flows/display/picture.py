"""What a person, a log or a program sees while a picture is made."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from flows.display.meter import Live, Meter, clock, emit, loss_text
from flows.display.terminal import shows_bars
from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from pst_core.optimisation.record import Evaluation

PLAIN_LINE_SECONDS = 30.0


class Display:
    """Something that can be told how far the work is; this one shows nothing."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.meter = Meter(stages)

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *details: object) -> None:
        """Stop showing, whatever happened."""

    def update(self, stage: Stage, evaluation: "Evaluation") -> None:
        """Take note of one evaluation."""
        done = self.meter.done_at(stage, evaluation)
        self.show(stage, evaluation, done, self.meter.seconds_left(done))

    def show(self, stage: Stage, evaluation: "Evaluation", done: int, left: float | None) -> None:
        """Show an evaluation, the work done by then, and the seconds left if they are known."""

    def place(self, stage: Stage, evaluation: "Evaluation") -> str:
        """Where in the work an evaluation stands, in words."""
        number = f"stage {stage.index + 1} of {len(self.meter.before)}"
        return f"{number}, {stage.name}, {evaluation.iteration + 1}/{stage.iterations} at {stage.size} px"


class JsonLines(Display):
    """One JSON object per evaluation, on stdout."""

    def show(self, stage: Stage, evaluation: "Evaluation", done: int, left: float | None) -> None:
        """Write one ``progress`` event."""
        emit(
            "progress",
            stage=stage.name, stage_index=stage.index, stages=len(self.meter.before), size=stage.size,
            evaluation=evaluation.iteration + 1, evaluations=stage.iterations,
            total=evaluation.total, content=evaluation.content, style=evaluation.style,
            share_done=round(done / self.meter.total, 4),
            seconds_left=None if left is None else round(left, 1),
        )  # fmt: skip


class PlainLines(Display):
    """A line at the end of each stage, and now and then in a long one: for logs."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__(stages)
        self.last = time.monotonic()

    def show(self, stage: Stage, evaluation: "Evaluation", done: int, left: float | None) -> None:  # noqa: ARG002
        """Write a line if it is time for one."""
        ended = evaluation.iteration + 1 == stage.iterations
        if ended or time.monotonic() - self.last >= PLAIN_LINE_SECONDS:
            self.last = time.monotonic()
            until = "" if left is None else f", {clock(left)} left"
            print(
                f"{self.place(stage, evaluation)}: {loss_text(evaluation)}{until}",
                file=sys.stderr,
                flush=True,
            )


class LiveBar(Live, Display):
    """A bar on the terminal."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        Live.__init__(self, "losses", "left")
        Display.__init__(self, stages)
        self.task = self.bar.add_task("preparing", total=self.meter.total or 1, losses="", left="")

    def show(self, stage: Stage, evaluation: "Evaluation", done: int, left: float | None) -> None:
        """Move the bar."""
        self.bar.update(
            self.task,
            completed=done,
            description=self.place(stage, evaluation),
            losses=loss_text(evaluation),
            left="" if left is None else f"{clock(left)} left",
        )


def choose_display(stages: Sequence[Stage], *, quiet: bool, as_json: bool) -> Display:
    """Choose the display that suits who is looking."""
    if as_json:
        return JsonLines(stages)
    if quiet:
        return Display(stages)
    return LiveBar(stages) if shows_bars() else PlainLines(stages)
