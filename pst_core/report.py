"""What a result says about itself: the recipe it is made again from, and the report that lies beside it.

The recipe holds what decides the pixels and nothing else, neither times nor absolute paths, so that equal
runs give equal files. The report is the recipe with what a person asks about one run: losses, times, notes.
Their JSON schemas lie in ``docs/schemas``.
"""

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from pst_core.errors import ConfigError
from pst_core.images.roles import EVERY_ROLE, START, styles_of
from pst_core.network.identity import UNTRAINED
from pst_core.provenance import versions
from pst_core.settings.config import Config, Way
from pst_core.steady import read_steadily

PROGRAM: Literal["photoreal-style"] = "photoreal-style"
FORMAT: Literal[1] = 1
_FILES = ("weights", "segmentation_model", "segmentation_merges", "onnx_classes")
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
    style_2: File | None = None
    style_2_map: File | None = None
    style_3: File | None = None
    style_3_map: File | None = None
    style_4: File | None = None
    style_4_map: File | None = None
    start: File | None = None

    @property
    def given(self) -> dict[str, File]:
        """Role -> file."""
        found = ((role, getattr(self, role)) for role in (*EVERY_ROLE, START))
        return {role: file for role, file in found if file is not None}


class Weights(File):
    """The network's weights. Of the untrained network the hash is its tensors'."""

    convention: str
    """Input that the network expects."""
    trained: bool


class FoundRegions(_Part):
    """The regions of both photographs, an entry a region."""

    source: str
    """`maps`, or the way in which they were found."""
    model: str | None = None
    """The network that found them, if one did, with its sha256."""
    count: int
    colors: tuple[str, ...]
    """That the picture of the regions shows them in."""
    names: tuple[str, ...] = ()
    """What the maps call them: `#00FF00`, `value 9`, `transparent`."""
    content_shares: tuple[float, ...]
    """Of the photograph's pixels."""
    style_shares: tuple[float, ...]
    matched: tuple[bool, ...]
    """Whether both photographs have the region."""
    confidence: tuple[float, ...] = ()
    """On [0, 1]: how sure it is that it is one in both photographs; empty of maps."""


class Losses(_Part):
    """Of one evaluation."""

    total: float
    content: float
    style: float


class StageLosses(_Part):
    """One stage in short; the table of losses has all of its evaluations."""

    stage: str
    size: int
    """Long side of the working image in pixels, as planned; a strip's is longer."""
    evaluations: int
    first: Losses | None = None
    last: Losses | None = None


class Recipe(_Part):
    """Everything that decides a result's pixels; equal runs have equal recipes."""

    program: Literal["photoreal-style"] = PROGRAM
    format: Literal[1] = FORMAT
    version: str
    """Of the program."""
    inputs: Inputs
    preset: str
    settings: Config
    """All of them: in place of `auto` what found the regions, in place of absolute paths the files' names."""
    weights: Weights
    shares: dict[str, float] | None = None
    """Of several styles: role -> its share, together 1."""
    regions: FoundRegions
    """Of the content with its first style."""
    further_regions: tuple[FoundRegions, ...] | None = None
    """Of the content with each further style."""
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
        return (_indented(self.model_dump(mode="json"), "\n") + "\n").encode()


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
    scores: dict[str, float | dict[str, str] | None] | None = None
    """In a batch: measure -> value, null where there is none; and ``models``: measure -> what it is by."""
    files: dict[str, str] | None = None
    """In a batch: place, as seen from the report, -> sha256 of every other file of the result."""


