"""Paths in a manifest: where they lead, how they may be meant, and which are refused."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from flows.pairs.names import cut, unprintable
from flows.pairs.pair import PairingError
from flows.pairs.tables import Row

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_FILE_ADDRESS = re.compile(r"file://(localhost)?(?=/)", re.IGNORECASE)
_READINGS = {
    "trimmed": "spaces around paths are left out",
    "slashes": "backslashes in paths are taken as slashes",
    "percent": "%20 and the like in paths are taken as the characters they stand for",
}


class ManifestPaths:
    """Paths of one manifest: relative to its folder, and inside it unless that is waived."""

    def __init__(self, folder: Path, *, allow_outside: bool) -> None:
        self.folder, self.allow_outside = folder, allow_outside
        self._root = Path(os.path.realpath(folder))
        self._judged: dict[Path, bool] = {}
        self._used: dict[str, None] = {}

    @property
    def notes(self) -> list[str]:
        """How paths were read that do not lead to a file as they are written."""
        return [_READINGS[way] for way in self._used]

    def resolve(self, row: Row, column: str) -> Path:
        """Return the path in a cell as it is written, or as it is plainly meant where only that is a file.

        Raises
        ------
        PairingError
            It is no path, or leads where it must not.
        """
        value = row.cells[column]
        if not isinstance(value, str):
            raise PairingError(f"The {column} {cut(value)} ({row.place}) is no text: write a path.")
        value = _as_named_here(value)
        for text, ways in _readings(value):
            if not self._fault(text) and self._is_there(text):
                self._used |= dict.fromkeys(ways)
                return self.folder / text
        written = value.strip(" ") or value
        fault = self._fault(written)
        if unprintable(written) and not fault:
            fault = "holds a control character or one that is not valid: correct the path"
        if fault:
            raise PairingError(f"The {column} {cut(value)} ({row.place}) {fault}.")
        return self.folder / written

    def _is_there(self, text: str) -> bool:
        try:
            return os.path.lexists(self.folder / text)
        except ValueError:  # a NUL
            return False

    def _fault(self, value: str) -> str:
        if _ADDRESS.match(value):
            return "is an address: fetch the picture, and write its file's path"
        if self.allow_outside:
            return ""
        way_out = "write it relative to the manifest's folder, or use --allow-outside"
        path = Path(value)
        if path.anchor:
            return f"is an absolute path: {way_out}"
        if ".." in path.parts:
            return f"holds '..': {way_out}"
        if "\0" not in value and not self._is_inside(self._root / path):
            return (
                "is or passes a link that leads out of the manifest's folder: use --allow-outside to allow it"
            )
        return ""

    def _is_inside(self, path: Path) -> bool:
        # Most rows share a few folders, and resolving a path costs a look at each of its parts.
        place = path if _may_be_link(path) else path.parent
        if place not in self._judged:
            self._judged[place] = Path(os.path.realpath(place)).is_relative_to(self._root)
        return self._judged[place]


def _readings(value: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a path may be meant as, the likeliest first, and what was done to it."""
    yield value, ()
    value, trimmed = value.strip(" \t"), ("trimmed",) * (value != value.strip(" \t"))
    yield value, trimmed
    if address := _FILE_ADDRESS.match(value):
        yield unquote(value[address.end() :], errors="surrogateescape"), ()
    slashes = value.replace("\\", "/")
    yield slashes, (*trimmed, "slashes")
    yield unquote(value, errors="surrogateescape"), (*trimmed, "percent")
    yield unquote(slashes, errors="surrogateescape"), (*trimmed, "slashes", "percent")


def _as_named_here(value: str) -> str:
    """A path as this system's file names are read: where it speaks ASCII, other letters are bytes to it."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return os.fsdecode(value.encode(errors="surrogateescape"))
    return value


def _may_be_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):  # too long a name, a folder that may not be searched
        return True
