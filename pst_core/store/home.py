"""Where everything lies that this program keeps, and what to do where a user may not use it."""

import os
from pathlib import Path

from pst_core.errors import StoreError
from pst_core.owners import describe_owner, nearest_there_is, user_name


def pst_home() -> Path:
    """Return the folder for everything this program keeps: ``$PST_HOME``, or ``~/.pst``.

    Raises
    ------
    StoreError
        No home folder is known to the system, and none was named.
    """
    try:
        return Path(os.environ.get("PST_HOME") or "~/.pst").expanduser().absolute()
    except RuntimeError as error:
        raise StoreError("your home folder cannot be found: set PST_HOME to a folder to use.") from error


def not_permitted(place: Path) -> StoreError:
    """Say whose something is that this user may not use, and the way out.

    Parameters
    ----------
    place
        The file or folder; where there is none yet, the nearest folder above it is told of.
    """
    found, home, user = nearest_there_is(place), pst_home(), os.geteuid()
    whose = f"{found} {describe_owner(found)}, and {user_name(user)} may not use it"
    if not found.absolute().is_relative_to(os.path.realpath(home)):
        return StoreError(f"{whose}: set PST_HOME to a folder that you may write to.")
    if _owner(found) == user:
        return StoreError(f"{whose}: run chmod -R u+rwX {home}, or set PST_HOME to another folder.")
    return StoreError(
        f"{whose}: have its owner share it (chgrp -R GROUP {home}; chmod -R g+rwXs {home}; umask 002 for "
        "everybody in GROUP), or set PST_HOME to a folder of your own."
    )


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1
