"""A result made again: its recipe, and where the files named in it are by now."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.cli.job import Expected
from flows.cli.options import Chosen
from pst_core.errors import ConfigError, ImageError, WeightsError
from pst_core.report import FORMAT, PROGRAM, ROLES, losses_path, report_path
from pst_core.settings.config import Config

__all__ = ["Recipe", "free_name", "load_recipe"]


@dataclass(frozen=True)
class Recipe:
    """What a result says about how it was made.

    Attributes
    ----------
    source : Path
        The picture, or the report beside it, that it was read from.
    data, report : dict
        The recipe, and the report beside the picture (empty if there is none of the same recipe).
    """

    source: Path
    data: Mapping[str, Any]
    report: Mapping[str, Any]

    def choice(self) -> Chosen:
        """Its settings, with the weights' file looked up."""
        settings = dict(self.data["settings"])
        settings["weights"] = self._weights()
        return Chosen(str(self.data["preset"]), settings, Config.make(**settings))

    def expected(self) -> Expected:
        """Return what its result was made with."""
        inputs, weights = self.data["inputs"], self.data["weights"]
        return Expected(
            {role: str(entry["sha256"]) for role, entry in inputs.items()},
            str(weights["sha256"]),
            str(self.data["dtype"]),
            str(self.data["device"]),
            dict(self.data["versions"]),
        )

    def paths(self, given: Mapping[str, Path]) -> dict[str, Path]:
        """Role -> file: where it was said to be, or else wherever it is found with the right bytes.

        Raises
        ------
        ImageError
            A file is nowhere, or has other bytes than it had.
        """
        return {role: given.get(role) or self._find(role) for role in ROLES if role in self.data["inputs"]}

    def _find(self, role: str) -> Path:
        entry = self.data["inputs"][role]
        present = [path for path in self._places("inputs", role) if path.is_file()]
        for path in present:
            if _sha256(path) == entry["sha256"]:
                return path
        what = f"The {role.replace('_', ' ')} {entry['name']!r} of {self.source}"
        if present:
            raise ImageError(
                f"{what} has changed: {present[0]} has the sha256 {_sha256(present[0])}, the recipe's is "
                f"{entry['sha256']}; {_way_out(role)}."
            )
        raise ImageError(f"{what} is not found where it was, nor beside the result; {_way_out(role)}.")

    def _places(self, *keys: str) -> Iterator[Path]:
        """Where a file may be: as given, seen from the result's folder, or in it."""
        folder = self.source.parent
        for holder in (self.data, self.report):
            entry: Any = holder
            for key in keys:
                entry = entry.get(key, {})
            yield from (Path(entry[name]).expanduser() for name in ("given", "path") if name in entry)
            yield from (folder / entry[name] for name in ("beside", "path", "name") if name in entry)

    def _weights(self) -> str | None:
        entry = self.data["weights"]
        if not entry["trained"]:
            return "untrained"
        for path in self._places("weights"):
            if path.is_file() and _sha256(path) == entry["sha256"]:
                return str(path)
        return None  # the environment's or torchvision's, which are checked all the same


def load_recipe(source: Path) -> Recipe:
    """Read the recipe of a picture, or a report.

    Raises
    ------
    ConfigError, ImageError
        There is none in it, or it is not one that this version understands.
    """
    if source.suffix.lower() == ".json":
        return Recipe(source, _checked(source, _read_json(source)), {})
    from pst_core.images.embedding import read_recipe

    found = read_recipe(source)
    beside = report_path(source)
    if found is None:
        way_out = f"use --from {beside}" if beside.exists() else "use a result made without --no-recipe"
        raise ImageError(f"{source} carries no recipe: {way_out}.")
    return Recipe(source, _checked(source, found), _report_of(beside, found))


def free_name(source: Path) -> Path:
    """Find a name beside the result that nothing has yet: ``result-again.png``, ``result-again-2.png``."""
    suffix = ".png" if source.suffix.lower() == ".json" else source.suffix
    number = 1
    while True:
        path = source.with_name(f"{source.stem}-again{'' if number == 1 else f'-{number}'}{suffix}")
        if not any(target.exists() for target in (path, report_path(path), losses_path(path))):
            return path
        number += 1


def _read_json(path: Path) -> object:
    try:
        loaded: object = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): name a result or its report."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no valid JSON: name a result or its report.") from error
    return loaded


def _report_of(path: Path, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the report beside a picture, if it tells of the same run: it knows where the files were."""
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    same = isinstance(report, dict) and all(
        report.get(key) == recipe.get(key) for key in ("settings", "versions")
    )
    try:
        return _checked(path, report) if same else {}
    except ConfigError:
        return {}


def _checked(source: Path, found: object) -> Mapping[str, Any]:
    """Refuse a recipe that lacks a part that is relied on: it may come from anywhere."""
    parts = {"inputs": dict, "settings": dict, "weights": dict, "versions": dict, "dtype": str, "device": str}
    if not isinstance(found, dict) or found.get("program") != PROGRAM:
        raise ConfigError(f"{source} holds no recipe of this program: name a result or its report.")
    if found.get("format") != FORMAT:
        raise ConfigError(f"{source} holds a recipe of another version of this program: install that one.")
    whole = all(isinstance(found.get(name), kind) for name, kind in parts.items()) and "preset" in found
    if not whole or not _entries_are_whole(found):
        raise ConfigError(
            f"{source} holds a recipe that is damaged: use the picture's report, or the picture's own."
        )
    return found


def _entries_are_whole(recipe: Mapping[str, Any]) -> bool:
    entries = [*recipe["inputs"].values(), recipe["weights"]]
    texts = ("name", "sha256")
    return (
        {"content", "style"} <= set(recipe["inputs"]) <= set(ROLES)
        and all(
            isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts)
            for entry in entries
        )
        and all(
            isinstance(entry.get(key, ""), str) for entry in entries for key in ("given", "path", "beside")
        )
        and isinstance(recipe["weights"].get("trained"), bool)
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): change its permissions.") from error


def _way_out(role: str) -> str:
    if role in ("content", "style"):
        return "say where it is by naming CONTENT and STYLE"
    return f"say where it is with --{role.replace('_', '-')}"
