"""What lies in a folder of photographs: which files are some, by name or else by content, and which not."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flows.pairs.names import clean, fold, natural_key, show
from flows.pairs.own_names import can_be_folder, digest, settle, with_free_folders
from flows.pairs.pair import PairingError, is_folder, kind_problem, reason, status_problem
from flows.pairs.passed_over import Reason, Tally, reason_to_pass_over
from pst_core.images.kinds import EXTENSIONS, HEIF_EXTENSIONS, RAW_EXTENSIONS, kind_of_file

_MENTIONED = 3
# Also of what browsers save: photo.jpg_large, photo.jpg?width=800
_UNKNOWN_EXTENSION = re.compile(r"\.[a-z]\w{0,11}|\.(jpe?g|png|webp|avif|heic)[?!@&].*", re.ASCII | re.DOTALL)
# Of files of one stem the first of these kinds is the photograph, and the others are versions of it.
_READ, _HEIF, _RAW, _NOT_READ, _PRETENDER = range(5)
_RANKS = {None: _READ, "heif": _HEIF, "raw": _RAW}


@dataclass(frozen=True, slots=True)
class Found:
    """A file among photographs.

    Attributes
    ----------
    path : Path
    inside : str
        Its path inside the folder walked, with ``/``.
    stem : str
        The same without extension and without characters that names cannot have: what partners share.
    name : str
        What its pair is called after: the stem, where no other file has that.
    rank : int
        How sure it is a photograph, by its kind; 0 the surest.
    problem : str, optional
        Why it cannot be used, one sentence.
    """

    path: Path
    inside: str
    stem: str
    name: str
    rank: int = _READ
    problem: str | None = None

    @property
    def extension(self) -> str:
        """In lower case, with its dot."""
        return _extension(self.inside)


@dataclass(frozen=True)
class Side:
    """One folder's photographs by folded stem, and what to say where none can be used."""

    folder: Path
    by_stem: Mapping[str, tuple[Found, ...]]
    passed_over: str = ""

    @property
    def files(self) -> list[Found]:
        """All of them."""
        return [found for alike in self.by_stem.values() for found in alike]

    @property
    def good(self) -> list[Found]:
        """Those that can be used."""
        return [found for found in self.files if found.problem is None]

    @property
    def bad(self) -> list[Found]:
        """Those that cannot."""
        return [found for found in self.files if found.problem is not None]

    @property
    def told(self) -> str:
        """The first names in it, and how many more there are."""
        names = [repr(found.stem) for found in self.files[:_MENTIONED]]
        more = len(self.files) - len(names)
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def list_side(folder: Path, tally: Tally, skipped: Iterable[Path | None] = ()) -> Side:
    """List a folder's photographs, and those of its subfolders; see `walk` and `sort_by_stem`."""
    return sort_by_stem(folder, walk(folder, tally, skipped), tally)


def sort_by_stem(folder: Path, files: Iterable[Found], tally: Tally) -> Side:
    """Sort files by stem, each with a name of its own; versions beside their photograph are passed over."""
    by_stem: dict[str, list[Found]] = defaultdict(list)
    for found in sorted(files, key=lambda found: natural_key(found.inside)):
        by_stem[fold(found.stem)].append(found)
    kept = [found for alike in by_stem.values() for found in _photographs_of(alike, tally)]
    wishes = [
        (
            name := with_free_folders(found.stem),
            longer := f"{name}-{_ending(found)}",
            f"{longer}-{digest(found.inside)}",
        )
        for found in kept
    ]
    named: dict[str, list[Found]] = defaultdict(list)
    for found, name in zip(kept, settle(wishes, can_be_folder), strict=True):
        named[fold(found.stem)].append(replace(found, name=name))
    return Side(folder, {stem: tuple(alike) for stem, alike in named.items()}, tally.told(folder))


def closest(found: Found, others: Iterable[Found]) -> list[Found]:
    """Of files with a stem in common those that are called most like one."""
    others = [*others]
    for alike in (
        [other for other in others if other.inside == found.inside],
        [other for other in others if os.path.splitext(other.inside)[0] == os.path.splitext(found.inside)[0]],  # noqa: PTH122
        [other for other in others if other.extension == found.extension],
    ):
        if alike:
            return alike
    return others


