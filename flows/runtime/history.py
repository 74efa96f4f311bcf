"""The history that servers of our own keep: nobody's result depends on it, so a broken one is put aside."""

import contextlib
import itertools
import os
import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

DATABASE = "prefect.db"


def set_aside_if_damaged(home: Path) -> None:
    """Put the history of a server's folder aside if it cannot be used.

    Raises
    ------
    OSError
        It cannot be moved.
    """
    if problem := find_problem(home / DATABASE):
        set_aside(home, problem)


def set_aside(home: Path, problem: str) -> bool:
    """Move what is there of a history into a folder beside it, and say so; whether there was any.

    Raises
    ------
    OSError
        It cannot be moved.
    """
    files = sorted(home.glob(f"{DATABASE}*"))
    if not files:
        return False
    folder = next(path for number in itertools.count(1) if not (path := home / f"unusable-{number}").exists())
    folder.mkdir()
    for path in files:
        path.rename(folder / path.name)
    print(
        f"warning: the history of earlier runs in {home} cannot be used ({problem}). It was moved to "
        f"{folder}, and a new one is begun; results do not depend on it.", file=sys.stderr,
    )  # fmt: skip
    return True


def find_problem(database: Path) -> str | None:
    """What keeps a database from being used, in a few words; None if nothing does, or there is none."""
    if not database.exists() and not database.is_symlink():
        return None
    if not (database.is_file() and os.access(database, os.R_OK | os.W_OK)):
        return "it may not be read and written"
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(os.fsencode(database))}?mode=rw", uri=True)
        ) as connection:
            [[found], *_] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, UnicodeError) as error:
        return str(error)
    return None if found == "ok" else "it is damaged"