@dataclass(frozen=True)
class Run:
    """What is known of a result, wherever it was made; unless said otherwise, by the names of `Report`.

    Attributes
    ----------
    output : Path
        Where the picture goes; relative places in the recipe are seen from its folder.
    paths, hashes : mapping
        Role -> path as it was given, and sha256 of the file's bytes.
    weights, regions : mapping
        See `describe_weights` and `describe_regions`.
    losses : sequence of mapping
        Of each stage, see `summarise_losses`.
    further_regions : sequence of mapping
        Of the content with each further style.
    """

    output: Path
    paths: Mapping[str, Path]
    hashes: Mapping[str, str]
    preset: str
    config: Config
    weights: Mapping[str, Any]
    regions: Mapping[str, Any]
    color_match: float
    device: str
    dtype: str
    losses: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    further_regions: Sequence[Mapping[str, Any]] = ()

    def recipe(self) -> Recipe:
        """No times, absolute paths or environment variables: everything that decides the pixels."""
        return Recipe.model_validate(self._parts)

    def report(self, **figures: Any) -> Report:  # noqa: ANN401 - Report's
        """The recipe, and with it where the files were, losses and notes, and further fields of a report."""
        told = {
            role: entry | {"given": str(self.paths[role])} for role, entry in self._parts["inputs"].items()
        }
        said: dict[str, Any] = {"inputs": told, "output": self.output.name}
        if self.config.weights not in (None, UNTRAINED):
            said["weights"] = self._parts["weights"] | {"given": self.config.weights}
        said |= {"losses": self.losses, "notes": self.notes}
        return Report.model_validate(self._parts | said | figures)

    @cached_property
    def _parts(self) -> dict[str, Any]:
        weights, chosen = dict(self.weights), self.config.weights
        if chosen is not None and chosen != UNTRAINED:
            weights |= _places(Path(chosen).expanduser(), self.output)
        return {
            "version": package_version(),
            "inputs": {
                role: {"name": path.name, "sha256": self.hashes[role], **_places(path, self.output)}
                for role, path in self.paths.items()
            },
            "preset": self.preset,
            "settings": self._settings(),
            "weights": weights,
            "regions": self.regions,
            **self._mixture(),
            "color_match_strength": float(self.color_match),
            "device": self.device,
            "dtype": self.dtype,
            "versions": versions(),
        }

    def _mixture(self) -> dict[str, Any]:
        """What is told of several styles."""
        styles = styles_of(self.paths)
        if len(styles) == 1:
            return {}
        shares = dict(zip(styles, self.config.shares_of(len(styles)), strict=True))
        return {"shares": shares, "further_regions": self.further_regions}

    def _settings(self) -> Config:
        """All settings: what found the regions in place of ``auto``, and of absolute paths only the names."""
        named = {name: getattr(self.config, name) for name in _FILES}
        changed = {
            name: Path(file).expanduser().name
            for name, file in named.items()
            if file is not None and Path(file).expanduser().is_absolute()
        }
        if self.regions["source"] in get_args(Way):
            changed["segmentation"] = self.regions["source"]
        return self.config.model_copy(update=changed)


@lru_cache(maxsize=1)
def package_version() -> str:
    """Version of this package; ``0+unknown`` where it runs without being installed."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "0+unknown"


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


def _indented(value: object, margin: str) -> str:
    """JSON as `json.dumps` writes it with an indent of 2, which Python does in C only where there is none.

    Parameters
    ----------
    margin
        A line's end, and the spaces with which the next line of what is around the value begins.
    """
    if not value or not isinstance(value, (dict, list)):
        return _encoder(margin).encode(value)
    inner = f"{margin}  "
    held = value.values() if isinstance(value, dict) else value
    if not any(isinstance(each, (dict, list)) for each in held):
        written = _encoder(inner).encode(value)[1:-1]
    elif isinstance(value, list):
        written = f",{inner}".join(_indented(each, inner) for each in value)
    else:
        entries = (f"{_indented(name, inner)}: {_indented(each, inner)}" for name, each in value.items())
        written = f",{inner}".join(entries)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}{inner}{written}{margin}{last}"


@lru_cache(maxsize=16)
def _encoder(margin: str) -> json.JSONEncoder:
    """What writes a value's parts with a margin between them, if none of them has parts of its own."""
    return json.JSONEncoder(allow_nan=False, separators=(f",{margin}", ": "))


def read_own(path: Path) -> dict[str, Any]:
    """The JSON object of this program's that a file holds; empty where it holds anything else."""
    try:
        found = json.loads(read_steadily(path))
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
    if "look" in found:
        raise ConfigError(f"{source} is a photograph under a look: it is made again with pst apply.")
    other = f"{source} holds a recipe of another version of this program: install that one."
    if found.get("format") != FORMAT:
        raise ConfigError(other)
    try:
        return (Report if set(found) - set(Recipe.model_fields) else Recipe).model_validate(found)
    except ValidationError as error:
        theirs, ours = found.get("version"), package_version()
        if isinstance(theirs, str) and _VERSION.fullmatch(theirs) and theirs != ours:
            unknown = [each["loc"] for each in error.errors() if each["type"] == "extra_forbidden"]
            raise ConfigError(
                f"{source} has the field {'.'.join(map(str, unknown[0]))!r}, which version {theirs} of this "
                f"program wrote and this one, version {ours}, does not know: install version {theirs}."
                if unknown
                else other
            ) from error
        with contextlib.suppress(TypeError):
            Config.make(**found.get("settings", {}))  # it says what is wrong with a setting
        raise ConfigError(
            f"{source} holds a recipe that is damaged: use the picture's report, or the picture's own."
        ) from error