def walk(
    folder: Path, tally: Tally, skipped: Iterable[Path | None] = (), *, deep: bool = True
) -> list[Found]:
    """List the files of a folder that are photographs or stand where photographs should.

    Raises
    ------
    PairingError
        It cannot be read, or is one of those to be skipped.
    """
    excluded = {known for path in skipped if path is not None and (known := _identity(path))}
    if _identity(folder) in excluded:
        raise PairingError(
            f"The results cannot go into {show(folder)}, where the photographs are: name another folder."
        )
    files: list[Found] = []
    waiting = [(folder, "")]
    while waiting:
        here, above = waiting.pop()
        try:
            entries = _entries(here)
        except PairingError as error:
            if here == folder:
                raise
            files.append(
                Found(here, name := above.removesuffix("/"), clean(name), clean(name), problem=str(error))
            )
            continue
        for entry in entries:
            if excluded and _identity(entry) in excluded:
                continue
            path, inside = here / entry.name, above + entry.name
            is_below = entry.is_dir(follow_symlinks=False)
            why = reason_to_pass_over(entry.name, is_folder=is_below)
            if why is not None:
                tally.add(why, path)
            elif is_below:
                waiting += [(path, f"{inside}/")] if deep else []
            elif entry.is_symlink() and is_folder(path):  # such links may lead in circles
                tally.add("link", path)
            elif found := _judge(path, inside, tally):
                files.append(found)
    return files


def _judge(path: Path, inside: str, tally: Tally) -> Found | None:
    """Take a file for what it is; None if it is passed over."""
    extension = _extension(inside)
    if extension in EXTENSIONS:
        return _found(path, inside, _READ, status_problem(path))
    known = _by_content(path, inside)
    if isinstance(known, Found):
        return known
    if extension in HEIF_EXTENSIONS | RAW_EXTENSIONS:
        return _found(path, inside, _PRETENDER, status_problem(path))
    tally.add(known, path)
    return None


def _by_content(path: Path, inside: str) -> Found | Reason:
    """What a file is whose name does not say that it is a photograph, or why it is none."""
    if status_problem(path) is not None:
        return "other"
    try:
        kind = kind_of_file(path)
    except OSError:
        return "unreadable"
    if kind is None or kind.family in ("video", "other"):
        return "video" if kind is not None and kind.family == "video" else "other"
    rank = _RANKS[kind.extra] if kind.family == "photograph" else _NOT_READ
    return _found(path, inside, rank, kind_problem(path, kind))


def _found(path: Path, inside: str, rank: int, problem: str | None = None) -> Found:
    stem = clean(inside.removesuffix(_as_written(inside)))
    return Found(path, inside, stem, stem, rank, problem)


def _photographs_of(alike: list[Found], tally: Tally) -> list[Found]:
    """The photographs of one stem; what is only called like one is passed over, as are other versions."""
    best = min(found.rank for found in alike)
    for found in alike:
        if found.rank > best:
            tally.add("version", found.path)
        elif best == _PRETENDER and found.problem is None:
            tally.add("pretender", found.path)
    return [found for found in alike if found.rank == best and (best < _PRETENDER or found.problem)]


def _ending(found: Found) -> str:
    """What a name is made longer with, to tell it from others of the same stem."""
    return clean(_as_written(found.inside)).removeprefix(".") or digest(found.inside)


def _extension(inside: str) -> str:
    return _as_written(inside).lower()


def _as_written(inside: str) -> str:
    """What a name ends with, as `Path.suffix`, but quick; a date or a number is no extension."""
    file = inside[inside.rfind("/") + 1 :]
    dot = file.rfind(".")
    extension = file[dot:] if dot > 0 else ""
    is_one = extension.lower() in EXTENSIONS or _UNKNOWN_EXTENSION.fullmatch(extension.lower())
    return extension if is_one or extension.lower() in RAW_EXTENSIONS else ""


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError as error:
        raise PairingError(
            f"{show(folder.parent)} has no folder {folder.name}: add it, or choose another --pairing."
        ) from error
    except OSError as error:
        raise PairingError(
            f"The folder {show(folder)} cannot be read ({reason(error)}): make it a folder that can be."
        ) from error


def _identity(place: os.PathLike[str]) -> tuple[int, int] | None:
    """What tells a file or folder from others, by whichever name; None for what cannot be looked at."""
    try:
        status = os.stat(place)  # noqa: PTH116 - also of what a folder lists
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
