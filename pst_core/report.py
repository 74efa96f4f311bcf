"""What a result says about itself: the recipe it is made again from, and the report that lies beside it.

The recipe holds what decides the pixels and nothing else, neither times nor absolute paths, so that equal
runs give equal files. The report is the recipe with what a person asks about one run: losses, times, notes.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pst_core.pipeline.walk import Stage
from pst_core.provenance import versions
from pst_core.settings.config import Config

if TYPE_CHECKING:
    from pst_core.network.weights import Weights
    from pst_core.optimisation.solver import Evaluation
    from pst_core.pipeline.steps import Result, StageTrace
    from pst_core.regions.maps import Regions

__all__ = [
    "FORMAT", "PROGRAM", "ROLES", "Facts", "Order", "build_recipe", "build_report", "describe_regions",
    "describe_weights", "join_losses", "losses_path", "losses_table", "notes_of", "package_version",
    "read_trace", "report_path", "run_figures", "summarise_losses",
]  # fmt: skip

PROGRAM = "photoreal-style"
FORMAT = 1
ROLES = ("content", "style", "content_map", "style_map", "start")


@dataclass(frozen=True)
class Facts:
    """What a recipe tells of a result, wherever it was made.

    Attributes
    ----------
    config : Config
    hashes : mapping
        Role -> sha256 of the input's bytes.
    weights : mapping
        ``name``, ``sha256``, ``convention``, ``trained``.
    regions : mapping
        See `describe_regions`.
    color_match : float
    device, dtype : str
    losses : sequence of mapping
        Of each stage, see `summarise_losses`.
    notes : sequence of str
    """

    config: Config
    hashes: Mapping[str, str]
    weights: Mapping[str, Any]
    regions: Mapping[str, Any]
    color_match: float
    device: str
    dtype: str
    losses: Sequence[Mapping[str, Any]]
    notes: Sequence[str]

    @classmethod
    def of(cls, result: "Result") -> "Facts":
        """The facts of a result in memory."""
        return cls(
            result.config, result.inputs.hashes, describe_weights(result.weights),
            describe_regions(result.regions), result.color_match, result.device, result.dtype,
            summarise_losses(result.trace), result.notes,
        )  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What was asked for, as far as a `Result` does not know it.

    Attributes
    ----------
    output : Path
        Where the picture goes; relative places in the recipe are seen from its folder.
    preset : str
    paths : mapping
        Role (``content``, ``style``, ``content_map``, ``style_map``, ``start``) -> path as it was given.
    hashes : mapping
        Role -> sha256, for roles that the result's inputs do not have (``start``).
    """

    output: Path
    preset: str
    paths: Mapping[str, Path]
    hashes: Mapping[str, str] = field(default_factory=dict)


def report_path(output: Path) -> Path:
    """Where the report of a picture goes: ``result.png`` -> ``result.json``."""
    return output.with_name(f"{output.stem}.json")


def losses_path(output: Path) -> Path:
    """Where the losses of a picture go: ``result.png`` -> ``result.losses.parquet``."""
    return output.with_name(f"{output.stem}.losses.parquet")


def package_version() -> str:
    """Version of this package; ``0+unknown`` where it runs without being installed."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "0+unknown"


def build_recipe(facts: Facts, order: Order) -> dict[str, Any]:
    """Everything that decides a result's pixels; equal runs have equal recipes.

    Parameters
    ----------
    order
        What was asked for.

    Returns
    -------
    dict
        JSON-serialisable, without times, absolute paths or environment variables.
    """
    return {
        "program": PROGRAM,
        "format": FORMAT,
        "version": package_version(),
        "inputs": _inputs(facts, order),
        "preset": order.preset,
        "settings": _portable_settings(facts.config),
        "weights": _weights(facts, order),
        "regions": dict(facts.regions),
        "color_match_strength": float(facts.color_match),
        "device": facts.device,
        "dtype": facts.dtype,
        "versions": versions(),
    }


def build_report(facts: Facts, order: Order) -> dict[str, Any]:
    """Return the recipe, and with it where the files were, losses and notes: all that depends on no clock.

    Parameters
    ----------
    order
        What was asked for.

    Returns
    -------
    dict
        JSON-serialisable. Losses are those of each stage's first and last evaluation; `losses_table` has all.
    """
    report = build_recipe(facts, order)
    for role, entry in report["inputs"].items():
        entry["given"] = str(order.paths[role])
    if facts.config.weights not in (None, "untrained"):
        report["weights"]["given"] = facts.config.weights
    return report | {
        "output": order.output.name,
        "losses": list(facts.losses),
        "notes": list(facts.notes),
    }


def notes_of(notes: Sequence[str], config: Config, *, unmatched: bool, trained: bool) -> tuple[str, ...]:
    """What a person should know about a result, as plain sentences.

    Parameters
    ----------
    notes
        On how the files were read and what regions were found.
    unmatched
        Whether a region of the content has no counterpart in the style.
    trained
        Whether the network's weights were learned.
    """
    told = list(notes)
    if unmatched:
        fate = "takes the whole style's look" if config.unmatched == "style" else "keeps its content"
        told.append(f"A region without a counterpart in the style {fate} (setting unmatched).")
    if not trained:
        told.append(
            "Made with the untrained network: colours and filters carry the style, not learned features."
        )
    return tuple(told)


def run_figures(seconds: Mapping[str, float], peak_memory: int) -> dict[str, Any]:
    """What a report says about one run: seconds by step, and the largest memory of the process in bytes."""
    return {
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "peak_memory_bytes": peak_memory,
    }


def losses_table(trace: Sequence["StageTrace"]) -> bytes:
    """Losses of every evaluation, as the bytes of a Parquet file.

    Columns: ``stage`` (its place in the walk), ``round``, ``kind``, ``size`` (long side in pixels),
    ``iteration``, ``total``, ``content``, ``style``.
    """
    import pyarrow as pa
    from pyarrow import parquet

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
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return bytes(buffer.getvalue())


def summarise_losses(trace: Sequence["StageTrace"]) -> list[dict[str, Any]]:
    """Each stage's name, size, and losses at its first and its last evaluation."""
    return [_stage_summary(part) for part in trace]


