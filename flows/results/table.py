"""How the pairs of a batch ended, as data: the batch's table, and the list of failures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.layout import FAILED, OUTCOMES
from flows.results.outcomes import PairOutcome, Summary
from pst_core.files import write_atomically
from pst_core.parquet import read_rows, write_rows
from pst_core.quality.measures import REPORTED
from pst_core.steady import open_steadily


def write_outcomes(summary: Summary) -> None:
    """Write the batch's table, and the list of failures that can be fed back in.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    write_table(summary)
    path = summary.out / FAILED
    if failed := summary.failed:
        lines = (f"{json.dumps(_manifest_row(outcome))}\n".encode() for outcome in failed if outcome.files)
        write_atomically(path, lambda file: file.writelines(lines), overwrite=True)
    else:
        path.unlink(missing_ok=True)


def write_table(summary: Summary) -> None:
    """Write the batch's table alone.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    rows = map(_table_row, summary.outcomes)
    write_atomically(
        summary.out / OUTCOMES, lambda file: write_rows(file, rows, _schema(), compression="zstd"),
        overwrite=True,
    )  # fmt: skip


def failures_of(out: Path) -> dict[str, str]:
    """Name -> why it failed, of a folder's last batch; empty if there is none, or its table is damaged."""
    rows = _read(out, "name", "state", "error")
    return {str(row["name"]): str(row["error"]) for row in rows if row["state"] == "failed"}


def mean_seconds(out: Path) -> float | None:
    """What a pair took that was computed in a folder's last batch; None if nobody knows, as of frames."""
    count, seconds = 0, 0.0
    for row in _read(out, "state", "seconds"):
        if row["state"] == "done" and isinstance(row["seconds"], float):
            count, seconds = count + 1, seconds + row["seconds"]
    return seconds / count if seconds else None


def _read(out: Path, *columns: str) -> Iterator[dict[str, Any]]:
    """Some columns of a folder's table, row by row; those before the place where it is damaged."""
    import pyarrow as pa

    try:
        with open_steadily(out / OUTCOMES) as file:
            yield from read_rows(file, columns)
    except (OSError, pa.ArrowException, ValueError):
        return


def _manifest_row(outcome: PairOutcome) -> dict[str, Any]:
    """A manifest's row: what was ordered, with absolute paths, for the list may be used from anywhere."""
    files = {role: str(Path(path).absolute()) for role, path in outcome.files.items()}
    return {"name": outcome.name} | files | outcome.settings


def _schema() -> object:
    import pyarrow as pa

    texts = pa.map_(pa.string(), pa.string())
    return pa.schema([
        ("name", pa.string()), ("state", pa.string()), ("folder", pa.string()), ("picture", pa.string()),
        ("error", pa.string()),
        ("seconds", pa.float64()), ("steps", pa.int32()), ("steps_cached", pa.int32()),
        ("notes", pa.list_(pa.string())), *((measure.key, pa.float64()) for measure in REPORTED),
        ("models", texts), ("files", texts), ("settings", pa.string()), ("previews", pa.string()),
        ("strength", pa.float64()),
    ])  # fmt: skip


def _table_row(outcome: PairOutcome) -> dict[str, Any]:
    fields = outcome.model_dump(exclude={"scores"})
    as_text = {name: json.dumps(fields[name]) for name in ("settings", "previews")}
    as_maps = {name: list(fields[name].items()) for name in ("models", "files")}
    return {**outcome.scores, **fields, **as_text, **as_maps}
