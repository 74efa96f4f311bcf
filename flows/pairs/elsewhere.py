"""Results that lie in folders, whoever made them: which picture belongs to which pair."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from flows.layout import RESERVED, RESULT
from flows.pairs.names import fold, show
from flows.pairs.pair import PairingError
from pst_core.errors import ConfigError
from pst_core.images.kinds import EXTENSIONS

_NUMBER = re.compile("[0-9]+")


def find_pictures(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Find the pictures of pairs in a folder of results; pairs without one are left out.

    A pair's picture is ``<name>/result.png``, as this program writes it, else the one picture file called
    like the pair, whatever its extension. In a folder that has none of the pairs by name, it is the one
    picture whose first number is that of the pair, as in Luan's ``best4_t_1000.png`` for ``in4`` or
    ``pair-4``: a folder is named in one way, and a pair that it lacks must not get another's picture by its
    number.

    Parameters
    ----------
    folder
    names
        The pairs', with ``/`` where results lie in subfolders.

    Raises
    ------
    PairingError
        The folder cannot be read, two pictures could be the same pair's, or one could be two pairs'.
    """
    _require_folder(folder)
    own = {name: path for name in names if (path := folder / name / RESULT).is_file()}
    named = own | _matching(folder, [name for name in names if name not in own], fold)
    found = named or _matching(folder, names, _first_number)
    owners: dict[Path, str] = {}
    for name, path in found.items():
        owner = owners.setdefault(path, name)
        if owner != name:
            raise PairingError(
                f"{show(path)} could be the result of {owner!r} and of {name!r}: rename it after one of them."
            )
    return found


def list_names(folder: Path) -> list[str]:
    """Names of the pairs that a folder has results of, as `find_pictures` finds them by name.

    Hidden files and folders, links to folders, and what else lies beside a ``result.png`` are passed over.

    Raises
    ------
    PairingError
        The folder cannot be read.
    """
    _require_folder(folder)
    names: dict[str, None] = {}
    for place, folders, files in os.walk(folder):
        here = Path(place)
        inside = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        own = frozenset() if inside else RESERVED
        folders[:] = sorted(name for name in folders if not name.startswith(".") and fold(name) not in own)
        if inside and RESULT in files:
            names[inside.removesuffix("/")] = None
        else:
            stray = (Path(file) for file in sorted(files) if fold(file) not in own)
            names.update((inside + file.stem, None) for file in stray if _is_picture(file))
    return [*names]


def named_folders(sources: Sequence[str]) -> dict[str, Path]:
    """Folders with names, written as ``NAME=FOLDER``.

    Raises
    ------
    ConfigError
        One is written otherwise, or two have one name.
    """
    folders: dict[str, Path] = {}
    for source in sources:
        name, equals, folder = source.partition("=")
        if not (name.strip() and equals and folder):
            raise ConfigError(f"A source cannot be {source!r}: write it as NAME=FOLDER, ours=results/luan.")
        if name.strip() in folders:
            raise ConfigError(f"Two sources are called {name.strip()!r}: give each a name of its own.")
        folders[name.strip()] = Path(folder)
    return folders


def _matching(folder: Path, names: Sequence[str], key: Callable[[str], str | int | None]) -> dict[str, Path]:
    """Find the one picture whose stem has the same key as a name's last part, in the name's subfolder."""
    parts = {name: name.rpartition("/") for name in names}
    by_key = {above: _by_key(folder / above, key) for above in {above for above, _, _ in parts.values()}}
    found: dict[str, Path] = {}
    for name, (above, _, last) in parts.items():
        alike = by_key[above].get(key(last), [])
        if len(alike) > 1:
            raise PairingError(
                f"{show(alike[0])} and {show(alike[1])} could both be the result of {name!r}: "
                "keep one of them there."
            )
        found.update((name, path) for path in alike)
    return found


def _by_key(folder: Path, key: Callable[[str], str | int | None]) -> dict[str | int | None, list[Path]]:
    """Pictures by the key of their stem, but for those without one."""
    pictures: dict[str | int | None, list[Path]] = {}
    there = folder.iterdir() if folder.is_dir() else ()
    for path in sorted(path for path in there if _is_picture(path) and path.is_file()):
        pictures.setdefault(key(path.stem), []).append(path)
    pictures.pop(None, None)
    return pictures


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def _first_number(text: str) -> int | None:
    digits = _NUMBER.search(text)
    return int(digits[0]) if digits else None


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise PairingError(f"{show(folder)} is no folder: name one that holds results.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise PairingError(f"The folder {show(folder)} may not be read: change its permissions.")
