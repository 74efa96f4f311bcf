"""`pst study`: the page that asks which result looks real, and what its answers say."""

import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App

from flows import layout
from flows.cli.groups import OUT, STUDY, Json, Switch, listed
from flows.pairs.elsewhere import find_pictures, list_names, named_folders
from flows.pairs.names import natural_key, show
from flows.runtime.failures import SOME_FAILED
from pst_core.errors import ConfigError, OutputError
from pst_core.files import write_bytes_atomically

if TYPE_CHECKING:
    from pst_core.study.tally import Share, Tally

COUNT = 5  # pairs that Yang drew for the paper's study
_MENTIONED = 3

study = App(name="study", group_arguments=STUDY, group_parameters=STUDY)


@study.command(name="build")
def build_page(
    sources: list[str],
    /,
    *,
    out: Annotated[Path, OUT] = Path(layout.STUDY),
    pairs: str | None = None,
    count: int | None = None,
    seed: int = 0,
    title: str = "Which picture looks real?",
    picture_side: int = 900,
    overwrite: Switch = False,
    as_json: Json = False,
) -> None:
    """Make one page that shows each pair's results in random order and asks for the most realistic.

    Parameters
    ----------
    sources
        NAME=DIR for each method: a folder of its results, as pst run or anybody else wrote them.
    out
        The page; its key (which picture is whose) is written beside it, as study.key.json.
    pairs
        Names of the pairs to show, with commas between; without it those that all sources have.
    count
        So many pairs are drawn at random; without it 5, or all that --pairs names.
    seed
        Of the drawing.
    title
        Of the page.
    picture_side
        Long side in pixels of the pictures in the page.
    overwrite
        Replace the page and its key.
    as_json
        One JSON object.

    Raises
    ------
    ConfigError, PairingError, StudyError, ImageError
        The study cannot be made of these.
    OutputError
        The page or the key is there already, or cannot be written.
    """
    from pst_core.study.building import build_study

    key_path = layout.key_path(out)
    if not overwrite:
        _refuse_existing(out, key_path)
    found = _find_results(_folders(sources), pairs, count, seed)
    made = build_study(found, title=title, seed=seed, picture_side=picture_side)
    # The key goes first: answers to a page without a key would be lost.
    write_bytes_atomically(key_path, made.key.model_dump_json(indent=1).encode(), overwrite=overwrite)
    write_bytes_atomically(out, made.page.encode(), overwrite=overwrite)
    if as_json:
        files = {name: {method: str(path) for method, path in each.items()} for name, each in found.items()}
        said = {"page": str(out), "key": str(key_path), "build": made.key.build, "pairs": files}
        print(json.dumps(said))
    else:
        print(f"{_files_text(found)}\n{out}\n{key_path}\n{_built_text(found, len(made.page))}")


@study.command(name="tally")
def tally_answers(
    answers: list[Path],
    /,
    *,
    key: Path,
    out: Annotated[Path, OUT],
    as_json: Json = False,
) -> int:
    """Count answers, and draw the paper's Figure 4 with confidence intervals.

    Parameters
    ----------
    answers
        Files as the page saved them, or folders of them.
    key
        The key written beside the page.
    out
        Folder for answers.parquet, tally.parquet, tally.md and figure4.png.
    as_json
        One JSON object.

    Returns
    -------
    int
        Exit status: 3 if some files were not counted.

    Raises
    ------
    StudyError
        The key cannot be used, or no file has answers that count.
    OutputError
        The folder cannot be written.
    """
    from pst_core.study.charts import draw_figure
    from pst_core.study.key import read_key
    from pst_core.study.tables import choices_table, describe_tally, shares_table
    from pst_core.study.tally import tally_study

    tally = tally_study(_answer_files(answers), read_key(key))
    files = {
        layout.CHOICES: choices_table(tally), layout.SHARES: shares_table(tally),
        layout.TALLY: describe_tally(tally).encode(), layout.FIGURE: draw_figure(tally),
    }  # fmt: skip
    for name, data in files.items():
        write_bytes_atomically(out / name, data, overwrite=True)
    print(_tally_json(tally) if as_json else _tally_text(tally, out))
    if not as_json:
        for problem in tally.problems:
            print(f"pst: {problem}", file=sys.stderr)
    return SOME_FAILED if tally.problems else 0


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise OutputError(f"{path} exists already; choose another name or allow it to be overwritten.")


