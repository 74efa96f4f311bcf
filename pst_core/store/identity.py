"""The name of its own that a ``PST_HOME`` has, by which machines tell that they share it."""

import os
import re
import secrets
import time
from pathlib import Path

from pst_core.errors import OutputError, StoreError
from pst_core.files import sync_folder, write_bytes_atomically
from pst_core.store.home import not_permitted
from pst_core.store.layout import StoreMiss, UnreadableFile, read_regular

_NAME = re.compile(rb"[0-9a-f]{32}\n?")
_WAITS = (0.0, 0.1, 0.5, 2.0)  # where a file system has no links a name lies empty for a moment


def store_identity(home: Path) -> str:
    """Return a home's own name, which it gets from whoever asks first and keeps for good; no lock is needed.

    A copy of a home has its name, too.

    Parameters
    ----------
    home
        As `pst_home` has it.

    Raises
    ------
    StoreError
        It cannot be given one, or what it has is none.
    OutputError
        The disk is full, or failed.
    """
    path = home / "store-id"
    _create(path, f"{secrets.token_hex(16)}\n".encode())
    for wait in _WAITS:
        time.sleep(wait)
        try:
            text, _ = read_regular(path, 64)
        except UnreadableFile as error:
            raise StoreError(f"{error}: check the disk, or set PST_HOME to another folder.") from error
        except StoreMiss:
            continue
        if _NAME.fullmatch(text):
            return text.decode().strip()
    raise StoreError(
        f"{path} does not say which store this is: delete that file, then start its service and workers anew."
    )


def _create(path: Path, data: bytes) -> None:
    """Write the file unless it is there; then its name is forced to the disk in its writer's place."""
    try:
        write_bytes_atomically(path, data)
    except OutputError as error:
        if os.path.lexists(path):
            sync_folder(path.parent)
        elif isinstance(error.__cause__, PermissionError):
            raise not_permitted(path.parent) from error.__cause__
        else:
            raise
