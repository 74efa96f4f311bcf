"""Other users and their folders, for tests and trials of what several users share."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ANNA, BEN, GROUP = 51_001, 51_002, 59_000  # without an entry anywhere, as in containers and of services


@contextmanager
def acting_as(user: int, umask: int, *, group: int = GROUP) -> Iterator[None]:
    """Be another user, with a group beside the own one, while the block lasts."""
    if os.geteuid() != 0:
        pytest.skip("only root may become other users")
    groups, mask = os.getgroups(), os.umask(umask)
    os.setgroups([user, group])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        os.umask(mask)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder of root's that belongs to the group, in a place that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "shared"
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, 0, GROUP)
        folder.chmod(0o2775)
        yield folder
