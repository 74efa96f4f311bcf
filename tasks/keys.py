"""The cache key of a step: what it is given, by content, and the code that computes it.

Never a path, a time, a device or the name of a worker: what is renamed, touched or moved is not done again.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pst_core.images.input_files import InputFile, InputFiles
from pst_core.network.finder import Finder
from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage
from pst_core.provenance import code_version, versions
from pst_core.quality.model_files import ModelFiles
from pst_core.sequences.footage import PictureFrames
from pst_core.sequences.video import VideoFrames
from pst_core.settings.config import OnDevice, Settings
from pst_core.store import Reference

_NOT_CONTENT = {
    *OnDevice.model_fields,  # where it runs
    # What files and networks these come to counts: see `Network` and `Finder`.
    "weights", "segmentation", "segmentation_model", "segmentation_merges", "onnx_classes",
}  # fmt: skip


def key_of(step: str, inputs: Mapping[str, Any]) -> str:
    """The key under which a step's result is kept.

    Parameters
    ----------
    step
        The step's name.
    inputs
        Its arguments by name.

    Raises
    ------
    TypeError
        If an argument is of a kind whose content is not known.
    """
    return _digest([step, *_computing(), canonical(dict(inputs))])


def fingerprint() -> str:
    """What all keys have in common, and so must two machines that share work: code and libraries."""
    return _digest(_computing())


def canonical(value: Any) -> Any:  # noqa: ANN401 - JSON has no type of its own
    """A value by its content, as JSON that is equal for equal content alone."""
    match value:
        case None | bool() | int() | str():
            told: Any = value
        case float():
            told = ["float", value.hex()]
        case InputFile() | Reference():
            told = ["file", value.sha256]
        case ModelFiles():
            told = ["models", value.identity]
        case Network():
            arithmetic = value.settings.weights_convention, value.settings.precision
            told = ["network", value.identity, *arithmetic, canonical(value.finder)]
        case Finder():
            told = ["finder", canonical(value.content)]
        case PictureFrames() | VideoFrames():
            told = ["frames", *value.contents]
        case Settings():
            told = {name: canonical(item) for name, item in value if name not in _NOT_CONTENT}
        case InputFiles() | Stage():
            told = {name: canonical(item) for name, item in vars(value).items()}
        case dict() if all(isinstance(name, str) for name in value):
            told = {name: canonical(item) for name, item in value.items()}
        case list() | tuple():
            told = ["list", *(canonical(item) for item in value)]
        case _:
            raise TypeError(f"the content of a {type(value).__name__} is not known")
    return told


def _computing() -> list[Any]:
    return [code_version("tasks"), versions()]


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()
