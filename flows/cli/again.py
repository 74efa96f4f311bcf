"""A result made again: its recipe, and where the files named in it are by now."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.cli.options import Chosen
from flows.layout import losses_path, report_path
from pst_core.errors import ConfigError, ImageError, WeightsError
from pst_core.images.roles import FURTHER, PHOTOGRAPHS, STYLES, in_words
from pst_core.report import File, Recipe, check_recipe, read_own
from pst_core.settings.config import Config
from pst_core.steady import open_steadily, read_steadily


@dataclass(frozen=True)
class Earlier:
    """A result that is to be made again.

    Attributes
    ----------
    source : Path
        The picture, or the report beside it, that tells of it.
    recipe : Recipe
    report : Recipe or None
        Beside a picture, if it tells of the same run: it knows where the files were.
    """

    source: Path
    recipe: Recipe
    report: Recipe | None = None

    def chosen(self) -> Chosen:
        """Its settings, with the weights' file looked up."""
        settings = self.recipe.settings.model_dump() | {"weights": self._weights()}
        return Chosen(self.recipe.preset, settings, Config.make(**settings))

    def paths(self, given: Mapping[str, Path]) -> dict[str, Path]:
        """Role -> file: where it was said to be, or else wherever it is found with the right bytes.

        Raises
        ------
        ImageError
            A file is nowhere, or has other bytes than it had.
        """
        return {role: given.get(role) or self._find(role) for role in self.recipe.inputs.given}

    def _find(self, role: str) -> Path:
        told = [each.inputs.given[role] for each in self._tellers() if role in each.inputs.given]
        present = [path for path in self._places(told) if path.is_file()]
        for path in present:
            if _sha256(path) == told[0].sha256:
                return path
        what = f"The {in_words(role)} {told[0].name!r} of {self.source}"
        if present:
            raise ImageError(
                f"{what} has changed: {present[0]} has the sha256 {_sha256(present[0])}, the recipe's is "
                f"{told[0].sha256}; {_way_out(role)}."
            )
        raise ImageError(f"{what} is not found where it was, nor beside the result; {_way_out(role)}.")

    def _tellers(self) -> list[Recipe]:
        return [each for each in (self.recipe, self.report) if each is not None]

    def _places(self, told: Sequence[File]) -> Iterator[Path]:
        """Where a file may be: as given, seen from the result's folder, or in it."""
        for file in told:
            yield from (Path(place).expanduser() for place in (file.given, file.path) if place is not None)
            beside = (file.beside, file.path, file.name)
            yield from (self.source.parent / place for place in beside if place is not None)

    def _weights(self) -> str | None:
        told = [each.weights for each in self._tellers()]
        if not told[0].trained:
            return "untrained"
        for path in self._places(told):
            if path.is_file() and _sha256(path) == told[0].sha256:
                return str(path)
        return None  # the environment's or torchvision's, which are checked all the same


def load_recipe(source: Path) -> Earlier:
    """Read the recipe of a picture, or a report.

    Raises
    ------
    ConfigError, ImageError
        There is none in it, or it is not one that this version understands.
    """
    if source.suffix.lower() == ".json":
        return Earlier(source, check_recipe(source, _read_json(source)))
    from pst_core.images.embedding import read_recipe

    found = read_recipe(source)
    beside = report_path(source)
    if found is None:
        way_out = f"use --from {beside}" if beside.exists() else "use a result made without --no-recipe"
        raise ImageError(f"{source} carries no recipe: {way_out}.")
    recipe = check_recipe(source, found)
    return Earlier(source, recipe, _report_of(beside, recipe))


def free_name(source: Path) -> Path:
    """Find a name beside the result that nothing has yet: ``result-again.png``, ``result-again-2.png``."""
    suffix = ".png" if source.suffix.lower() == ".json" else source.suffix
    number = 1
    while True:
        path = source.with_name(f"{source.stem}-again{'' if number == 1 else f'-{number}'}{suffix}")
        if not any(target.exists() for target in (path, report_path(path), losses_path(path))):
            return path
        number += 1


def check_against(
    recipe: Recipe, config: Config, paths: Mapping[str, Path], hashes: Mapping[str, str]
) -> list[str]:
    """Hold what was found against what a recipe says; notes on what may change the pixels.

    Raises
    ------
    ImageError, WeightsError
        A file or the weights are others.
    """
    for role, wanted in recipe.hashes.items():
        if role in hashes and hashes[role] != wanted:
            raise ImageError(
                f"{paths[role]} is not the {in_words(role)} of this recipe: its sha256 is "
                f"{hashes[role]}, the recipe's {wanted}. Say where the right file is."
            )
    _check_weights(recipe.weights.sha256, config)
    _check_model(recipe, config)
    from pst_core.machine import check_device, describe_device
    from pst_core.provenance import versions

    here = versions() | {"device": describe_device(check_device(config.device))}
    there = recipe.versions | {"device": recipe.device}
    return [
        f"Made before with {name} {there[name]}, now with {here.get(name)}: pixels may differ."
        for name in there
        if there[name] != here.get(name)
    ]


def with_arithmetic(recipe: Recipe, config: Config) -> Config:
    """Where `auto` would choose another arithmetic than the recipe's machine did, ask for that one."""
    from pst_core.machine import check_device, pick_dtype

    if config.precision != "auto" or recipe.dtype not in ("float32", "bfloat16"):
        return config
    here = str(pick_dtype("auto", check_device(config.device))).removeprefix("torch.")
    return config if here == recipe.dtype else config.model_copy(update={"precision": recipe.dtype})


def _check_weights(wanted: str, config: Config) -> None:
    from pst_core.network.encoder import weights_for

    # `stylize` asks for the same weights again, and gets these: they are kept.
    weights = weights_for(config, config.layers)
    if weights.sha256 != wanted:
        raise WeightsError(
            f"The weights {weights.name} have the sha256 {weights.sha256}, the recipe's {wanted}: "
            "name the right file with --weights."
        )


def _check_model(recipe: Recipe, config: Config) -> None:
    """See that regions that a network found are found by the same one."""
    if recipe.regions.model is None or config.segmentation != recipe.settings.segmentation:
        return
    from pst_core.network.finder import Finder

    found = Finder.of(config)
    if found.identity not in recipe.regions.model:
        raise WeightsError(
            f"The recipe's regions were found by {recipe.regions.model}, here there is {found.told}: name "
            "the right model with --segmentation-model."
        )


def _read_json(path: Path) -> object:
    try:
        loaded: object = json.loads(read_steadily(path))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): name a result or its report."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no valid JSON: name a result or its report.") from error
    return loaded


def _report_of(path: Path, recipe: Recipe) -> Recipe | None:
    """The report beside a picture, if it tells of the same run."""
    try:
        report = check_recipe(path, read_own(path))
    except ConfigError:
        return None
    same = (report.settings, report.versions) == (recipe.settings, recipe.versions)
    return report if same else None


def _sha256(path: Path) -> str:
    try:
        with open_steadily(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): change its permissions.") from error


def _way_out(role: str) -> str:
    if role in PHOTOGRAPHS:
        return "say where it is by naming CONTENT and STYLE"
    if role in STYLES:
        return "say where it is by naming CONTENT, STYLE and every --style"
    return f"say where it is with --{'style-map' if role in FURTHER else role.replace('_', '-')}"
