"""What a result says about itself: the recipe it is made again from, and the report that lies beside it.

The recipe holds what decides the pixels and nothing else, neither times nor absolute paths, so that equal
runs give equal files. The report is the recipe with what a person asks about one run: losses, times, notes.
Their JSON schemas lie in ``docs/schemas``; after a change to the models here, write them anew:

    python -m pst_core.report docs/schemas
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from pst_core.errors import ConfigError
from pst_core.images.roles import ROLES, START
from pst_core.pipeline.trace import summarise_losses
from pst_core.provenance import versions
from pst_core.settings.config import Config

if TYPE_CHECKING:
    from pst_core.pipeline.stylize import Result

__all__ = [
    "PROGRAM", "Facts", "Recipe", "Report", "Request", "build_recipe", "build_report", "check_recipe",
    "package_version", "read_own", "schemas",
]  # fmt: skip

PROGRAM: Literal["photoreal-style"] = "photoreal-style"
FORMAT: Literal[1] = 1
_VERSION = re.compile(r"\d[\w.+!-]{0,40}", re.ASCII)


class _Part(BaseModel):
    """What is not known is left out of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _known(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None}


class File(_Part):
    """A file that went in, with where it was in terms that mean something on another machine too."""

    name: str
    sha256: str
    """Of its bytes."""
    path: str | None = None
    """As it was given, if that was relative."""
    beside: str | None = None
    """As seen from the result's folder."""
    given: str | None = None
    """As it was given; in reports alone."""


class Inputs(_Part):
    """The files of a pair, by role."""

    content: File
    style: File
    content_map: File | None = None
    style_map: File | None = None
    start: File | None = None

    @property
    def given(self) -> dict[str, File]:
        """Role -> file."""
        found = ((role, getattr(self, role)) for role in (*ROLES, START))
        return {role: file for role, file in found if file is not None}


class Weights(File):
    """The network's weights. Of the untrained network the hash is its tensors'."""

    convention: str
    """Input that the network expects."""
    trained: bool


class FoundRegions(_Part):
    """The regions of both photographs, an entry a region."""

    source: str
    count: int
    colors: tuple[str, ...]
    content_shares: tuple[float, ...]
    """Of the photograph's pixels."""
    style_shares: tuple[float, ...]
    matched: tuple[bool, ...]
    """Whether both photographs have the region."""


class Losses(_Part):
    """Of one evaluation."""

    total: float
    content: float
    style: float


class StageLosses(_Part):
    """One stage in short; the table of losses has all of its evaluations."""

    stage: str
    size: int
    """Long side of the working image in pixels."""
    evaluations: int
    first: Losses | None = None
    last: Losses | None = None


class Scores(BaseModel):
    """Measures of the result by their keys, null where there is none."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, float | None] = Field(init=False)

    models: dict[str, str] = {}
    """Measure -> the model that it was taken with, where it takes one."""


class Recipe(_Part):
    """Everything that decides a result's pixels; equal runs have equal recipes."""

    program: Literal["photoreal-style"] = PROGRAM
    format: Literal[1] = FORMAT
    version: str
    """Of the program."""
    inputs: Inputs
    preset: str
    settings: Config
    """All of them; of a weights file given by its absolute path only the name."""
    weights: Weights
    regions: FoundRegions
    color_match_strength: float
    """Of the closing colour match, as it was used."""
    device: str
    dtype: str
    """Arithmetic of the network."""
    versions: dict[str, str]
    """Of the libraries."""

    @property
    def hashes(self) -> dict[str, str]:
        """Role -> sha256 of the input's bytes."""
        return {role: file.sha256 for role, file in self.inputs.given.items()}

    def to_json(self) -> bytes:
        """The text of its file, in ASCII: names of files need not be valid text."""
        return (json.dumps(self.model_dump(mode="json"), indent=2, allow_nan=False) + "\n").encode()


class Report(Recipe):
    """A recipe with what a person asks about one run."""

    output: str
    """Name of the picture."""
    losses: tuple[StageLosses, ...]
    notes: tuple[str, ...]
    """What a person should know, a sentence each."""
    seconds: dict[str, float] | None = None
    """Of a single picture: time by step."""
    peak_memory_bytes: int | None = None
    """Of a single picture: the largest memory of the process."""
    pair: str | None = None
    """In a batch: the pair's name."""
    key: str | None = None
    """In a batch: what tells this result from those of other inputs, settings or code."""
    scores: Scores | None = None
    """In a batch."""
    files: dict[str, str] | None = None
    """In a batch: name -> sha256 of every other file of the folder."""