def join_losses(tables: Sequence[bytes]) -> bytes:
    """Put the losses of several stages, as `losses_table` writes them, into one table."""
    import pyarrow as pa
    from pyarrow import parquet

    parts = [parquet.read_table(pa.BufferReader(table)) for table in tables]
    buffer = pa.BufferOutputStream()
    empty = parquet.read_table(pa.BufferReader(losses_table([])))
    parquet.write_table(pa.concat_tables([empty, *parts]).combine_chunks(), buffer)
    return bytes(buffer.getvalue())


def read_trace(table: bytes, stages: Sequence[Stage]) -> list["StageTrace"]:
    """Read losses back, stage by stage."""
    import pyarrow as pa
    from pyarrow import parquet

    from pst_core.optimisation.solver import Evaluation
    from pst_core.pipeline.steps import StageTrace

    rows = parquet.read_table(pa.BufferReader(table)).to_pylist()
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


def describe_weights(weights: "Weights") -> dict[str, Any]:
    """What tells these weights from others."""
    return {
        "name": weights.name,
        "sha256": weights.sha256,
        "convention": weights.convention,
        "trained": weights.trained,
    }


def describe_regions(regions: "Regions") -> dict[str, Any]:
    """Where regions come from, their colours, and their shares of both photographs."""
    return {
        "source": regions.source,
        "count": regions.count,
        "colors": [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in regions.colors.tolist()],
        "content_shares": [round(share, 6) for share in regions.content_shares.tolist()],
        "style_shares": [round(share, 6) for share in regions.style_shares.tolist()],
        "matched": regions.matched.tolist(),
    }


def _inputs(facts: Facts, order: Order) -> dict[str, dict[str, str]]:
    hashes = {**facts.hashes, **order.hashes}
    return {
        role: {
            "name": order.paths[role].name,
            "sha256": hashes[role],
            **_places(order.paths[role], order.output),
        }
        for role in ROLES
        if role in order.paths
    }


def _places(path: Path, output: Path) -> dict[str, str]:
    """Where a file was, in terms that mean something on another machine too."""
    places = {} if path.is_absolute() else {"path": path.as_posix()}
    here, folder = os.path.realpath(path), os.path.realpath(output.parent)
    # Two places that share nothing but the root are related by an absolute path in disguise.
    if os.path.splitdrive(here)[0] == os.path.splitdrive(folder)[0]:
        common = os.path.commonpath([here, folder])
        if os.path.dirname(common) != common:  # noqa: PTH120 - a string from end to end
            places["beside"] = Path(os.path.relpath(here, folder)).as_posix()
    return places


def _portable_settings(config: Config) -> dict[str, Any]:
    """All settings; of a weights file given by its absolute path only the name."""
    settings = config.model_dump(mode="json")
    if settings["weights"] is not None and Path(settings["weights"]).expanduser().is_absolute():
        settings["weights"] = Path(settings["weights"]).name
    return settings


def _weights(facts: Facts, order: Order) -> dict[str, Any]:
    entry, chosen = dict(facts.weights), facts.config.weights
    if chosen in (None, "untrained"):
        return entry
    return entry | _places(Path(chosen).expanduser(), order.output)


def _stage_summary(part: "StageTrace") -> dict[str, Any]:
    ends = {"first": part.evaluations[0], "last": part.evaluations[-1]} if part.evaluations else {}
    return {
        "stage": part.stage.name,
        "size": part.stage.size,
        "evaluations": len(part.evaluations),
        **{name: _losses(evaluation) for name, evaluation in ends.items()},
    }


def _losses(evaluation: "Evaluation") -> dict[str, float]:
    return {"total": evaluation.total, "content": evaluation.content, "style": evaluation.style}
