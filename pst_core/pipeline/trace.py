"""Losses of every evaluation, stage by stage: in memory, as Parquet, and in short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pst_core.optimisation.record import Evaluation
from pst_core.parquet import pack_rows, unpack_table
from pst_core.pipeline.plan import Stage


@dataclass(frozen=True)
class StageTrace:
    """Losses of one stage."""

    stage: Stage
    evaluations: tuple[Evaluation, ...]


def losses_table(trace: Sequence[StageTrace]) -> bytes:
    """Losses of every evaluation, as the bytes of a Parquet file.

    Columns: ``stage`` (its place in the walk), ``round``, ``kind``, ``size`` (long side in pixels),
    ``iteration``, ``total``, ``content``, ``style``.
    """
    import pyarrow as pa

    rows = [
        {
            "stage": part.stage.index, "round": part.stage.round, "kind": part.stage.kind,
            "size": part.stage.size,
            "iteration": evaluation.iteration, "total": evaluation.total,
            "content": evaluation.content, "style": evaluation.style,
        }
        for part in trace
        for evaluation in part.evaluations
    ]  # fmt: skip
    integers = [(name, pa.int32()) for name in ("stage", "round", "size", "iteration")]
    numbers = [(name, pa.float64()) for name in ("total", "content", "style")]
    schema = pa.schema([*integers[:2], ("kind", pa.string()), *integers[2:], *numbers])
    return pack_rows(rows, schema)


def summarise_losses(trace: Sequence[StageTrace]) -> list[dict[str, Any]]:
    """Each stage's name, size, and losses at its first and its last evaluation."""
    return [_stage_summary(part) for part in trace]


def join_losses(tables: Sequence[bytes]) -> bytes:
    """Put the losses of several stages, as `losses_table` writes them, into one table."""
    import pyarrow as pa
    from pyarrow import parquet

    parts = [unpack_table(table) for table in tables]
    buffer = pa.BufferOutputStream()
    empty = unpack_table(losses_table([]))
    parquet.write_table(pa.concat_tables([empty, *parts]).combine_chunks(), buffer)
    return bytes(buffer.getvalue())


def read_trace(table: bytes, stages: Sequence[Stage]) -> list[StageTrace]:
    """Read losses back, stage by stage."""
    rows = unpack_table(table).to_pylist()
    return [
        StageTrace(
            stage,
            tuple(
                Evaluation(**{name: row[name] for name in ("iteration", "total", "content", "style")})
                for row in rows
                if row["stage"] == stage.index
            ),
        )
        for stage in stages
    ]


def _stage_summary(part: StageTrace) -> dict[str, Any]:
    ends = {"first": part.evaluations[0], "last": part.evaluations[-1]} if part.evaluations else {}
    return {
        "stage": part.stage.name,
        "size": part.stage.size,
        "evaluations": len(part.evaluations),
        **{name: _losses(evaluation) for name, evaluation in ends.items()},
    }


def _losses(evaluation: Evaluation) -> dict[str, float]:
    return {"total": evaluation.total, "content": evaluation.content, "style": evaluation.style}
