"""Who watches a batch: flows tell, whoever listens shows it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

from flows.results.outcomes import PairOutcome, Summary
from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from pst_core.optimisation.record import Evaluation


class Watcher:
    """Hears of everything that happens in a batch; this one ignores it."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *details: object) -> None:
        """Stop showing, whatever happened."""

    def server_found(self, address: str) -> None:
        """Hear where Prefect's UI is."""

    def method_started(self, title: str) -> None:
        """Begin a method's batch within an evaluation."""

    def batch_started(self, total: int, notes: Sequence[str]) -> None:
        """Begin a batch of so many pairs, with what there is to know of its source."""

    def pair_started(self, name: str, stages: Sequence[Stage]) -> None:
        """Begin a pair that is not found done."""

    def pair_begun_elsewhere(self, name: str, stages: Sequence[Stage]) -> None:
        """Hear that a worker begins a pair; how far it is with it is not told."""

    def waiting(self, sentence: str) -> None:
        """Hear why nothing happens."""

    def evaluated(self, stage: Stage, evaluation: "Evaluation") -> None:
        """Evaluate a stage's loss once."""

    def frames_gone_through(self, what: str, done: int, total: int) -> None:
        """Hear how many frames a step of a sequence has gone through, which is no pair's."""

    def pair_ended(self, outcome: PairOutcome) -> None:
        """End a pair."""

    def batch_ended(self, summary: Summary) -> None:
        """End a batch."""


class InTurn(Watcher):
    """Tells whoever watches of one pair, from when those before it have ended: one is shown at a time."""

    def __init__(self) -> None:
        self._told, self._one = watcher(), threading.Lock()
        self._started: tuple[str, Sequence[Stage]] | None = None
        self._in_turn = False

    def begin(self) -> None:
        """Tell what happened so far, and from now on."""
        with self._one:
            self._in_turn = True
            if self._started is not None:
                self._told.pair_started(*self._started)

    def pair_started(self, name: str, stages: Sequence[Stage]) -> None:
        """Tell it, or keep it until it is the pair's turn."""
        with self._one:
            self._started = name, stages
            if self._in_turn:
                self._told.pair_started(name, stages)

    def evaluated(self, stage: Stage, evaluation: "Evaluation") -> None:
        """Tell it, if it is the pair's turn."""
        if self._in_turn:
            self._told.evaluated(stage, evaluation)


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def watcher() -> Watcher:
    """Whoever watches."""
    return _watcher.get() or Watcher()


@contextmanager
def watched_by(who: Watcher) -> Iterator[None]:
    """Let somebody watch what runs in the block."""
    token = _watcher.set(who)
    try:
        yield
    finally:
        _watcher.reset(token)
