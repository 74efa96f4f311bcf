"""What finds regions where there are no maps: which way, and with which model, known before that is loaded.

The setting ``auto`` is settled here, so that a result's key says what it was made with, whatever else is
installed. Nothing is fetched but what a person asked for by name.
"""

import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from pst_core.errors import ConfigError, WeightsError
from pst_core.network.hashes import file_identity
from pst_core.settings.config import FoundRegionSettings, Way
from pst_core.steady import read_steadily

MODEL_ENVIRONMENT = "PST_SEMANTIC_MODEL"
DEEPLAB_ENVIRONMENT = "PST_DEEPLAB_WEIGHTS"
USUAL_MODEL = "nvidia/segformer-b5-finetuned-ade-640-640"
WITHOUT_MODEL = "use --segmentation cluster, which needs no model"
DEEPLAB_WAYS_OUT = (
    f"name a file of torchvision's deeplabv3_resnet101 in {DEEPLAB_ENVIRONMENT}, "
    "or use --segmentation cluster"
)
MODEL_WAYS_OUT = (
    f"name a folder of a semantic segmentation model of transformers with --segmentation-model or "
    f"{MODEL_ENVIRONMENT}, or {WITHOUT_MODEL}"
)
ONNX_WAYS_OUT = (
    f"name an .onnx file of a network of semantic segmentation with --segmentation-model or "
    f"{MODEL_ENVIRONMENT}, or {WITHOUT_MODEL}"
)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class Finder(BaseModel):
    """A way to find regions, as far as it can be told without loading it.

    Attributes
    ----------
    way : Way
    place : str
        The model's file or folder on this machine: no part of what it is.
    identity : str
        Tells the model from others: sha256 of its files, or ``torchvision``; empty where there is none.
    library : str
        What runs it, with its version, where that is none of `pst_core.provenance.LIBRARIES`.
    classes : tuple of str
        Names of its classes, where a file says them.
    merges : dict
        Group -> classes that are one region, besides those of ADE20K.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    way: Way
    place: str = ""
    identity: str = ""
    library: str = ""
    classes: tuple[str, ...] = ()
    merges: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, settings: FoundRegionSettings) -> Self:
        """The way that settings, environment and this machine come to.

        Raises
        ------
        ConfigError, WeightsError
            If a file or a model that is asked for cannot be had.
        """
        way, place = _chosen(settings)
        if way in ("cluster", "one"):
            return cls(way=way)
        merges = _read_merges(settings.segmentation_merges)
        if way == "semantic":
            library = f"transformers {version('transformers')}"
            return cls(way=way, place=place, identity=_folder_identity(place), library=library, merges=merges)
        if way == "onnx":
            classes = _read_classes(settings.onnx_classes)
            identity = file_identity(place, ONNX_WAYS_OUT)
            return cls(way=way, place=place, identity=identity, classes=classes, merges=merges)
        identity = file_identity(place, DEEPLAB_WAYS_OUT) if place else "torchvision"
        return cls(way=way, place=place, identity=identity, merges=merges)

    @property
    def content(self) -> dict[str, Any]:
        """All that decides which regions are found."""
        return self.model_dump(exclude={"place"})

    @property
    def told(self) -> str:
        """The way, with what its model is known by: ``semantic (0123456789ab, transformers 5.24.0)``."""
        known = ", ".join(part for part in (self.identity[:12], self.library) if part)
        return f"{self.way} ({known})" if known else self.way


def _chosen(settings: FoundRegionSettings) -> tuple[Way, str]:
    """The way, and where its model lies."""
    named = settings.segmentation_model or os.environ.get(MODEL_ENVIRONMENT) or ""
    way = settings.segmentation
    if way == "auto":
        return _best(named)
    if way == "semantic":
        return way, _folder_of(named or USUAL_MODEL, fetches=True)
    if way == "onnx":
        if not named:
            raise WeightsError(f"Which ONNX file finds the regions is not said: {ONNX_WAYS_OUT}.")
        return way, named
    return way, (os.environ.get(DEEPLAB_ENVIRONMENT) or "") if way == "deeplab" else ""


def _best(named: str) -> tuple[Way, str]:
    """The best way there is on this machine: what is named, or else what lies here already."""
    if named.lower().endswith(".onnx"):
        return "onnx", named
    if named:
        return "semantic", _folder_of(named, fetches=False)
    here = _cached(USUAL_MODEL) if has_transformers() else None
    return ("cluster", "") if here is None else ("semantic", here)


@lru_cache(maxsize=1)
def has_transformers() -> bool:
    """Whether the extra ``segmentation`` is installed."""
    return find_spec("transformers") is not None


def _folder_of(named: str, *, fetches: bool) -> str:
    """The folder of a model of transformers: itself, or the hub's copy on this machine."""
    if not has_transformers():
        raise WeightsError(
            f"The segmentation model {named} needs transformers: "
            f'pip install "photoreal-style[segmentation]", or {WITHOUT_MODEL}.'
        )
    try:
        path = Path(named).expanduser()
        if path.is_dir():
            return str(path)
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, or a home that is not known
        raise WeightsError(
            f"The segmentation model {named!r} cannot be read ({error}): {MODEL_WAYS_OUT}."
        ) from error
    if is_file or not _HUB_NAME.fullmatch(named):
        what = "is a file, not a folder" if is_file else "is no folder on this machine"
        raise WeightsError(f"The segmentation model {named} {what}: {MODEL_WAYS_OUT}.")
    here = _cached(named)
    if here is None and not fetches:
        raise WeightsError(
            f"The segmentation model {named} is not on this machine, and by itself nothing is fetched: "
            "use --segmentation semantic, which fetches it once, or name no model."
        )
    return here or _fetched(named)


