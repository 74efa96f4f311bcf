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

from pst_core.network.weights import describe_weights
from pst_core.pipeline.trace import summarise_losses
from pst_core.provenance import versions
from pst_core.regions.labels import describe_regions
from pst_core.settings.config import Config

if TYPE_CHECKING:
    from pst_core.pipeline.stylize import Result

__all__ = [
    "FORMAT", "PROGRAM", "ROLES", "Facts", "Order", "build_recipe", "build_report", "losses_path",
    "package_version", "report_path", "run_figures",
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


def run_figures(seconds: Mapping[str, float], peak_memory: int) -> dict[str, Any]:
    """What a report says about one run: seconds by step, and the largest memory of the process in bytes."""
    return {
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "peak_memory_bytes": peak_memory,
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
