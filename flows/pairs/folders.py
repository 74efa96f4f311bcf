"""What lies in a folder of photographs, and which conventions make pairs of it."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from flows.pairs.names import clean, fold, natural_key, show
from flows.pairs.pair import EXTENSIONS, Pair, Pairing, PairingError, is_folder, photograph_problem
from pst_core.images.roles import MAPS, PHOTOGRAPHS

_SIDECARS = frozenset({".xmp", ".json", ".txt", ".md"})
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_LITTER_FOLDERS = frozenset({"@eadir", "__macosx"})  # thumbnails and forks that storage boxes and zips leave
_MENTIONED = 3


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

    @property
    def told(self) -> str:
        """The first names in it, and how many more there are."""
        names = [repr(found.stem) for found in [*self.by_stem.values()][:_MENTIONED]]
        more = len(self.by_stem) - len(names)
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


# --- which conventions there are


def pairs_in(source: Path, pairing: Pairing, style: Path | None, out: Path | None) -> list[Pair]:
    """Make pairs of the photographs in a folder that follows a convention; see `flows.pairs.find.find_pairs`.

    Raises
    ------
    PairingError
        The folder lacks what the convention needs.
    """
    if style is not None:
        return _one_style(source, style, out)
    layouts = {"luan": _luan, "every-style": _every_style}
    return layouts.get(pairing, _same_names)(source, out)


def _same_names(source: Path, out: Path | None) -> list[Pair]:
    contents, styles = (_side(source / role, (out,)) for role in PHOTOGRAPHS)
    return _match(contents, styles, *_maps_in(source), "of the same name")


def _luan(source: Path, out: Path | None) -> list[Pair]:
    contents = _renamed(_walk(source / "input", (out,), deep=False), "in")
    styles = _renamed(_walk(source / "style", (out,), deep=False), "tar")
    folder = source / "segmentation"
    maps = _walk(folder, (out,), deep=False) if is_folder(folder) else []
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
    folder = source / "content" if is_folder(source / "content") else source
    contents = _side(folder, (out, style, source / "content_maps", source / "style_maps"))
    styles = _Side(style, {fold(style.stem): _Found(style, style.name, style.stem, None)}, ())
    return _combine(source, contents, styles, "{content}")


def _every_style(source: Path, out: Path | None) -> list[Pair]:
    contents, styles = (_side(source / role, (out,)) for role in PHOTOGRAPHS)
    return _combine(source, contents, styles, "{content}/{style}")


def _combine(source: Path, contents: _Side, styles: _Side, name: str) -> list[Pair]:
    """Put every content together with every style."""
    _require_photographs(contents)
    _require_photographs(styles)
    content_maps, style_maps = (side.by_stem for side in _maps_in(source))
    pairs = []
    for content, style in product(contents.good, styles.good):
        pair = Pair(name.format(content=content.stem, style=style.stem), content.path, style.path)
        # Contents often keep their maps from elsewhere: without a map of this style they say nothing.
        if style_map := style_maps.get(fold(style.stem)):
            pair = _with_maps(pair, content_maps.get(fold(content.stem)), style_map)
        pairs.append(pair)
    return pairs + _leftovers(contents, contents.bad, styles, styles.bad)


def _match(contents: _Side, styles: _Side, content_maps: _Side, style_maps: _Side, alike: str) -> list[Pair]:
    """Put together what has the same stem; each stem that is on one side only is a pair with a problem."""
    _require_photographs(contents)
    _require_photographs(styles)
    if not contents.by_stem.keys() & styles.by_stem.keys():
        raise PairingError(
            f"No photograph in {show(contents.folder)} ({contents.told}) has a partner {alike} "
            f"in {show(styles.folder)} ({styles.told}): rename them, or use --pairing every-style."
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


def _require_photographs(side: _Side) -> None:
    if side.good:
        return
    if side.bad:
        raise PairingError(f"No file in {show(side.folder)} can be used: {side.bad[0].problem}")
    endings = " ".join(sorted(EXTENSIONS))
    raise PairingError(f"There is no photograph in {show(side.folder)}: put some there ({endings}).")


# --- maps


def _maps_in(source: Path) -> tuple[_Side, _Side]:
    content_maps, style_maps = (
        _side(folder, ()) if is_folder(folder := source / f"{role}s") else _Side(folder, {}, ())
        for role in MAPS
    )
    return content_maps, style_maps


def _with_maps(pair: Pair, content_map: _Found | None, style_map: _Found | None) -> Pair:
    if content_map is None and style_map is None:
        return pair
    problems = (found.problem for found in (content_map, style_map) if found is not None)
    return pair.with_maps(
        content_map.path if content_map else None,
        style_map.path if style_map else None,
        next(filter(None, problems), None),
    )


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
    passed_over = {known for path in skipped if path is not None and (known := _identity(path))}
    if _identity(folder) in passed_over:
        raise PairingError(
            f"The results cannot go into {show(folder)}, where the photographs are: name another folder."
        )
    files: list[_Found] = []
    waiting = [(folder, "")]
    while waiting:
        here, above = waiting.pop()
        for entry in _entries(here):
            if _is_litter(entry) or (passed_over and _identity(entry) in passed_over):
                continue
            path, inside = here / entry.name, above + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting += [(path, f"{inside}/")] if deep else []
            elif not (entry.is_symlink() and is_folder(path)):  # such links may lead in circles
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


def _identity(place: os.PathLike[str]) -> tuple[int, int] | None:
    """What tells a file or folder from others, by whichever name; None for what cannot be looked at."""
    try:
        status = os.stat(place)  # noqa: PTH116 - also of what a folder lists
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


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


def _found(path: Path, inside: str) -> _Found:
    name = clean(inside)
    problem = photograph_problem(path)
    if name != inside:
        problem = f"The name of {show(path)} holds a character that file names should not have: rename it."
    return _Found(path, name, name.removesuffix(_extension(name)), problem)