def _folders(sources: Sequence[str]) -> dict[str, Path]:
    folders = named_folders(sources)
    if len(folders) < 2:
        raise ConfigError("A study compares two methods or more: name each as NAME=FOLDER.")
    return folders


def _find_results(
    folders: Mapping[str, Path], pairs: str | None, count: int | None, seed: int
) -> dict[str, dict[str, Path]]:
    """Pair's name -> method's name -> file, for the pairs that are asked about."""
    names = listed(pairs) if pairs is not None else _names_in(folders)
    if not names and pairs is not None:
        raise ConfigError("--pairs names no pair: write names with commas between.")
    found = {method: find_pictures(folder, names) for method, folder in folders.items()}
    common = [name for name in names if all(name in pictures for pictures in found.values())]
    if pairs is not None:
        _refuse_missing(names, folders, found)
    if not common:
        places = ", ".join(map(show, folders.values()))
        raise ConfigError(f"No pair has a result in each of {places}: name pairs alike, or with --pairs.")
    chosen = _draw(common, count if count is not None or pairs is not None else COUNT, seed)
    return {name: {method: pictures[name] for method, pictures in found.items()} for name in chosen}


def _names_in(folders: Mapping[str, Path]) -> Sequence[str]:
    """The pairs' names: those of the first source, for which the others' pictures are then sought."""
    return sorted(list_names(next(iter(folders.values()))), key=natural_key)


def _refuse_missing(
    names: Sequence[str], folders: Mapping[str, Path], found: Mapping[str, Mapping[str, Path]]
) -> None:
    for method, pictures in found.items():
        missing = [name for name in names if name not in pictures]
        if missing:
            few = ", ".join(map(repr, missing[:_MENTIONED]))
            more = f" and {len(missing) - _MENTIONED} more" if len(missing) > _MENTIONED else ""
            raise ConfigError(
                f"{show(folders[method])} has no result of {few}{more}: add it, or leave the pair out."
            )


def _draw(names: Sequence[str], count: int | None, seed: int) -> list[str]:
    if count is None:
        return [*names]
    if not 1 <= count <= len(names):
        raise ConfigError(
            f"--count cannot be {count}: {len(names)} "
            f"pair{' has' if len(names) == 1 else 's have'} a result of every method."
        )
    return sorted(random.Random(seed).sample(names, count), key=natural_key)


def _answer_files(answers: Sequence[Path]) -> list[Path]:
    return [
        file for path in answers for file in (sorted(path.glob(layout.ANSWERS)) if path.is_dir() else [path])
    ]


def _files_text(found: Mapping[str, Mapping[str, Path]]) -> str:
    """What is compared with what: files that only share a number may have been taken for partners."""
    return "\n".join(
        f"{name}: {', '.join(f'{method} {show(path)}' for method, path in results.items())}"
        for name, results in found.items()
    )


def _built_text(found: Mapping[str, Mapping[str, Path]], size: int) -> str:
    methods = len(next(iter(found.values())))
    return (
        f"{len(found)} pair{'' if len(found) == 1 else 's'}, {methods} methods, "
        f"{size / 1e6:.1f} MB. Hand out the page and keep the key: it tells whose pictures they are."
    )


def _tally_json(tally: "Tally") -> str:
    from dataclasses import asdict

    shares = [asdict(share) for share in (*tally.by_pair, *tally.overall)]
    return json.dumps({"respondents": tally.respondents, "shares": shares, "problems": tally.problems})


def _tally_text(tally: "Tally", out: Path) -> str:
    width = max(map(len, tally.methods))
    return "\n".join(
        [f"{tally.sentence}:", *(_share_text(share, width) for share in tally.overall), str(out)]
    )


def _share_text(share: "Share", width: int) -> str:
    bounds = f"95 % interval {100 * share.low:.1f} to {100 * share.high:.1f} %"
    return f"  {share.method:{width}}  {share.count:5}  {100 * share.share:5.1f} %  ({bounds})"
