"""Which photographs belong together: from a folder's layout, or a manifest, to a list of pairs."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from flows.pairs.folders import contents_in, maps_in, pairs_in, photographs_in
from flows.pairs.manifest import read_manifest
from flows.pairs.names import natural_key, show
from flows.pairs.pair import (
    Pair,
    Pairing,
    PairingError,
    is_folder,
    photograph_problem,
    reason,
)
from flows.pairs.passed_over import Tally


@dataclass(frozen=True)
class Found:
    """The pairs of a source, in natural order of their names, and what else there is to know of it.

    Attributes
    ----------
    pairs : tuple of Pair
    notes : tuple of str
        How it was read and what was passed over, a sentence each.
    """

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()


def find_pairs(
    source: Path,
    *,
    pairing: Pairing = "auto",
    style: Path | None = None,
    allow_outside: bool = False,
    out: Path | None = None,
) -> Found:
    """List the pairs of a folder or a manifest.

    Links to folders are not followed; what is no photograph is passed over, and counted in a note. What is
    wrong with a single pair is its `Pair.problem`.

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
        No pair can be told, or a manifest cannot be used.
    """
    if pairing not in get_args(Pairing):
        raise PairingError(f"There is no pairing {pairing!r}: choose one of {', '.join(get_args(Pairing))}.")
    in_folder = _require_source(source)
    chosen = _choose(source, in_folder, style) if pairing == "auto" else pairing
    _check_fit(source, in_folder, chosen, style)
    if chosen == "manifest":
        pairs, notes = read_manifest(source, allow_outside=allow_outside)
        return _sorted(pairs, notes)
    tally = Tally()
    return _sorted(pairs_in(source, chosen, style, out, tally), _passed_over(source, tally))


def find_photographs(source: Path, *, out: Path | None = None) -> Found:
    """List the photographs of a folder and its subfolders, each as a pair with itself.

    Parameters
    ----------
    out
        The results' folder; what lies in it is no input.

    Raises
    ------
    PairingError
        It is no folder, or there is no photograph in it.
    """
    _require_folder(source)
    tally = Tally()
    return _sorted(photographs_in(source, out, tally), _passed_over(source, tally))


def find_contents(source: Path, *, maps: Path | None = None, out: Path | None = None) -> Found:
    """List the photographs of a folder and its subfolders, each as a pair with itself, with its own map.

    Parameters
    ----------
    maps
        Folder of maps; in place of the folder content_maps in the source.
    out
        The results' folder; what lies in it is no input.

    Raises
    ------
    PairingError
        It is no folder, or there is no photograph in it.
    """
    _require_folder(source)
    tally = Tally()
    return _sorted(contents_in(source, maps, out, tally), _passed_over(source, tally))


def find_maps(folder: Path) -> dict[str, Path]:
    """The semantic maps of a folder, by the names that photographs called like them have.

    Raises
    ------
    PairingError
        There is no such folder, or no map in it.
    """
    return {each.name: each.path for each in maps_in(folder, Tally()).good}


def _require_folder(source: Path) -> None:
    if not _require_source(source):
        raise PairingError(f"{show(source)} is a file: name a folder of photographs.")


def _sorted(pairs: Iterable[Pair], notes: tuple[str, ...]) -> Found:
    return Found(tuple(sorted(pairs, key=lambda pair: natural_key(pair.name))), notes)


def _passed_over(source: Path, tally: Tally) -> tuple[str, ...]:
    told = tally.told()
    return (f"Passed over in {show(source)}: {told}.",) if told else ()


def _require_source(source: Path) -> bool:
    """Whether the source is a folder; refused if it is neither that nor a file."""
    try:
        mode = source.stat().st_mode
    except FileNotFoundError as error:
        raise PairingError(
            f"There is no {show(source)}: name a folder of photographs, or a manifest."
        ) from error
    except (OSError, ValueError) as error:
        raise PairingError(
            f"{show(source)} cannot be looked at ({reason(error)}): name a folder, or a manifest."
        ) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise PairingError(f"{show(source)} is neither a folder nor a file: name one of photographs.")
    return stat.S_ISDIR(mode)


def _choose(source: Path, in_folder: bool, style: Path | None) -> Pairing:
    if not in_folder:
        return "manifest"
    if style is not None:
        return "one-style"
    there = {name for name in ("input", "content", "style") if is_folder(source / name)}
    if {"input", "style"} <= there:
        return "luan"
    if {"content", "style"} <= there:
        return "pairs"
    raise PairingError(
        f"{show(source)} has neither the folders content and style nor input and style: "
        "arrange it so, give one photograph with --style, or name a manifest."
    )


def _check_fit(source: Path, in_folder: bool, pairing: Pairing, style: Path | None) -> None:
    """Refuse what contradicts the pairing, asked for or found."""
    if in_folder and pairing == "manifest":
        raise PairingError(f"{show(source)} is a folder: name the manifest's file.")
    if not in_folder and pairing != "manifest":
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
