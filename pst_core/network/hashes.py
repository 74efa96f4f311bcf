"""What tells files of weights from others: the hash of their bytes, read once while they stay as they are."""

import hashlib
from functools import lru_cache
from pathlib import Path

from pst_core.errors import WeightsError
from pst_core.steady import open_steadily


def file_identity(source: str, ways_out: str) -> str:
    """The sha256 of a file's bytes.

    Parameters
    ----------
    ways_out
        What a message tells its reader to do.

    Raises
    ------
    WeightsError
        If it cannot be read.
    """
    try:
        path = Path(source).expanduser()
        stamp = path.stat()
        return _file_hash(path, (stamp.st_mtime_ns, stamp.st_ctime_ns, stamp.st_size, stamp.st_ino))
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:  # a NUL in the name, or a user whose home is not known
        reason = str(error)
    raise WeightsError(f"The weights file {source} cannot be read ({reason}): {ways_out}.")


@lru_cache(maxsize=32)
def _file_hash(path: Path, stamp: tuple[int, ...]) -> str:
    del stamp  # only a part of the cache's key: a file written anew is read anew
    with open_steadily(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
