"""Which photographs belong together: from a folder's layout, or a manifest, to a list of pairs."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from pst_core.errors import PstError

__all__ = [
    "EXTENSIONS",
    "RESERVED",
    "Pair",
    "Pairing",
    "PairingError",
    "find_pairs",
    "fold",
    "give_maps",
    "natural_key",
    "photograph_problem",
    "refuse_collisions",
    "show",
    "unprintable",
]

Pairing = Literal["auto", "pairs", "one-style", "every-style", "luan", "manifest"]

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
"""What a photograph's name ends with, in lower case."""
RESERVED = frozenset({"batch.json", "batch.parquet", "contact.png", "failed.jsonl", "gallery.html"})
"""Names at the top of the results' folder that are the batch's own."""

_RESULT_FILES = ("result", "report", "losses", "regions")  # how the files in a pair's folder begin
_SIDECARS = frozenset({".xmp", ".json", ".txt", ".md"})
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_LITTER_FOLDERS = frozenset({"@eadir", "__macosx"})  # thumbnails and forks that storage boxes and zips leave
# Control characters, line separators, and halves of characters (also what stands for undecodable bytes)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(rf"{_UNPRINTABLE.pattern}|\\")
_DIGITS = re.compile("([0-9]+)")
_MENTIONED = 3


class PairingError(PstError):
    """A folder or a manifest does not say which photographs belong together."""


@dataclass(frozen=True)
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
    settings : mapping
        What a manifest sets for this pair: validated values, and ``preset`` if one is named.
    problem : str, optional
        One sentence, if it is known already that this pair cannot be done.
    """

    name: str
    content: Path
    style: Path
    content_map: Path | None = None
    style_map: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class _Found:
    """A file among photographs.

    Attributes
    ----------
    inside : str
        Its path inside the folder walked, with ``/``, without characters that names cannot have.
    stem : str
        The same without extension: what partners have in common.
    """

    path: Path
    inside: str
    stem: str
    problem: str | None


@dataclass(frozen=True)
class _Side:
    """One folder's photographs by folded stem, and what else lies among them."""

    folder: Path
    by_stem: Mapping[str, _Found]
    extras: tuple[_Found, ...]

    @property
    def good(self) -> list[_Found]:
        return [found for found in self.by_stem.values() if found.problem is None]

    @property
    def bad(self) -> list[_Found]:
        return [found for found in self.by_stem.values() if found.problem is not None] + [*self.extras]


def find_pairs(
    source: Path,
    *,
    pairing: Pairing = "auto",
    style: Path | None = None,
    allow_outside: bool = False,
    out: Path | None = None,
) -> tuple[Pair, ...]:
    """List the pairs of a folder or a manifest, in natural order of their names.

    Links to folders are not followed; hidden files, and files that programs leave beside photographs,
    are passed over. What is wrong with a single pair is its `Pair.problem`.

    Parameters
    ----------
    source
        A folder, or a manifest (CSV, JSON Lines or Parquet).
    pairing
        How files are put together; ``auto`` goes by what is there.
    style
        The one style photograph of ``one-style``.
    allow_outside
        Whether a manifest may name files outside its folder.
    out
        The results' folder; what lies in it is no input.

    Raises
    ------
    PairingError
        No pair can be told, two of them would share a folder, or a manifest cannot be used.
    """
    if pairing not in get_args(Pairing):
        raise PairingError(f"There is no pairing {pairing!r}: choose one of {', '.join(get_args(Pairing))}.")
    is_folder = _is_folder(source)
    chosen = _choose(source, is_folder, style) if pairing == "auto" else pairing
    _check_fit(source, is_folder, chosen, style)
    if chosen == "manifest":
        from flows.pairs.manifest import read_manifest

        pairs: Iterable[Pair] = read_manifest(source, allow_outside=allow_outside)
    else:
        pairs = _from_folder(source, chosen, style, out)
        refuse_collisions([(pair.name, show(_origin(pair))) for pair in pairs], "rename one of them")
    return tuple(sorted(pairs, key=lambda pair: natural_key(pair.name)))


