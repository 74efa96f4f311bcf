"""Whose a file or folder is, for the sentence that somebody else gets who may not use it."""

import os
import stat
from pathlib import Path


def nearest_there_is(path: Path) -> Path:
    """What decides what may be done at `path`: itself, or else the nearest folder above that can be seen."""
    return next((place for place in (path, *path.absolute().parents) if os.path.lexists(place)), path)


def describe_owner(path: Path) -> str:
    """Say whose something is and who may use it: ``belongs to anna (group staff, drwxr-xr-x)``."""
    try:
        status = path.stat()
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    owner, group = user_name(status.st_uid), _group_name(status.st_gid)
    return f"belongs to {owner} (group {group}, {stat.filemode(status.st_mode)})"


def user_name(number: int) -> str:
    """Name of a user, or ``user 12345`` where the system has no name for one: in containers, for services."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group_name(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
