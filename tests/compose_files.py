"""compose.yaml as Docker reads it: variables put in, anchors followed."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE, EXAMPLE = ROOT / "compose.yaml", ROOT / ".env.example"
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


class MissingVariableError(Exception):
    """A variable that compose.yaml insists on is not set; with its sentence."""


def variables_of(path=EXAMPLE):
    """Name -> value of a file like .env."""
    lines = (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def composition(variables):
    """compose.yaml as these variables make it."""
    return _filled(yaml.safe_load(COMPOSE.read_text("utf-8")), variables)


def _filled(value, variables):
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return REFERENCE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found, variables):
    if given := variables.get(found["name"]):
        return given
    if found["kind"] == "?":
        raise MissingVariableError(f"{found['name']}: {found['text']}")
    return found["text"] or ""
