"""Files that other machines see and this one does not: a mount is missing, or lets nobody in."""

import os
from collections.abc import Iterable
from pathlib import Path
from socket import gethostname

from pst_core.owners import describe_owner, nearest_there_is, user_name
from pst_core.printing import printable


def unseen_files(paths: Iterable[Path]) -> str | None:
    """Say in one sentence, with this machine's name, what it does not see; None if it sees all.

    Parameters
    ----------
    paths
        Files and folders that are there, as another machine knows. The first that is unseen here is told of.
    """
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            return printable(f"{gethostname()} does not see {path}: {_explain(path, error)}.")
    return None


def _explain(path: Path, error: OSError) -> str:
    nearest = nearest_there_is(path)
    if isinstance(error, PermissionError):
        return f"{nearest} {describe_owner(nearest)}, and {user_name(os.geteuid())} may not look into it"
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{error.strerror}; see that its file system answers there"
    if _is_empty(nearest):
        return f"{nearest} is empty there; mount its file system as on the other machines"
    return f"there is nothing of it beyond {nearest} there; mount its folder as on the other machines"


def _is_empty(folder: Path) -> bool:
    """Whether a folder has nothing in it, as one has on which nothing is mounted."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
