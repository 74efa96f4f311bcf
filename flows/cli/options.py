"""Settings from the command line, the environment and a file, generated from the fields of `Config`."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic.fields import FieldInfo

from flows.cli.groups import SETTINGS
from pst_core.errors import ConfigError
from pst_core.settings.config import Config, PresetName
from pst_core.settings.texts import from_text, is_mapping, literal_choices
from pst_core.steady import read_steadily

_LIMITS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
_FILE = "TOML file with settings under their names (size = 256), and preset."
_PRESET = "Settings to begin with; pst presets shows them."


@dataclass(frozen=True)
class Chosen:
    """Settings after all sources were consulted.

    Attributes
    ----------
    preset : str
    given : mapping
        What was asked for apart from the preset, by any source.
    config : Config
    """

    preset: str
    given: Mapping[str, Any]
    config: Config


def _help(field: FieldInfo) -> str:
    """Write a field's help: its own docstring, its limits and its default."""
    bounds = [
        form.format(f"{bound:g}" if isinstance(bound, float) or bound < 10**6 else bound)
        for name, form in _LIMITS.items()
        for bound in (getattr(item, name, None) for item in field.metadata)
        if bound is not None
    ]
    default = field.default
    if isinstance(default, dict):
        default = ",".join(f"{name}={value:g}" for name, value in default.items())
    elif isinstance(default, tuple):
        default = ",".join(f"{number:g}" for number in default)
    ends = [f"[{' '.join(bounds)}]"] if bounds else []
    ends += [f"[default: {default}]"] if default is not None else []
    return " ".join([*(field.description or "").replace("`", "").split(), *ends])


def _option_type(field: FieldInfo) -> Any:  # noqa: ANN401 - a type built at run time
    """Tell the command line of a field's choices, and otherwise that it is text."""
    annotation: Any = field.annotation
    kind = annotation if literal_choices(annotation) else list[str] if is_mapping(annotation) else str
    return Annotated[kind | None, Parameter(help=_help(field), group=SETTINGS, negative=())]


def _option_class() -> type:
    types = {
        "settings": Annotated[Path | None, Parameter(help=_FILE)],
        "preset": Annotated[PresetName | None, Parameter(help=_PRESET, group=SETTINGS)],
    } | {name: _option_type(field) for name, field in Config.model_fields.items()}
    made = make_dataclass("SettingOptions", [(*each, None) for each in types.items()], frozen=True)
    made.__module__ = __name__  # "types", where it was made, counts as a built-in that has no fields
    return made


_Options = _option_class()
NO_OPTIONS: Any = _Options()
if TYPE_CHECKING:
    SettingOptions = Any
else:
    SettingOptions = Annotated[_Options, Parameter(name="*")]


def resolve(options: SettingOptions, *, base: Chosen | None = None) -> Chosen:
    """Merge the sources: command line over environment over settings file over preset.

    Parameters
    ----------
    options
        What stands on the command line, the file's name and the preset included.
    base
        What stands in for the environment where a result is made again: today's does not count.

    Raises
    ------
    ConfigError
        A setting does not exist or its value is out of its range, or the file cannot be read.
    """
    line = {name: (value, "") for name, value in vars(options).items() if value is not None}
    file = _from_file(line.pop("settings", (None, ""))[0])
    if base is not None and ("preset" in (line | file) or "method" in line):
        raise ConfigError(
            "A result is made again with its own settings: leave the preset and the method out, "
            "or change single ones."
        )
    lowest = {"preset": "default"} if base is None else {"preset": base.preset, **base.given}
    environment = _from_environment() if base is None else {}
    found = {name: (value, "") for name, value in lowest.items()} | file | environment | line
    preset = str(found.pop("preset")[0])
    given = {name: from_text(name, value) for name, (value, _) in found.items()}
    try:
        return Chosen(preset, given, Config.make(preset, **given))
    except ConfigError as error:
        origin = next((origin for name, (_, origin) in found.items() if f"{name!r}" in str(error)), "")
        if not origin:
            raise
        raise ConfigError(f"{str(error).rstrip('.')} (it comes from {origin}).") from error


def _from_environment() -> dict[str, tuple[Any, str]]:
    """Setting -> its value, and where it comes from."""
    variables = {name: f"PST_{name.upper()}" for name in ("preset", *Config.model_fields)}
    return {name: (value, each) for name, each in variables.items() if (value := os.environ.get(each))}


def _from_file(path: Path | None) -> dict[str, tuple[Any, str]]:
    if path is None:
        return {}
    try:
        loaded = tomllib.loads(read_steadily(path).decode("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The settings file {path} cannot be read ({error.strerror}): name another one."
        ) from error
    except ValueError as error:  # broken TOML and broken UTF-8
        raise ConfigError(f"The settings file {path} is no valid TOML ({error}): mend it.") from error
    return {name.replace("-", "_"): (value, str(path)) for name, value in loaded.items()}