def natural_key(name: str) -> tuple[list[tuple[str, int]], str]:
    """Sort key that puts img2 before img10, folder by folder, whatever the case."""
    parts: list[tuple[str, int]] = []
    for part in name.split("/"):
        pieces = _DIGITS.split(fold(part))
        texts, numbers = pieces[::2], [*map(int, pieces[1::2]), -1]
        parts += [*zip(texts, numbers, strict=True)]
        parts.append(("", -2))  # the end of a folder's name comes before whatever might follow there
    return parts, name


def fold(name: str) -> str:
    """Reduce a name to what file systems that ignore case or Unicode's spelling tell apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def unprintable(text: str) -> bool:
    """Tell whether a text holds control characters, line ends, NUL, or halves of characters."""
    return _UNPRINTABLE.search(text) is not None


def show(path: Path | str) -> str:
    """Write a path so that it stays on one line and can be printed everywhere."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(path))


def photograph_problem(path: Path) -> str | None:
    """One sentence on why a file cannot be a photograph, judged from outside; None if it may be one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return f"{show(path)} is a link to a file that does not exist: mend or remove it."
        return f"{show(path)} does not exist: add it, or correct its name."
    except (OSError, ValueError) as error:
        return f"{show(path)} cannot be looked at ({_reason(error)}): correct its name or its permissions."
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        return f"{show(path)} is {kind}: a photograph's file is needed here."
    extension = path.suffix
    if extension.lower() not in EXTENSIONS:
        called = f"extension {show(extension)}" if extension else "no extension"
        return f"{show(path)} is no photograph that can be read ({called}): remove it or convert it."
    return None


def refuse_collisions(names: Sequence[tuple[str, str]], way_out: str) -> None:
    """Make sure that no two pairs share a folder, and that none takes the place of another's files.

    Parameters
    ----------
    names
        Each pair's name, and what to call its origin.
    way_out
        What can be done about it, as the end of a sentence.

    Raises
    ------
    PairingError
    """
    taken: dict[str, str] = {}
    for name, label in names:
        folded = fold(name)
        if folded.split("/", 1)[0] in RESERVED:
            raise PairingError(
                f"The results of {label} would take the place of the batch's {name}: {way_out}."
            )
        if folded in taken:
            raise PairingError(f"{taken[folded]} and {label} would share the folder {name!r}: {way_out}.")
        taken[folded] = label
    for folded, label in taken.items():
        parts = folded.split("/")
        for count in range(1, len(parts)):
            above = taken.get("/".join(parts[:count]))
            if above is not None and parts[count].startswith(_RESULT_FILES):
                raise PairingError(
                    f"The results of {label} and of {above} would mix in one folder: {way_out}."
                )


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _origin(pair: Pair) -> Path:
    """Choose the file that a pair is known by: one half may only be the place where it was looked for."""
    if pair.problem is None or (os.path.lexists(pair.content) and not _has_folder(pair.content)):
        return pair.content
    return pair.style


# --- which layout it is


def _is_folder(source: Path) -> bool:
    try:
        mode = source.stat().st_mode
    except FileNotFoundError as error:
        raise PairingError(
            f"There is no {show(source)}: name a folder of photographs, or a manifest."
        ) from error
    except (OSError, ValueError) as error:
        raise PairingError(
            f"{show(source)} cannot be looked at ({_reason(error)}): name a folder, or a manifest."
        ) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise PairingError(f"{show(source)} is neither a folder nor a file: name one of photographs.")
    return stat.S_ISDIR(mode)


def _choose(source: Path, is_folder: bool, style: Path | None) -> Pairing:
    if not is_folder:
        return "manifest"
    if style is not None:
        return "one-style"
    there = {name for name in ("input", "content", "style") if _has_folder(source / name)}
    if {"input", "style"} <= there:
        return "luan"
    if {"content", "style"} <= there:
        return "pairs"
    raise PairingError(
        f"{show(source)} has neither the folders content and style nor input and style: "
        "arrange it so, give one photograph with --style, or name a manifest."
    )


def _check_fit(source: Path, is_folder: bool, pairing: Pairing, style: Path | None) -> None:
    """Refuse what contradicts the pairing, asked for or found."""
    if is_folder and pairing == "manifest":
        raise PairingError(f"{show(source)} is a folder: name the manifest's file.")
    if not is_folder and pairing != "manifest":
        raise PairingError(f"{show(source)} is no folder, as pairing {pairing} needs: name a folder.")
    if pairing != "one-style" and style is not None:
        raise PairingError(
            f"The style {show(style)} does not go with pairing {pairing}, "
            "which has its own: leave it out, or use one-style."
        )
    if pairing == "one-style" and style is None:
        raise PairingError("Pairing one-style needs a style photograph: give its file with --style.")
    problem = photograph_problem(style) if style is not None else None
    if problem is not None:
        raise PairingError(problem)


def _from_folder(source: Path, pairing: Pairing, style: Path | None, out: Path | None) -> list[Pair]:
    if style is not None:
        return _one_style(source, style, out)
    if pairing == "luan":
        return _luan(source, out)
    return _every_style(source, out) if pairing == "every-style" else _same_names(source, out)


def _same_names(source: Path, out: Path | None) -> list[Pair]:
    skipped = (out,)
    return _match(
        _side(source / "content", skipped), _side(source / "style", skipped),
        _maps(source / "content_maps"), _maps(source / "style_maps"), "of the same name",
    )  # fmt: skip


def _luan(source: Path, out: Path | None) -> list[Pair]:
    contents = _renamed(_walk(source / "input", (out,), deep=False), "in")
    styles = _renamed(_walk(source / "style", (out,), deep=False), "tar")
    folder = source / "segmentation"
    maps = _walk(folder, (out,), deep=False) if _has_folder(folder) else []
    content_maps, style_maps = (
        _index(folder, _renamed([found for found in maps if _numbered(found, prefix)], prefix))
        for prefix in ("in", "tar")
    )
    return _match(
        _index(source / "input", contents), _index(source / "style", styles), content_maps, style_maps,
        "of the same number",
    )  # fmt: skip


def _numbered(found: _Found, prefix: str) -> str | None:
    """Name what is called inN or tarN after its number, so that partners have one name."""
    number = re.fullmatch(f"{prefix}([0-9]+)", found.stem, re.IGNORECASE)
    return f"pair-{int(number[1])}" if number else None


def _renamed(files: Iterable[_Found], prefix: str) -> list[_Found]:
    renamed = []
    for found in files:
        stem = _numbered(found, prefix)
        problem = f"{show(found.path)} is not named like {prefix}1.png: rename or remove it."
        renamed.append(replace(found, stem=stem) if stem else replace(found, problem=problem))
    return renamed


def _one_style(source: Path, style: Path, out: Path | None) -> list[Pair]:
    folder = source / "content" if _has_folder(source / "content") else source
    contents = _side(folder, (out, style, source / "content_maps", source / "style_maps"))
    _require_photographs(contents)
    content_maps, style_maps = _maps(source / "content_maps"), _maps(source / "style_maps")
    style_map = style_maps.by_stem.get(fold(style.stem))
    pairs = [
        _give_found_maps(Pair(found.stem, found.path, style), key, content_maps, style_map)
        for key, found in contents.by_stem.items()
        if found.problem is None
    ]
    return pairs + [Pair(found.inside, found.path, style, problem=found.problem) for found in contents.bad]


def _every_style(source: Path, out: Path | None) -> list[Pair]:
    contents, styles = _side(source / "content", (out,)), _side(source / "style", (out,))
    _require_photographs(contents)
    _require_photographs(styles)
    content_maps, style_maps = _maps(source / "content_maps"), _maps(source / "style_maps")
    pairs = [
        _give_found_maps(
            Pair(f"{content.stem}/{style.stem}", content.path, style.path),
            fold(content.stem),
            content_maps,
            style_maps.by_stem.get(fold(style.stem)),
        )
        for content, style in product(contents.good, styles.good)
    ]
    return pairs + _leftovers(contents, contents.bad, styles, styles.bad)


def _match(contents: _Side, styles: _Side, content_maps: _Side, style_maps: _Side, alike: str) -> list[Pair]:
    """Put together what has the same stem; each stem that is on one side only is a pair with a problem."""
    _require_photographs(contents)
    _require_photographs(styles)
    if not contents.by_stem.keys() & styles.by_stem.keys():
        raise PairingError(
            f"No photograph in {show(contents.folder)} ({_few(contents)}) has a partner {alike} "
            f"in {show(styles.folder)} ({_few(styles)}): rename them, or use --pairing every-style."
        )
    pairs = []
    for key in {**contents.by_stem, **styles.by_stem}:
        content, style = contents.by_stem.get(key), styles.by_stem.get(key)
        if content is None or style is None:
            pairs.append(_alone(content, style, contents.folder, styles.folder, alike))
            continue
        pair = Pair(content.stem, content.path, style.path, problem=content.problem or style.problem)
        content_map, style_map = content_maps.by_stem.get(key), style_maps.by_stem.get(key)
        pairs.append(_with_maps(pair, content_map, style_map))
    return pairs + _leftovers(contents, contents.extras, styles, styles.extras)


def _alone(content: _Found | None, style: _Found | None, contents: Path, styles: Path, alike: str) -> Pair:
    """Make the pair of a photograph that has no partner."""
    found, missing, folder = (content, "style", styles) if content else (style, "content", contents)
    assert found is not None  # a stem comes from one of the sides
    place = (folder / found.inside).parent
    problem = found.problem or (
        f"{show(found.path)} has no {missing} photograph {alike} in {show(place)}: add one or remove it."
    )
    paths = (found.path, place) if content else (place, found.path)
    return Pair(found.stem, *paths, problem=problem)


def _leftovers(
    contents: _Side, bad_contents: Iterable[_Found], styles: _Side, bad_styles: Iterable[_Found]
) -> list[Pair]:
    """Report each file that takes part in no pair, once."""
    pairs = [Pair(bad.inside, bad.path, styles.folder, problem=bad.problem) for bad in bad_contents]
    names = {fold(pair.name) for pair in pairs}
    return pairs + [
        Pair(bad.inside, contents.folder, bad.path, problem=bad.problem)
        for bad in bad_styles
        if fold(bad.inside) not in names  # the same on both sides: the content's stands for both
    ]


def _few(side: _Side) -> str:
    names = [repr(found.stem) for found in [*side.by_stem.values()][:_MENTIONED]]
    more = len(side.by_stem) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _require_photographs(side: _Side) -> None:
    if side.good:
        return
    if side.bad:
        raise PairingError(f"No file in {show(side.folder)} can be used: {side.bad[0].problem}")
    endings = " ".join(sorted(EXTENSIONS))
    raise PairingError(f"There is no photograph in {show(side.folder)}: put some there ({endings}).")


# --- maps


def give_maps(pair: Pair, content_map: Path | None, style_map: Path | None, problem: str | None) -> Pair:
    """Give a pair its semantic maps, both or neither; one alone is the pair's problem.

    Parameters
    ----------
    pair, content_map, style_map
    problem
        What is wrong with one of the maps, if anything.
    """
    problem = pair.problem or problem
    if content_map is not None and style_map is not None:
        return replace(pair, content_map=content_map, style_map=style_map, problem=problem)
    alone = content_map or style_map
    if alone is not None and problem is None:
        other, whose = ("style", pair.style) if content_map else ("content", pair.content)
        problem = (
            f"There is a map {show(alone)} but no {other} map for {show(whose)}: "
            f"add a {other} map or remove this one."
        )
    return replace(pair, problem=problem)


def _with_maps(pair: Pair, content_map: _Found | None, style_map: _Found | None) -> Pair:
    if content_map is None and style_map is None:
        return pair
    problems = (found.problem for found in (content_map, style_map) if found is not None)
    return give_maps(
        pair,
        content_map.path if content_map else None,
        style_map.path if style_map else None,
        next(filter(None, problems), None),
    )


def _give_found_maps(pair: Pair, key: str, content_maps: _Side, style_map: _Found | None) -> Pair:
    # Contents often keep their maps from elsewhere: without a map of this style they say nothing.
    return _with_maps(pair, content_maps.by_stem.get(key), style_map) if style_map is not None else pair


def _maps(folder: Path) -> _Side:
    return _side(folder, ()) if _has_folder(folder) else _Side(folder, {}, ())


# --- what lies in a folder


def _side(folder: Path, skipped: Iterable[Path | None]) -> _Side:
    return _index(folder, _walk(folder, skipped))


def _index(folder: Path, files: Iterable[_Found]) -> _Side:
    """Sort files by stem: photographs first, so that a raw file beside its JPEG is the extra one."""
    by_stem: dict[str, _Found] = {}
    extras: list[_Found] = []
    for found in sorted(files, key=lambda found: (found.problem is not None, natural_key(found.inside))):
        other = by_stem.setdefault(fold(found.stem), found)
        if other is found:
            continue
        if found.problem is None:
            raise PairingError(
                f"{show(other.path)} and {show(found.path)} would share the folder "
                f"{found.stem!r}: rename one of them."
            )
        extras.append(found)
    return _Side(folder, by_stem, tuple(extras))


def _walk(folder: Path, skipped: Iterable[Path | None], *, deep: bool = True) -> list[_Found]:
    """List the files of a folder that are photographs or stand where photographs should."""
    passed_over = [known for known in map(_status, skipped) if known is not None]
    root = _status(folder)
    if root is not None and any(os.path.samestat(root, known) for known in passed_over):
        raise PairingError(
            f"The results cannot go into {show(folder)}, where the photographs are: name another folder."
        )
    files: list[_Found] = []
    waiting = [(folder, "")]
    while waiting:
        here, above = waiting.pop()
        for entry in _entries(here):
            if _is_litter(entry) or _is_among(entry, passed_over):
                continue
            path, inside = here / entry.name, above + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting += [(path, f"{inside}/")] if deep else []
            elif not (entry.is_symlink() and _has_folder(path)):  # such links may lead in circles
                files.append(_found(path, inside))
    return files


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
            f"The folder {show(folder)} cannot be read ({error.strerror}): make it a folder that can be."
        ) from error


def _has_folder(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path | None) -> os.stat_result | None:
    try:
        return None if path is None else path.stat()
    except (OSError, ValueError):  # what does not exist yet is met nowhere
        return None


def _is_litter(entry: os.DirEntry[str]) -> bool:
    name = entry.name.lower()
    return (
        name.startswith(".")
        or name in _LITTER
        or (name in _LITTER_FOLDERS and entry.is_dir(follow_symlinks=False))
        or (_extension(name) in _SIDECARS and not entry.is_dir(follow_symlinks=False))
    )


def _extension(name: str) -> str:
    # As `Path.suffix`, for ten thousands of names
    file = name[name.rfind("/") + 1 :]
    dot = file.rfind(".")
    return file[dot:] if dot > 0 else ""


def _is_among(entry: os.DirEntry[str], known: Sequence[os.stat_result]) -> bool:
    if not known:
        return False
    try:
        status = entry.stat()
    except OSError:
        return False
    return any(os.path.samestat(status, other) for other in known)


def _found(path: Path, inside: str) -> _Found:
    clean = _NOT_IN_NAMES.sub("_", inside)
    problem = photograph_problem(path)
    if clean != inside:
        problem = f"The name of {show(path)} holds a character that file names should not have: rename it."
    return _Found(path, clean, clean.removesuffix(_extension(clean)), problem)
