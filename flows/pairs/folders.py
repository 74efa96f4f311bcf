"""Which conventions make pairs of the photographs in a folder."""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from flows.pairs.listing import Found, Side, closest, list_side, sort_by_stem, walk
from flows.pairs.names import clean, fold, show
from flows.pairs.own_names import can_be_folder, digest, settle
from flows.pairs.pair import Pair, Pairing, PairingError, is_folder
from flows.pairs.passed_over import Tally
from pst_core.images.kinds import EXTENSIONS
from pst_core.images.roles import MAPS, PHOTOGRAPHS


class _Draft(NamedTuple):
    """A pair before it is known which names others take.

    Attributes
    ----------
    pair : Pair
    other_names : tuple of str
        What it could be called instead, where others want its name too.
    """

    pair: Pair
    other_names: tuple[str, ...] = ()

    @property
    def wishes(self) -> tuple[str, ...]:
        """Names, best first; the last one is nobody else's."""
        own = f"{self.pair.name}-{digest(self.pair.content, self.pair.style)}"
        return (self.pair.name, *self.other_names, own)


# --- which conventions there are


def pairs_in(
    source: Path, pairing: Pairing, style: Path | None, out: Path | None, tally: Tally
) -> list[Pair]:
    """Make pairs of the photographs in a folder that follows a convention; see `flows.pairs.find.find_pairs`.

    Parameters
    ----------
    tally
        Learns what was passed over.

    Raises
    ------
    PairingError
        The folder lacks what the convention needs.
    """
    if style is not None:
        drafts = _one_style(source, style, out, tally)
    else:
        layouts = {"luan": _luan, "every-style": _every_style}
        drafts = layouts.get(pairing, _same_names)(source, out, tally)
    names = settle([draft.wishes for draft in drafts], can_be_folder)
    return [replace(draft.pair, name=name) for draft, name in zip(drafts, names, strict=True)]


def photographs_in(source: Path, out: Path | None, tally: Tally) -> list[Pair]:
    """Each photograph in a folder and its subfolders as a pair with itself.

    Raises
    ------
    PairingError
        There is none.
    """
    photographs = list_side(source, tally, (out,))
    _require_photographs(photographs)
    return [Pair(each.name, each.path, each.path, problem=each.problem) for each in photographs.files]


def contents_in(source: Path, maps: Path | None, out: Path | None, tally: Tally) -> list[Pair]:
    """Each photograph of a folder as a pair with itself, with its own map, if it has one.

    Parameters
    ----------
    maps
        Folder of maps, called like their photographs; in place of the source's own.

    Raises
    ------
    PairingError
        There is no photograph, or no such folder of maps, or no map in it.
    """
    asked = None if maps is None else maps_in(maps, tally)
    folder = source / "content" if is_folder(source / "content") else source
    own = (source / f"{role}s" for role in MAPS)
    photographs = list_side(folder, tally, (out, maps, *own))
    _require_photographs(photographs)
    known = asked or _maps_if_any(source / f"{MAPS[0]}s", tally)
    pairs = []
    for each in photographs.files:
        semantic, problem = _map_of(each, known)
        problem = each.problem or problem
        pairs.append(Pair(each.name, each.path, each.path, content_map=semantic, problem=problem))
    return pairs


def _same_names(source: Path, out: Path | None, tally: Tally) -> list[_Draft]:
    contents, styles = (list_side(source / role, tally, (out,)) for role in PHOTOGRAPHS)
    return _match(contents, styles, *_maps_in(source, tally), "of the same name")


def _luan(source: Path, out: Path | None, tally: Tally) -> list[_Draft]:
    contents = _renamed(walk(source / "input", tally, (out,), deep=False), "in")
    styles = _renamed(walk(source / "style", tally, (out,), deep=False), "tar")
    folder = source / "segmentation"
    maps = walk(folder, tally, (out,), deep=False) if is_folder(folder) else []
    content_maps, style_maps = (
        sort_by_stem(folder, _renamed([found for found in maps if _numbered(found, prefix)], prefix), tally)
        for prefix in ("in", "tar")
    )
    return _match(
        sort_by_stem(source / "input", contents, tally), sort_by_stem(source / "style", styles, tally),
        content_maps, style_maps, "of the same number",
    )  # fmt: skip


def _numbered(found: Found, prefix: str) -> str | None:
    """Name what is called inN or tarN after its number, so that partners have one name."""
    number = re.fullmatch(f"{prefix}([0-9]+)", found.stem, re.IGNORECASE)
    return f"pair-{int(number[1])}" if number else None


def _renamed(files: Iterable[Found], prefix: str) -> list[Found]:
    renamed = []
    for found in files:
        stem = _numbered(found, prefix)
        problem = f"{show(found.path)} is not named like {prefix}1.png: rename or remove it."
        renamed.append(replace(found, stem=stem) if stem else replace(found, problem=problem))
    return renamed


def _one_style(source: Path, style: Path, out: Path | None, tally: Tally) -> list[_Draft]:
    folder = source / "content" if is_folder(source / "content") else source
    contents = list_side(folder, tally, (out, style, source / "content_maps", source / "style_maps"))
    found = Found(style, style.name, clean(style.stem), clean(style.stem))
    return _combine(source, contents, Side(style, {fold(found.stem): (found,)}), "{content}", tally)


def _every_style(source: Path, out: Path | None, tally: Tally) -> list[_Draft]:
    contents, styles = (list_side(source / role, tally, (out,)) for role in PHOTOGRAPHS)
    return _combine(source, contents, styles, "{content}/{style}", tally)