@dataclass(frozen=True)
class Facts:
    """What a recipe tells of a result, wherever it was made.

    Attributes
    ----------
    config : Config
    hashes : mapping
        Role -> sha256 of the input's bytes.
    weights : mapping
        See `pst_core.network.weights.describe_weights`.
    regions : mapping
        See `pst_core.regions.labels.describe_regions`.
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
    def of(cls, result: "Result", hashes: Mapping[str, str], notes: Sequence[str] = ()) -> "Facts":
        """The facts of a result in memory, with further notes."""
        from pst_core.network.weights import describe_weights
        from pst_core.regions.labels import describe_regions

        return cls(
            result.config, hashes, describe_weights(result.weights), describe_regions(result.regions),
            result.color_match, result.device, result.dtype, summarise_losses(result.trace),
            (*result.notes, *notes),
        )  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What was asked for, as far as the result does not know it.

    Attributes
    ----------
    output : Path
        Where the picture goes; relative places in the recipe are seen from its folder.
    preset : str
    paths : mapping
        Role (``content``, ``style``, ``content_map``, ``style_map``, ``start``) -> path as it was given.
    """

    output: Path
    preset: str
    paths: Mapping[str, Path]


def package_version() -> str:
    """Version of this package; ``0+unknown`` where it runs without being installed."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "0+unknown"


def build_recipe(facts: Facts, request: Request) -> Recipe:
    """The recipe of a result: no times, absolute paths or environment variables."""
    return Recipe.model_validate(_parts(facts, request))


def build_report(facts: Facts, request: Request, **figures: Any) -> Report:  # noqa: ANN401 - Report's
    """The recipe, and with it where the files were, losses and notes: all that depends on no clock.

    Parameters
    ----------
    figures
        Further fields of `Report`.
    """
    parts = _parts(facts, request)
    for role, entry in parts["inputs"].items():
        entry["given"] = str(request.paths[role])
    if facts.config.weights not in (None, "untrained"):
        parts["weights"]["given"] = facts.config.weights
    said = {"output": request.output.name, "losses": facts.losses, "notes": facts.notes}
    return Report.model_validate(parts | said | figures)


def _parts(facts: Facts, request: Request) -> dict[str, Any]:
    """The fields of a recipe."""
    inputs = {
        role: {"name": path.name, "sha256": facts.hashes[role], **_places(path, request.output)}
        for role, path in request.paths.items()
    }
    weights, chosen = dict(facts.weights), facts.config.weights
    if chosen is not None and chosen != "untrained":
        weights |= _places(Path(chosen).expanduser(), request.output)
    return {
        "version": package_version(),
        "inputs": inputs,
        "preset": request.preset,
        "settings": _portable(facts.config),
        "weights": weights,
        "regions": facts.regions,
        "color_match_strength": float(facts.color_match),
        "device": facts.device,
        "dtype": facts.dtype,
        "versions": versions(),
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


def _portable(config: Config) -> Config:
    weights = config.weights
    if weights is None or not Path(weights).expanduser().is_absolute():
        return config
    return config.model_copy(update={"weights": Path(weights).name})


def read_own(path: Path) -> dict[str, Any]:
    """The JSON object of this program's that a file holds; empty where it holds anything else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("program") == PROGRAM else {}


def check_recipe(source: Path, found: object) -> Recipe:
    """Read a recipe or a report out of JSON, which may come from anywhere.

    Parameters
    ----------
    source
        The file that it was read from, for errors.

    Raises
    ------
    ConfigError
        It is none of this program's, or of a version that knows more than this one, or damaged.
    """
    if not isinstance(found, dict) or found.get("program") != PROGRAM:
        raise ConfigError(f"{source} holds no recipe of this program: name a result or its report.")
    other = f"{source} holds a recipe of another version of this program: install that one."
    if found.get("format") != FORMAT:
        raise ConfigError(other)
    try:
        return (Report if set(found) - set(Recipe.model_fields) else Recipe).model_validate(found)
    except ValidationError as error:
        theirs, ours = found.get("version"), package_version()
        if isinstance(theirs, str) and _VERSION.fullmatch(theirs) and theirs != ours:
            raise ConfigError(_unknown_field(source, error, theirs, ours) or other) from error
        with contextlib.suppress(TypeError):
            Config.make(**found.get("settings", {}))  # it says what is wrong with a setting
        raise ConfigError(
            f"{source} holds a recipe that is damaged: use the picture's report, or the picture's own."
        ) from error


def _unknown_field(source: Path, error: ValidationError, theirs: str, ours: str) -> str:
    """A sentence on the first field that there is not in this version; empty if that is not the trouble."""
    for each in error.errors():
        if each["type"] == "extra_forbidden":
            field = ".".join(map(str, each["loc"]))
            return (
                f"{source} has the field {field!r}, which version {theirs} of this program wrote and this "
                f"one, version {ours}, does not know: install version {theirs}."
            )
    return ""


def schemas() -> dict[str, str]:
    """The JSON schemas of recipe and report, by the names of their files."""
    return {
        f"{model.__name__.lower()}.schema.json": json.dumps(model.model_json_schema(), indent=2) + "\n"
        for model in (Recipe, Report)
    }


if __name__ == "__main__":
    for name, text in schemas().items():
        (Path(sys.argv[1]) / name).write_text(text)
