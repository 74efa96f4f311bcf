"""A pair of photographs: what belongs to it, and what can be wrong with it."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from flows.pairs.names import show
from pst_core.errors import PstError
from pst_core.images.kinds import EXTENSIONS, Kind, kind_of_file
from pst_core.images.roles import FURTHER, ROLES

Pairing = Literal["auto", "pairs", "one-style", "every-style", "luan", "manifest"]


class PairingError(PstError):
    """A folder or a manifest does not say which photographs belong together."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One content photograph with the style photograph that it gets its look from.

    Attributes
    ----------
    name : str
        Identifies the pair; its folder below the results' folder, with ``/`` between subfolders.
    content, style : Path
        The photographs; where one is missing, the folder in which it was looked for.
    content_map, style_map : Path, optional
        Both or neither.
    given : mapping
        What a manifest sets for this pair: validated values, and ``preset`` if one is named.
    further : mapping
        Role -> file, out of `pst_core.images.roles.FURTHER`, of styles that are mixed with the first.
    problem : str, optional
        One sentence, if it is known already that this pair cannot be done.
    """

    name: str
    content: Path
    style: Path
    content_map: Path | None = None
    style_map: Path | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    further: Mapping[str, Path] = field(default_factory=dict)

    @property
    def paths(self) -> dict[str, Path]:
        """Role -> file, for the roles that are there."""
        first = {role: path for role in ROLES if (path := getattr(self, role)) is not None}
        return first | {role: path for role in FURTHER if (path := self.further.get(role)) is not None}

    @property
    def origin(self) -> Path:
        """The file that it is known by: one half may only be the place where it was looked for."""
        if self.problem is None or (os.path.lexists(self.content) and not is_folder(self.content)):
            return self.content
        return self.style

    def with_maps(self, content_map: Path | None, style_map: Path | None, problem: str | None) -> "Pair":
        """The pair with its semantic maps, both or neither; one alone, or one's problem, is the pair's."""
        problem = self.problem or problem
        if content_map is not None and style_map is not None:
            return replace(self, content_map=content_map, style_map=style_map, problem=problem)
        alone = content_map or style_map
        if alone is not None and problem is None:
            other, whose = ("style", self.style) if content_map else ("content", self.content)
            problem = (
                f"There is a map {show(alone)} but no {other} map for {show(whose)}: "
                f"add a {other} map or remove this one."
            )
        return replace(self, problem=problem)


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; False for what cannot be looked at."""
    return os.path.isdir(path)  # noqa: PTH112 - which never raises, unlike that of Path


def reason(error: Exception) -> str:
    """What the system says of a file that it will not show."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def photograph_problem(path: Path) -> str | None:
    """One sentence on why a file cannot be a photograph; None if it may be one.

    A file that is called like a photograph is not opened: what is wrong with its content is found by whoever
    reads it. Any other counts by its first bytes.
    """
    problem = status_problem(path)
    if problem is not None or path.suffix.lower() in EXTENSIONS:
        return problem
    try:
        return kind_problem(path, kind_of_file(path))
    except OSError as error:
        return f"{show(path)} cannot be read ({reason(error)}): correct its permissions."


def status_problem(path: Path) -> str | None:
    """One sentence on why there is no file to be read; None if there is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return f"{show(path)} is a link to a file that does not exist: mend or remove it."
        return f"{show(path)} does not exist: add it, or correct its name."
    except (OSError, ValueError) as error:
        return f"{show(path)} cannot be looked at ({reason(error)}): correct its name or its permissions."
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        return f"{show(path)} is {kind}: a photograph's file is needed here."
    return None


def kind_problem(path: Path, kind: Kind | None) -> str | None:
    """One sentence on why a file of a kind is no photograph; None if it is one."""
    if kind is None:
        return f"{show(path)} is no picture that is known: save it as JPEG, PNG or TIFF."
    if kind.family == "photograph":
        return None
    return f"{show(path)} is {kind.name}: {kind.way_out}."