def _combine(source: Path, contents: Side, styles: Side, name: str, tally: Tally) -> list[_Draft]:
    """Put every content together with every style."""
    _require_photographs(contents)
    _require_photographs(styles)
    content_maps, style_maps = _maps_in(source, tally)
    drafts = []
    for content, style in product(contents.good, styles.good):
        pair = Pair(name.format(content=content.name, style=style.name), content.path, style.path)
        # Contents often keep their maps from elsewhere: without a map of this style they say nothing.
        if fold(style.stem) in style_maps.by_stem:
            pair = _with_maps(pair, content, style, content_maps, style_maps)
        drafts.append(_Draft(pair))
    return drafts + _leftovers(contents, styles)


def _match(contents: Side, styles: Side, content_maps: Side, style_maps: Side, alike: str) -> list[_Draft]:
    """Put together what has the same stem; each stem that is on one side only is a pair with a problem."""
    _require_photographs(contents)
    _require_photographs(styles)
    if not contents.by_stem.keys() & styles.by_stem.keys():
        raise PairingError(
            f"No photograph in {show(contents.folder)} ({contents.told}) has a partner {alike} "
            f"in {show(styles.folder)} ({styles.told}): rename them, or use --pairing every-style."
        )
    drafts = []
    for key in {**contents.by_stem, **styles.by_stem}:
        here, there = contents.by_stem.get(key, ()), styles.by_stem.get(key, ())
        if not (here and there):
            drafts += [_alone(found, "style", styles, alike) for found in here]
            drafts += [_alone(found, "content", contents, alike) for found in there]
        for content, style in _partners(here, there):
            problem = content.problem or style.problem
            pair = Pair(content.name, content.path, style.path, problem=problem)
            others = (style.name, f"{content.name}-{style.name}")
            drafts.append(_Draft(_with_maps(pair, content, style, content_maps, style_maps), others))
    return drafts


def _partners(contents: Iterable[Found], styles: Iterable[Found]) -> Iterable[tuple[Found, Found]]:
    """Pair files of one stem, of which a side may have several: those most alike, and each of them once."""
    contents, styles = [*contents], [*styles]
    pairs = [(content, style) for content in contents for style in closest(content, styles)]
    used = [style for _, style in pairs]
    return pairs + [
        (content, style) for style in styles if style not in used for content in closest(style, contents)
    ]


def _alone(found: Found, missing: str, others: Side, alike: str) -> _Draft:
    """Make the pair of a photograph that has no partner."""
    place = (others.folder / found.inside).parent
    problem = found.problem or (
        f"{show(found.path)} has no {missing} photograph {alike} in {show(place)}: add one or remove it."
    )
    paths = (found.path, place) if missing == "style" else (place, found.path)
    return _Draft(Pair(found.name, *paths, problem=problem))


def _leftovers(contents: Side, styles: Side) -> list[_Draft]:
    """Report each file that can take part in no pair, once."""
    drafts = [_Draft(Pair(bad.name, bad.path, styles.folder, problem=bad.problem)) for bad in contents.bad]
    names = {fold(bad.name) for bad in contents.bad}
    return drafts + [
        _Draft(Pair(bad.name, contents.folder, bad.path, problem=bad.problem))
        for bad in styles.bad
        if fold(bad.name) not in names  # the same on both sides: the content's stands for both
    ]


def _require_photographs(side: Side) -> None:
    if side.good:
        return
    if side.bad:
        raise PairingError(f"No file in {show(side.folder)} can be used: {side.bad[0].problem}")
    there = f" (only {side.passed_over})" if side.passed_over else ""
    endings = " ".join(sorted(EXTENSIONS))
    raise PairingError(f"There is no photograph in {show(side.folder)}{there}: put some there ({endings}).")


# --- maps


def maps_in(folder: Path, tally: Tally) -> Side:
    """The semantic maps of a folder that was named as one of maps.

    Raises
    ------
    PairingError
        There is no such folder, or no map in it.
    """
    if not is_folder(folder):
        raise PairingError(f"There is no folder {show(folder)} of maps: name another, or leave it out.")
    maps = list_side(folder, tally)
    if not maps.files:
        raise PairingError(f"There is no map in {show(folder)}: put the maps there, or leave it out.")
    return maps


def _maps_in(source: Path, tally: Tally) -> tuple[Side, Side]:
    content_maps, style_maps = (_maps_if_any(source / f"{role}s", tally) for role in MAPS)
    return content_maps, style_maps


def _maps_if_any(folder: Path, tally: Tally) -> Side:
    return list_side(folder, tally) if is_folder(folder) else Side(folder, {})


def _with_maps(pair: Pair, content: Found, style: Found, content_maps: Side, style_maps: Side) -> Pair:
    (content_map, first), (style_map, second) = _map_of(content, content_maps), _map_of(style, style_maps)
    if content_map is None and style_map is None:
        return pair
    return pair.with_maps(content_map, style_map, first or second)


def _map_of(photograph: Found, maps: Side) -> tuple[Path | None, str | None]:
    """A photograph's map, and what is wrong with it; None for each that there is not."""
    alike = closest(photograph, maps.by_stem.get(fold(photograph.stem), ()))
    if not alike:
        return None, None
    problem = alike[0].problem
    if len(alike) > 1:
        problem = (
            f"{show(alike[0].path)} and {show(alike[1].path)} could both be the map of "
            f"{show(photograph.path)}: keep one of them there."
        )
    return alike[0].path, problem
