"""Settings written as text: on the command line, in the environment, in a manifest."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from pst_core.errors import ConfigError
from pst_core.settings.config import Config


def from_text(name: str, value: object) -> object:
    """Text as the field's own kind, as far as pydantic would not do it by itself; anything else as it is.

    Parameters
    ----------
    name
        A setting's; the value of an unknown one stays, for `Config.make` to refuse.
    value
        Text, or a list of texts for a setting that is a mapping (``["conv1_1=0.2", "conv2_1=0.2"]``).

    Raises
    ------
    ConfigError
        Text of a mapping is not of the form ``conv1_1=0.2,conv2_1=0.2``.
    """
    field = Config.model_fields.get(name)
    if field is None or not isinstance(value, (str, list)):
        return value
    if is_mapping(field.annotation):
        return _pairs(name, value)
    if isinstance(value, list):
        return value
    if value.lower() == "none" and may_be_none(field.annotation):
        return None
    return next((choice for choice in literal_choices(field.annotation) if str(choice) == value), value)


def literal_choices(annotation: object) -> tuple[Any, ...]:
    """The values that a field offers; empty if it is not one of choices."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def is_mapping(annotation: object) -> bool:
    """Whether a field holds names with numbers, as layers with their weights."""
    return get_origin(annotation) is dict


def may_be_none(annotation: object) -> bool:
    """Whether a field can be none."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _pairs(name: str, value: str | list[str]) -> dict[str, str]:
    texts = [value] if isinstance(value, str) else value
    pairs: dict[str, str] = {}
    for part in (part for text in texts for part in str(text).split(",")):
        key, equals, number = part.partition("=")
        if not equals:
            raise ConfigError(f"Setting {name!r} cannot be {part!r}: write it as conv1_1=0.2,conv2_1=0.2.")
        pairs[key.strip()] = number.strip()
    return pairs
