"""Settings from the command line, the environment and a file, generated from the fields of `Config`."""

import dataclasses
import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic.fields import FieldInfo

from pst_core.errors import ConfigError
from pst_core.settings.config import PRESETS, Config

__all__ = [
    "NO_OPTIONS",
    "SETTINGS_GROUP",
    "Choice",
    "SettingOptions",
    "given_settings",
    "preset_differences",
    "resolve",
]

SETTINGS_GROUP = Group("Settings", sort_key=1)
PREFIX = "PST_"
_LIMITS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}


@dataclass(frozen=True)
class Choice:
    """Settings after all sources were consulted.

    Attributes
    ----------
    preset : str
    settings : dict
        What was asked for apart from the preset, by any source.
    config : Config
    """

    preset: str
    settings: Mapping[str, Any]
    config: Config


def _literal_choices(annotation: object) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_mapping(annotation: object) -> bool:
    return get_origin(annotation) is dict


def _may_be_none(annotation: object) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


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
    ends = [f"[{' '.join(bounds)}]"] if bounds else []
    ends += [f"[default: {default}]"] if default is not None else []
    return " ".join([(field.description or "").replace("`", ""), *ends])


def _option_type(field: FieldInfo) -> Any:  # noqa: ANN401 - a type built at run time
    """Tell the command line of a field's choices, and otherwise that it is text."""
    annotation = field.annotation
    kind: Any = str
    if _literal_choices(annotation):
        kind = annotation
    elif _is_mapping(annotation):
        kind = list[str]
    return Annotated[kind | None, Parameter(help=_help(field), group=SETTINGS_GROUP, negative=())]


def _option_class() -> type:
    fields = [(name, _option_type(field), None) for name, field in Config.model_fields.items()]
    made = dataclasses.make_dataclass("SettingOptions", fields, frozen=True)
    made.__module__ = __name__  # "types", where it was made, counts as a built-in that has no fields
    return made


_Options = _option_class()
NO_OPTIONS: Any = _Options()
if TYPE_CHECKING:
    SettingOptions = Any
else:
    SettingOptions = Annotated[_Options, Parameter(name="*")]


def given_settings(options: object) -> dict[str, Any]:
    """Only the settings that stand on the command line: presets keep their values for the others."""
    if options is None:
        return {}
    pairs = ((name, getattr(options, name)) for name in Config.model_fields)
    return {name: value for name, value in pairs if value is not None}


def resolve(options: object, preset: str | None, file: Path | None, *, base: Choice | None = None) -> Choice:
    """Merge the sources: command line over environment over settings file over preset.

    Parameters
    ----------
    options
        An instance of `SettingOptions`, or None.
    preset
        From the command line.
    file
        A TOML file with settings' names as its top-level keys, and `preset`.
    base
        What stands in for environment and file where a result is made again: those of today do not count.

    Raises
    ------
    ConfigError
        A setting does not exist or its value is out of its range, or the file cannot be read.
    """
    below = (_from_environment(), PREFIX) if base is None else ({}, "")
    recipe = ({} if base is None else dict(base.settings), "")
    layers = [recipe, (_from_file(file), str(file)), below, (given_settings(options), "")]
    presets = [layer.pop("preset", None) for layer, _ in layers]
    if base is not None and (preset or any(presets) or "method" in given_settings(options)):
        raise ConfigError(
            "A result is made again with its own settings: leave the preset and the method out, "
            "or change single ones."
        )
    chosen = str(preset or presets[2] or presets[1] or (base.preset if base else "default"))
    settings: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, origin in layers:
        for name, value in layer.items():
            settings[name] = _converted(name, value)
            origins[name] = f"{PREFIX}{name.upper()}" if origin == PREFIX else origin
    return Choice(chosen, settings, _made(chosen, settings, origins))


def _made(preset: str, settings: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    try:
        return Config.make(preset, **settings)
    except ConfigError as error:
        culprit = next((origins[name] for name in origins if f"{name!r}" in str(error)), "")
        if not culprit:
            raise
        raise ConfigError(f"{str(error).rstrip('.')} (it comes from {culprit}).") from error


def _from_environment() -> dict[str, Any]:
    names = ("preset", *Config.model_fields)
    found = ((name, os.environ.get(f"{PREFIX}{name.upper()}")) for name in names)
    return {name: value for name, value in found if value}


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        loaded = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The settings file {path} cannot be read ({error.strerror}): name another one."
        ) from error
    except ValueError as error:  # broken TOML and broken UTF-8
        raise ConfigError(f"The settings file {path} is no valid TOML ({error}): mend it.") from error
    return {name.replace("-", "_"): value for name, value in loaded.items()}


def _converted(name: str, value: object) -> object:
    """Text as the field's own kind, as far as pydantic would not do it by itself."""
    field = Config.model_fields.get(name)
    if field is None or not isinstance(value, (str, list)):
        return value
    if _is_mapping(field.annotation):
        return _pairs(name, value)
    if isinstance(value, list):
        return value
    if value.lower() == "none" and _may_be_none(field.annotation):
        return None
    return next((choice for choice in _literal_choices(field.annotation) if str(choice) == value), value)


def _pairs(name: str, value: str | list[str]) -> dict[str, str]:
    texts = [value] if isinstance(value, str) else value
    pairs: dict[str, str] = {}
    for part in (part for text in texts for part in str(text).split(",")):
        key, equals, number = part.partition("=")
        if not equals:
            raise ConfigError(f"Setting {name!r} cannot be {part!r}: write it as conv1_1=0.2,conv2_1=0.2.")
        pairs[key.strip()] = number.strip()
    return pairs


def preset_differences(preset: str) -> dict[str, tuple[Any, Any]]:
    """List what a preset changes: setting -> (default, the preset's value)."""
    defaults = Config()
    return {name: (getattr(defaults, name), value) for name, value in PRESETS[preset].items()}
