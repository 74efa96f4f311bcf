"""How pairs ended, one by one and all together: in the terminal, in Prefect's UI and as Parquet."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pst_core.files import write_bytes_atomically

__all__ = ["FAILED_LIST", "TABLE", "PairOutcome", "Summary", "read_outcomes", "write_outcomes"]

TABLE, FAILED_LIST = "batch.parquet", "failed.jsonl"

State = Literal["done", "cached", "skipped", "failed"]


class PairOutcome(BaseModel):
    """How one pair ended.

    Attributes
    ----------
    name : str
    state : {"done", "cached", "skipped", "failed"}
        Cached: nothing had to be computed. Skipped: a result was there and was to be left.
    folder : str
        Where the result is; empty for none.
    error : str
        Why it failed, one sentence.
    seconds : float
    steps, steps_cached : int
        How many steps it took, and how many of them were found done.
    notes : tuple of str
    ssim, color_distance, brisque, niqe : float or None
    models : dict
        ``brisque`` and ``niqe`` -> name of the model that gave the score.
    files : dict
        Role -> input file as it was given.
    settings : dict
        The pair's own settings.
    previews : dict
        Role -> store's path of a small picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    folder: str = ""
    error: str = ""
    seconds: float = 0.0
    steps: int = 0
    steps_cached: int = 0
    notes: tuple[str, ...] = ()
    ssim: float | None = None
    color_distance: float | None = None
    brisque: float | None = None
    niqe: float | None = None
    models: dict[str, str] = {}
    files: dict[str, str] = {}
    settings: dict[str, Any] = {}
    previews: dict[str, str] = {}


class Summary(BaseModel):
    """How a batch ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    outcomes: tuple[PairOutcome, ...]
    total: int

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
        noun = "pair" if self.total == 1 else "pairs"
        return f"{self.total} {noun}: {', '.join(parts) or 'none begun'}"

    @property
    def models(self) -> str:
        """Which models gave the scores: ``BRISQUE by ..., NIQE by ...``; empty where nothing was scored."""
        named = dict.fromkeys(item for outcome in self.outcomes for item in outcome.models.items())
        return ", ".join(f"{metric.upper()} by {model}" for metric, model in named)


def write_outcomes(summary: Summary) -> None:
    """Write the batch's table, and the list of failures that can be fed back in.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    write_bytes_atomically(summary.out / TABLE, _table(summary.outcomes), overwrite=True)
    path = summary.out / FAILED_LIST
    if summary.failed:
        lines = [json.dumps(_row(outcome)) + "\n" for outcome in summary.failed if outcome.files]
        write_bytes_atomically(path, "".join(lines).encode(), overwrite=True)
    else:
        path.unlink(missing_ok=True)


def read_outcomes(out: Path) -> tuple[PairOutcome, ...]:
    """The table of a folder's last batch; empty if there is none, or it is damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        rows = parquet.read_table(out / TABLE).to_pylist()
        return tuple(
            PairOutcome(
                **row
                | {name: dict(row[name]) for name in ("files", "models", "previews")}
                | {"settings": json.loads(row["settings"])}
            )
            for row in rows
        )
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        return ()


def _row(outcome: PairOutcome) -> dict[str, Any]:
    """A manifest's row: what was ordered, with absolute paths, for the list may be used from anywhere."""
    files = {role: str(Path(path).absolute()) for role, path in outcome.files.items()}
    return {"name": outcome.name} | files | outcome.settings


def _table(outcomes: Sequence[PairOutcome]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    texts = pa.map_(pa.string(), pa.string())
    schema = pa.schema([
        ("name", pa.string()), ("state", pa.string()), ("folder", pa.string()), ("error", pa.string()),
        ("seconds", pa.float64()), ("steps", pa.int32()), ("steps_cached", pa.int32()),
        ("notes", pa.list_(pa.string())), ("ssim", pa.float64()), ("color_distance", pa.float64()),
        ("brisque", pa.float64()), ("niqe", pa.float64()), ("models", texts),
        ("files", texts), ("settings", pa.string()), ("previews", texts),
    ])  # fmt: skip
    rows = [
        {
            **outcome.model_dump(),
            "files": list(outcome.files.items()),
            "models": list(outcome.models.items()),
            "settings": json.dumps(outcome.settings),
            "previews": list(outcome.previews.items()),
        }
        for outcome in outcomes
    ]
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return bytes(buffer.getvalue())
