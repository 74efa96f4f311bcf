"""How pairs ended, one by one and all together: in the terminal, in Prefect's UI and as Parquet."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.layout import FAILED, OUTCOMES
from pst_core.files import write_bytes_atomically
from pst_core.parquet import pack_rows, unpack_table
from pst_core.printing import counted
from pst_core.quality.measures import MEASURES, REPORTED
from pst_core.steady import read_steadily
from pst_core.store import Reference

State = Literal["done", "cached", "skipped", "failed"]


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

    @field_validator("scores")
    @classmethod
    def _whole(cls, scores: Mapping[str, float | None]) -> dict[str, float | None]:
        known = {key: value for key, value in scores.items() if value is not None and math.isfinite(value)}
        return {measure.key: known.get(measure.key) for measure in REPORTED}


class Summary(BaseModel):
    """How a batch ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    outcomes: tuple[PairOutcome, ...]
    total: int
    notes: tuple[str, ...] = ()
    """What there is to know of the source: how it was read, what was passed over."""

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs ended in each state."""
        return dict(Counter(outcome.state for outcome in self.outcomes))

    @property
    def failed(self) -> tuple[PairOutcome, ...]:
        """The pairs that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")

    @property
    def sentence(self) -> str:
        """The counts in words: ``36 pairs: 34 cached, 1 done, 1 failed``."""
        parts = [f"{number} {state}" for state, number in sorted(self.counts.items())]
        if missing := self.total - len(self.outcomes):
            parts.append(f"{missing} not begun")
        return f"{counted(self.total, 'pair')}: {', '.join(parts) or 'none begun'}"

    @property
    def models(self) -> str:
        """Which models gave the scores: ``BRISQUE by ..., NIQE by ...``; empty where nothing was scored."""
        named = dict.fromkeys(item for outcome in self.outcomes for item in outcome.models.items())
        return ", ".join(f"{MEASURES[key].label} by {model}" for key, model in named)


def write_outcomes(summary: Summary) -> None:
    """Write the batch's table, and the list of failures that can be fed back in.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    write_bytes_atomically(summary.out / OUTCOMES, _table(summary.outcomes), overwrite=True)
    path = summary.out / FAILED
    if summary.failed:
        lines = [json.dumps(_row(outcome)) + "\n" for outcome in summary.failed if outcome.files]
        write_bytes_atomically(path, "".join(lines).encode(), overwrite=True)
    else:
        path.unlink(missing_ok=True)


def read_outcomes(out: Path) -> tuple[PairOutcome, ...]:
    """The table of a folder's last batch; empty if there is none, or it is damaged."""
    import pyarrow as pa

    try:
        rows = unpack_table(read_steadily(out / OUTCOMES)).to_pylist()
        return tuple(PairOutcome(**_outcome_fields(row)) for row in rows)
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        return ()


def _row(outcome: PairOutcome) -> dict[str, Any]:
    """A manifest's row: what was ordered, with absolute paths, for the list may be used from anywhere."""
    files = {role: str(Path(path).absolute()) for role, path in outcome.files.items()}
    return {"name": outcome.name} | files | outcome.settings


def _table(outcomes: Sequence[PairOutcome]) -> bytes:
    import pyarrow as pa

    texts = pa.map_(pa.string(), pa.string())
    schema = pa.schema([
        ("name", pa.string()), ("state", pa.string()), ("folder", pa.string()), ("picture", pa.string()),
        ("error", pa.string()),
        ("seconds", pa.float64()), ("steps", pa.int32()), ("steps_cached", pa.int32()),
        ("notes", pa.list_(pa.string())), *((measure.key, pa.float64()) for measure in REPORTED),
        ("models", texts), ("files", texts), ("settings", pa.string()), ("previews", pa.string()),
    ])  # fmt: skip
    return pack_rows([_table_row(outcome) for outcome in outcomes], schema)


def _table_row(outcome: PairOutcome) -> dict[str, Any]:
    fields = outcome.model_dump(exclude={"scores"})
    as_text = {name: json.dumps(fields[name]) for name in ("settings", "previews")}
    as_maps = {name: list(fields[name].items()) for name in ("models", "files")}
    return {**outcome.scores, **fields, **as_text, **as_maps}


def _outcome_fields(row: dict[str, Any]) -> dict[str, Any]:
    """What `_table_row` made a row of."""
    scores = {measure.key: row.pop(measure.key) for measure in REPORTED}
    from_text = {name: json.loads(row[name]) for name in ("settings", "previews")}
    from_maps = {name: dict(row[name]) for name in ("models", "files")}
    return row | {"scores": scores} | from_text | from_maps