def _cached(name: str) -> str | None:
    """The folder of the hub's copy on this machine, if it is there with its weights."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    if not isinstance(config, str) or not any(_weights_in(Path(config).parent)):
        return None
    return str(Path(config).parent)


def _fetched(name: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if sys.stderr is None or not sys.stderr.isatty():
        disable_progress_bars()
    try:
        folder = str(snapshot_download(name, allow_patterns=["*.json", "*.safetensors"]))
        if not any(_weights_in(Path(folder))):
            folder = str(snapshot_download(name, allow_patterns=["pytorch_model*.bin*"]))
    except Exception as error:  # the hub's, and those of whatever it speaks through
        reason = str(error).splitlines()[0].rstrip(".: ") if str(error) else type(error).__name__
        raise WeightsError(
            f"The segmentation model {name} could not be fetched from the hub ({reason}): {MODEL_WAYS_OUT}."
        ) from error
    return folder


def _weights_in(folder: Path) -> Iterator[Path]:
    """The files of weights that transformers would take."""
    safe = sorted(folder.glob("*.safetensors"))
    yield from safe or sorted(folder.glob("pytorch_model*.bin"))


def _folder_identity(place: str) -> str:
    """One hash of all files of a model that decide what it finds."""
    folder = Path(place)
    weights = [*_weights_in(folder)]
    lacking = "config.json" if not (folder / "config.json").is_file() else "" if weights else "weights"
    if lacking:
        raise WeightsError(f"The segmentation model {place} has no {lacking}: {MODEL_WAYS_OUT}.")
    told = [
        (path.name, file_identity(str(path), MODEL_WAYS_OUT)) for path in [*_settings_in(folder), *weights]
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _settings_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.json")) if path.is_file()]


def _read_merges(name: str | None) -> dict[str, tuple[str, ...]]:
    """Group -> classes, of a person's own file."""
    if name is None:
        return {}
    way_out = 'write lines such as water = ["pond", "sea"], each class once'
    try:
        read = tomllib.loads(_read_text(name, "of merges"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The file of merges {name} is no valid TOML ({error}): {way_out}.") from error
    for group, classes in read.items():
        if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
            raise ConfigError(f"In the file of merges {name}, {group!r} is no list of classes: {way_out}.")
    merges = {group: tuple(classes) for group, classes in read.items()}
    named = [each for classes in merges.values() for each in classes]
    if twice := next((each for each in named if named.count(each) > 1), None):
        raise ConfigError(f"The file of merges {name} has the class {twice!r} twice: {way_out}.")
    return merges


def _read_classes(name: str | None) -> tuple[str, ...]:
    """Names of classes, one a line; none where there is no file."""
    if name is None:
        return ()
    names = tuple(line.strip() for line in _read_text(name, "of classes").rstrip().splitlines())
    if not names:
        raise ConfigError(f"The file of classes {name} is empty: write the classes' names, one a line.")
    return names


def _read_text(name: str, kind: str) -> str:
    try:
        return read_steadily(Path(name).expanduser()).decode("utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:  # no UTF-8; a NUL in the name; a home that is not known
        reason = str(error)
    raise ConfigError(f"The file {kind} {name} cannot be read ({reason}): name another one, or none.")
