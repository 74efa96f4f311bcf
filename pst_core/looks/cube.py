"""Looks as .cube files (Adobe, Cube LUT Specification 1.0), which Resolve, Photoshop and ffmpeg read."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pst_core.color.baselines import LUMINANCE
from pst_core.errors import LookError
from pst_core.looks.lattice import SIZE, Floats, Lattice
from pst_core.printing import printable
from pst_core.steady import read_steadily

DECIMALS = 6
MOST_BYTES = 2**24  # of a file that is read: one of `SIZE` points has a megabyte
OTHER_TABLE = "LUT_1D_SIZE"
WAY_OUT = "write it anew with pst look"
# How much darker than black white may come out. Grays on the way may fall: by day a sky is lighter than what
# stands before it, by night darker, and looks fitted to such pairs are no less looks.
MOST_FALL = 0.1


def cube_of(lattice: Lattice, title: str) -> bytes:
    """Write a lattice as text: red changes fastest.

    Parameters
    ----------
    title
        What programs show; quotes and what cannot be printed are replaced.

    Examples
    --------
    >>> lines = cube_of(Lattice.identity(2), "as it is").decode().splitlines()
    >>> lines[:2], lines[4:6]
    (['TITLE "as it is"', 'LUT_3D_SIZE 2'], ['0.000000 0.000000 0.000000', '1.000000 0.000000 0.000000'])
    """
    named = printable(title).replace('"', "'").encode("ascii", "replace").decode()
    head = f'TITLE "{named}"\nLUT_3D_SIZE {len(lattice.values)}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n'
    rows = np.transpose(lattice.values, (2, 1, 0, 3)).reshape(-1, 3)
    lines = (" ".join(f"{value:.{DECIMALS}f}" for value in row) for row in rows.tolist())
    return (head + "\n".join(lines) + "\n").encode()


def read_cube(path: str | os.PathLike[str]) -> Lattice:
    """Read a look as `cube_of` and other programs write it.

    Parameters
    ----------
    path
        A file of a three-dimensional table of `SIZE` points a side, from and to [0, 1].

    Raises
    ------
    LookError
        It cannot be read; has another type, size or range; is cut short or has too much; holds what are no
        numbers; or makes white darker than black, as a negative does.
    """
    place = Path(path)
    lines = _lines(place)
    heads = [words for words in lines if not _is_row(words)]
    _check_heads(place, {words[0].upper(): words[1:] for words in heads})
    values = _table(place, [words for words in lines if _is_row(words)])
    _check_values(place, values)
    return Lattice(np.ascontiguousarray(values.reshape(SIZE, SIZE, SIZE, 3).transpose(2, 1, 0, 3)))


def _lines(path: Path) -> list[list[str]]:
    """The words of every line that says something."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LookError(f"{path} is larger than any look: name a .cube file.")
        text = read_steadily(path).decode("utf-8-sig", "replace")
    except OSError as error:
        raise LookError(f"{path} cannot be read ({error.strerror}): name a .cube file.") from error
    return [words for line in text.splitlines() if (words := line.split()) and not words[0].startswith("#")]


def _is_row(words: list[str]) -> bool:
    """Whether a line is of the table: it begins with a number, or with what stands for none (``nan``)."""
    try:
        float(words[0])
    except ValueError:
        return False
    return True


def _check_heads(path: Path, heads: dict[str, list[str]]) -> None:
    if OTHER_TABLE in heads:
        raise LookError(
            f"{path} holds a table for each channel by itself (LUT_1D): a look is a LUT_3D, {WAY_OUT}."
        )
    sizes = heads.get("LUT_3D_SIZE", [])
    if not sizes:
        raise LookError(f"{path} holds no LUT_3D_SIZE, so it is no .cube file: name one.")
    if sizes != [str(SIZE)]:
        raise LookError(
            f"{path} has {' '.join(sizes)} points a side, and looks have {SIZE}: {WAY_OUT}, "
            f"or convert it to {SIZE}."
        )
    for name, end in (("DOMAIN_MIN", 0.0), ("DOMAIN_MAX", 1.0)):
        if not _all_are(heads.get(name, [str(end)]), end):
            raise LookError(_other_range(path, name, heads[name]))
    if not _is_unit(bounds := heads.get("LUT_3D_INPUT_RANGE", ["0", "1"])):
        raise LookError(_other_range(path, "LUT_3D_INPUT_RANGE", bounds))


def _other_range(path: Path, name: str, found: Iterable[str]) -> str:
    return (
        f"{path} is for another range of colours ({name} {' '.join(found)}), and photographs have 0 to 1: "
        f"convert it, or {WAY_OUT}."
    )


def _all_are(words: Iterable[str], wanted: float) -> bool:
    try:
        return all(float(word) == wanted for word in words)
    except ValueError:
        return False


def _is_unit(words: list[str]) -> bool:
    return len(words) == 2 and _all_are(words[:1], 0) and _all_are(words[1:], 1)


def _table(path: Path, rows: list[list[str]]) -> Floats:
    """The table, shape (size^3, 3), red changing fastest."""
    wanted = SIZE**3
    if len(rows) != wanted:
        what = "is cut short" if len(rows) < wanted else "has too many lines"
        raise LookError(f"{path} {what}: {len(rows)} colours of {wanted}; {WAY_OUT}.")
    try:
        return np.array(rows, np.float32)
    except ValueError as error:  # a word that is no number, or a row of another length
        raise LookError(f"{path} has a line that is no colour of three numbers: {WAY_OUT}.") from error


def _check_values(path: Path, values: Floats) -> None:
    if values.shape[1:] != (3,) or not np.isfinite(values).all():
        raise LookError(f"{path} has a line that is no colour of three numbers: {WAY_OUT}.")
    if values.min() < 0 or values.max() > 1:
        raise LookError(
            f"{path} has colours from {values.min():g} to {values.max():g}, and photographs have 0 to 1: "
            f"clip it, or {WAY_OUT}."
        )
    black, white = values[[0, -1]] @ LUMINANCE
    if white < black - MOST_FALL:
        raise LookError(
            f"{path} makes white darker than black, as a negative does, so it is no look of a photograph: "
            f"{WAY_OUT}."
        )
