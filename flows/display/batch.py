"""What a person, a log or a program sees while a batch runs, and at its end."""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from flows.display.meter import Live, Meter, clock, emit, loss_text
from flows.display.terminal import console, printable, shows_bars
from flows.display.watching import Watcher
from flows.results.outcomes import PairOutcome, Summary
from pst_core.pipeline.plan import Stage
from pst_core.printing import counted
from pst_core.quality.measures import in_words

if TYPE_CHECKING:
    from pst_core.optimisation.record import Evaluation

WHOLE_TABLE = 40  # pairs: a longer batch's table at the end shows failures alone
PART_ROWS = 500  # of a table, under a header of their own: what is held of it at once


class JsonWatcher(Watcher):
    """One JSON object per event on stdout."""

    def server_found(self, address: str) -> None:
        """Write a ``server`` event."""
        emit("server", address=address)

    def method_started(self, title: str) -> None:
        """Write a ``method`` event."""
        emit("method", title=title)

    def batch_started(self, total: int, notes: Sequence[str]) -> None:
        """Write a ``batch`` event."""
        emit("batch", pairs=total, notes=[*notes])

    def pair_started(self, name: str, stages: Sequence[Stage]) -> None:
        """Write a ``start`` event."""
        emit("start", pair=name, evaluations=sum(stage.iterations for stage in stages))

    def pair_begun_elsewhere(self, name: str, stages: Sequence[Stage]) -> None:
        """Write a ``start`` event."""
        self.pair_started(name, stages)

    def waiting(self, sentence: str) -> None:
        """Write a ``waiting`` event."""
        emit("waiting", message=sentence)

    def pair_ended(self, outcome: PairOutcome) -> None:
        """Write a ``pair`` event with the outcome's fields."""
        emit("pair", **outcome.model_dump(mode="json"))

    def batch_ended(self, summary: Summary) -> None:
        """Write a ``summary`` event."""
        emit("summary", out=str(summary.out), pairs=summary.total, **summary.counts)


class PlainWatcher(Watcher):
    """A line a pair: for logs."""

    def __init__(self) -> None:
        self.total = self.ended = 0

    def server_found(self, address: str) -> None:
        """Say where Prefect's UI is."""
        self._say(f"Prefect's UI: {address}")

    def method_started(self, title: str) -> None:
        """Name the method that the next lines are about."""
        self._say(f"{title}:")

    def batch_started(self, total: int, notes: Sequence[str]) -> None:
        """Count from here."""
        self.total, self.ended = total, 0
        for note in notes:
            self._say(note)

    def pair_ended(self, outcome: PairOutcome) -> None:
        """Say how a pair ended."""
        self.ended += 1
        self._say(f"[{self.ended}/{self.total}] {outcome.name}: {describe(outcome)}")

    def waiting(self, sentence: str) -> None:
        """Say why nothing happens."""
        self._say(sentence)

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class LiveWatcher(Live, PlainWatcher):
    """Two bars on the terminal: the batch's, and the pair's."""

    def __init__(self, of: str = "pair") -> None:
        Live.__init__(self, "left")
        PlainWatcher.__init__(self)
        self.of = of
        self.batch = self.bar.add_task("starting", total=None, left="")
        self.pair = self.bar.add_task("", total=None, left="", visible=False)
        self.meter = Meter(())
        self.computed: list[float] = []
        self.failed = 0

    def batch_started(self, total: int, notes: Sequence[str]) -> None:
        """Know how many there are."""
        super().batch_started(total, notes)
        self.bar.update(self.batch, total=total, completed=0, description=f"0 of {counted(total, self.of)}")

    def pair_started(self, name: str, stages: Sequence[Stage]) -> None:
        """Show a pair's bar."""
        self.meter = Meter(stages)
        self.bar.update(
            self.pair, description=printable(name, stderr=True), total=self.meter.total or 1,
            completed=0, visible=True, left="",
        )  # fmt: skip

    def evaluated(self, stage: Stage, evaluation: "Evaluation") -> None:
        """Move the pair's bar."""
        done = self.meter.done_at(stage, evaluation)
        self.bar.update(self.pair, completed=done, left=f"{stage.name}, {loss_text(evaluation)}")

    def frames_gone_through(self, what: str, done: int, total: int) -> None:
        """Show the step's bar where a pair's is; it is gone with the last frame."""
        self.bar.update(
            self.pair, description=printable(what, stderr=True), total=total, completed=done,
            visible=done < total, left=f"{done} of {counted(total, 'frame')}",
        )  # fmt: skip

    def pair_ended(self, outcome: PairOutcome) -> None:
        """Move the batch's bar; a failure stays on the screen."""
        self.ended += 1
        if outcome.state == "done":
            self.computed.append(outcome.seconds)
        if outcome.state == "failed":
            self.failed += 1
            self._say(f"{outcome.name}: {describe(outcome)}")
        failures = f", {self.failed} failed" if self.failed else ""
        self.bar.update(self.pair, visible=False)
        self.bar.update(
            self.batch, completed=self.ended, left=self._left(),
            description=f"{self.ended} of {counted(self.total, self.of)}{failures}",
        )  # fmt: skip

    def _left(self) -> str:
        """Time left by what pairs took that had to be computed; finding others done takes none."""
        if not self.computed:
            return ""
        mean = sum(self.computed) / len(self.computed)
        return f"at most {clock(mean * (self.total - self.ended))} left"

    def _say(self, text: str) -> None:
        from rich.text import Text

        self.bar.console.print(Text(printable(text, stderr=True)))


def choose_watcher(*, quiet: bool, as_json: bool, of: str = "pair") -> Watcher:
    """Choose the display that suits who is looking; `of` says what is counted."""
    if as_json:
        return JsonWatcher()
    if quiet:
        return Watcher()
    return LiveWatcher(of) if shows_bars() else PlainWatcher()


def describe(outcome: PairOutcome) -> str:
    """How a pair ended, in a few words."""
    if outcome.state == "failed":
        return f"failed: {outcome.error}"
    if outcome.state == "done":
        reused = (
            f", {outcome.steps_cached} of {outcome.steps} steps were kept" if outcome.steps_cached else ""
        )
        took = f" in {clock(outcome.seconds)}" if outcome.seconds else ""  # of frames nobody knows it
        return f"done{took}{reused}{_scores(outcome)}"
    return f"{outcome.state}{_scores(outcome)}"


def print_summary(summary: Summary) -> None:
    """Print the table at the end of a batch; of a long one the failures alone."""
    whole = summary.total <= WHOLE_TABLE
    shown = summary.outcomes if whole else summary.failed
    print_table(
        (summary.of, "state", "what there is to know"),
        ((outcome.name, outcome.state, _known(outcome)) for outcome in shown),
    )
    print(f"{summary.sentence}. Results in {summary.out}.", flush=True)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of plain text under a header, as wide as the terminal; many in parts, as they come."""
    waiting = iter(rows)
    while part := [*islice(waiting, PART_ROWS)]:
        _print_part(header, part)


def _print_part(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def _known(outcome: PairOutcome) -> str:
    if outcome.error:
        return outcome.error
    return " ".join([describe(outcome), *outcome.notes])


def _scores(outcome: PairOutcome) -> str:
    told = in_words(outcome.scores)
    return f" ({told})" if told else ""
