"""How pairs ended, one by one and all together."""

import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, overload

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pst_core.printing import counted
from pst_core.quality.measures import MEASURES, REPORTED
from pst_core.store import Reference

State = Literal["done", "cached", "skipped", "failed"]
_PACKED = 64
"""Outcomes that are packed together: what they have in common is kept once."""


class PairOutcome(BaseModel):
    """How one pair ended.

    Attributes
    ----------
    name : str
    state : {"done", "cached", "skipped", "failed"}
        Cached: nothing had to be computed. Skipped: a result was there and was to be left.
    folder : str
        The pair's own, where its report is; empty for none.
    picture : str
        The result; empty for none.
    error : str
        Why it failed, one sentence.
    seconds : float
    steps, steps_cached : int
        How many steps it took, and how many of them were found done.
    notes : tuple of str
    scores : dict
        Key of each of `pst_core.quality.measures.REPORTED` -> value, None where there is none.
    models : dict
        Key of a measure -> name of the model that gave the score.
    files : dict
        Role -> input file as it was given.
    settings : dict
        The pair's own settings.
    previews : dict
        ``content``, ``style`` and ``result`` -> a small picture in the store.
    strength : float, optional
        How much of the style the result shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    folder: str = ""
    picture: str = ""
    error: str = ""
    seconds: float = 0.0
    steps: int = 0
    steps_cached: int = 0
    notes: tuple[str, ...] = ()
    scores: dict[str, float | None] = Field(default={}, validate_default=True)
    models: dict[str, str] = {}
    files: dict[str, str] = {}
    settings: dict[str, Any] = {}
    previews: dict[str, Reference] = {}
    strength: float | None = None

    @field_validator("scores")
    @classmethod
    def _whole(cls, scores: Mapping[str, float | None]) -> dict[str, float | None]:
        known = {key: value for key, value in scores.items() if value is not None and math.isfinite(value)}
        return {measure.key: known.get(measure.key) for measure in REPORTED}

    @property
    def text(self) -> str:
        """All of it as JSON in ASCII: a path need not be valid text."""
        return json.dumps(self.model_dump(mode="json"))

    @classmethod
    def of_text(cls, text: str | bytes) -> Self:
        """Read what `text` is.

        Raises
        ------
        ValueError
            It is none.
        """
        return cls(**json.loads(text))


class Outcomes(Sequence[PairOutcome]):
    """How the pairs of a batch ended, in the order of their places, whichever ended first.

    A batch may have very many: they are kept as packed text, some hundred bytes each, and each is read
    when it is asked for. One after another is quick; here and there is not.
    """

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}
        self._order: Sequence[int] | None = None
        self._states: list[State] = []
        self._pictured = bytearray()
        self._models: dict[tuple[str, str], None] = {}
        self._waiting: list[bytes] = []
        self._packed: list[bytes] = []
        self._unpacked = lru_cache(maxsize=8)(lambda block: zlib.decompress(self._packed[block]).split(b"\n"))

    @classmethod
    def of(cls, outcomes: Iterable[PairOutcome]) -> Self:
        """Outcomes whose places are those in which they come."""
        kept = cls()
        for place, outcome in enumerate(outcomes):
            kept.add(place, outcome)
        return kept

    def add(self, place: int, outcome: PairOutcome) -> None:
        """Keep how one more pair ended."""
        self._arrivals[place], self._order = len(self._states), None
        self._states.append(outcome.state)
        self._pictured.append(bool(outcome.previews))
        self._models.update(dict.fromkeys(outcome.models.items()))
        self._waiting.append(outcome.text.encode())
        if len(self._waiting) == _PACKED:
            self._packed.append(zlib.compress(b"\n".join(self._waiting)))
            self._waiting.clear()

    def __len__(self) -> int:
        return len(self._arrivals)

    @overload
    def __getitem__(self, index: int) -> PairOutcome: ...

    @overload
    def __getitem__(self, index: slice) -> "Selected": ...

    def __getitem__(self, index: int | slice) -> "PairOutcome | Selected":
        if isinstance(index, slice):
            return Selected(self, range(len(self))[index])
        block, line = divmod(self._in_order[index], _PACKED)
        lines = self._waiting if block == len(self._packed) else self._unpacked(block)
        return PairOutcome.of_text(lines[line])

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs ended in each state."""
        return dict(Counter(self._states[arrival] for arrival in self._in_order))

    @property
    def models(self) -> Sequence[tuple[str, str]]:
        """Key of a measure and the model that gave the score, each that there is once."""
        return [*self._models]

    @property
    def failed(self) -> "Selected":
        """Those of pairs that failed."""
        return self._where(lambda arrival: self._states[arrival] == "failed")

    @property
    def not_failed(self) -> "Selected":
        """All others."""
        return self._where(lambda arrival: self._states[arrival] != "failed")

    @property
    def pictured(self) -> "Selected":
        """Those that have small pictures."""
        return self._where(lambda arrival: self._pictured[arrival] == 1)

    def _where(self, holds: Callable[[int], bool]) -> "Selected":
        return Selected(self, [index for index, arrival in enumerate(self._in_order) if holds(arrival)])

    @property
    def _in_order(self) -> Sequence[int]:
        if self._order is None:
            self._order = [self._arrivals[place] for place in sorted(self._arrivals)]
        return self._order


@dataclass(frozen=True)
class Selected(Sequence[PairOutcome]):
    """Some of a batch's outcomes, each read when it is asked for."""

    outcomes: Outcomes
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> PairOutcome: ...

    @overload
    def __getitem__(self, index: slice) -> "Selected": ...

    def __getitem__(self, index: int | slice) -> "PairOutcome | Selected":
        if isinstance(index, slice):
            return Selected(self.outcomes, self.indices[index])
        return self.outcomes[self.indices[index]]


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    Attributes
    ----------
    out : Path
        Its folder of results.
    outcomes : Outcomes
        Of the pairs that were begun.
    total : int
        How many pairs it has.
    notes : tuple of str
        What there is to know of the source: how it was read, what was passed over.
    of : str
        What is counted: pairs, or photographs to which a look was applied.
    """

    out: Path
    outcomes: Outcomes
    total: int
    notes: tuple[str, ...] = ()
    of: str = "pair"

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs ended in each state."""
        return self.outcomes.counts

    @property
    def failed(self) -> Selected:
        """The pairs that failed."""
        return self.outcomes.failed

    @property
    def sentence(self) -> str:
        """The counts in words: ``36 pairs: 34 cached, 1 done, 1 failed``."""
        parts = [f"{number} {state}" for state, number in sorted(self.counts.items())]
        if missing := self.total - len(self.outcomes):
            parts.append(f"{missing} not begun")
        return f"{counted(self.total, self.of)}: {', '.join(parts) or 'none begun'}"

    @property
    def models(self) -> str:
        """Which models gave the scores: ``BRISQUE by ..., NIQE by ...``; empty where nothing was scored."""
        return ", ".join(f"{MEASURES[key].label} by {model}" for key, model in self.outcomes.models)
