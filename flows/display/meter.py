"""What all displays show with: how much work is done, bars, lines of JSON, losses and times in words."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from flows.display.terminal import console
from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from pst_core.optimisation.record import Evaluation


class Meter:
    """Work done and time left, in evaluations weighted by the pixels each one costs."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.before: list[int] = []
        self.total = 0
        for stage in stages:
            self.before.append(self.total)
            self.total += stage.iterations * stage.size**2
        self.first: tuple[float, int] | None = None

    def done_at(self, stage: Stage, evaluation: "Evaluation") -> int:
        """Work up to and including an evaluation of a stage."""
        return self.before[stage.index] + (evaluation.iteration + 1) * stage.size**2

    def seconds_left(self, done: int) -> float | None:
        """Time left by the speed so far; None as long as there is no speed to go by."""
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
        start, at_start = self.first
        if done <= at_start:
            return None
        return (now - start) * (self.total - done) / (done - at_start)


class Live:
    """Bars on the terminal's last lines that are gone when the work is done.

    Parameters
    ----------
    fields
        What stands behind each bar, by the names under which it is told.
    """

    def __init__(self, *fields: str) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        there = console(stderr=True)
        ascii_only = there.options.ascii_only  # which rich's bars heed, its spinner and ellipsis do not

        def text(template: str, style: str) -> TextColumn:
            column = Column(no_wrap=True, overflow="crop" if ascii_only else "ellipsis")
            return TextColumn(template, style=style, markup=False, table_column=column)

        self.bar: Bar = Progress(
            SpinnerColumn("line" if ascii_only else "dots"), text("{task.description}", "none"),
            BarColumn(bar_width=20), *(text(f"{{task.fields[{name}]}}", "dim") for name in fields),
            console=there, transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Take the terminal's last lines."""
        self.bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        """Give them back, cursor and all."""
        self.bar.stop()


def emit(event: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write one line of JSON to stdout."""
    print(json.dumps({"event": event, **fields}), flush=True)


def loss_text(losses: "Evaluation") -> str:
    """Losses in a few words."""
    return f"loss {losses.total:.4g} (content {losses.content:.4g}, style {losses.style:.4g})"


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: ``1:05``, ``2:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
