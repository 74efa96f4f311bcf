"""What a picture may cost, and a file's bytes read within that."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pst_core.errors import ImageError
from pst_core.steady import read_accepted


@dataclass(frozen=True)
class ImageLimits:
    """What a picture may cost before it is refused.

    Attributes
    ----------
    max_pixels
        Width times height, in pixels.
    max_bytes
        Size of the file, in bytes.
    min_side
        Shortest side, in pixels; below it the encoder's deep layers have nothing left to look at.
    """

    max_pixels: int = 200_000_000
    max_bytes: int = 2**30
    min_side: int = 32


@dataclass(frozen=True)
class HashedFile:
    """A file's bytes, and their sha256 in hexadecimal."""

    data: bytes
    sha256: str


def read_hashed(path: Path, limits: ImageLimits) -> HashedFile:
    """Read a file as `read_file` does, and hash what was read."""
    data = read_file(path, limits)
    return HashedFile(data, hashlib.sha256(data).hexdigest())


def read_file(path: Path, limits: ImageLimits) -> bytes:
    """Read a regular file of bounded size into memory.

    Raises
    ------
    ImageError
        It is missing, not a regular file, unreadable, empty, or larger than `limits.max_bytes`.
    """
    try:
        # Without O_NONBLOCK opening a named pipe would wait for somebody to write into it.
        data, status = read_accepted(path, lambda found: _check_file(path, found, limits), os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist; check the name.") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; change its permissions.") from error
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read ({error.strerror or error}); check the file and its disk."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory; close other programs.") from error
    except ValueError as error:  # a NUL, or a character the file system's encoding has no bytes for
        raise ImageError(f"{str(path)!r} is not a name a file can have; check the name.") from error
    if len(data) != status.st_size:
        raise ImageError(f"{path} changed while it was read; wait until it is complete and try again.")
    return data


def _check_file(path: Path, status: os.stat_result, limits: ImageLimits) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path} is a folder; name a picture inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is a device, pipe or socket; copy the picture into a regular file.")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty; copy or export it again.")
    if status.st_size > limits.max_bytes:
        raise ImageError(
            f"{path} has {status.st_size} bytes, more than the {limits.max_bytes} allowed; "
            "save a smaller copy or raise the limit."
        )


def check_size(path: Path, size: tuple[int, int], limits: ImageLimits) -> None:
    """Refuse a picture by the (width, height) that its header claims.

    Raises
    ------
    ImageError
        It is too large or too small.
    """
    width, height = size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{path} has {width} x {height} pixels, more than the {limits.max_pixels} allowed; "
            "use a smaller copy or raise the limit."
        )
    if min(width, height) < limits.min_side:
        raise ImageError(
            f"{path} has {width} x {height} pixels; "
            f"use a picture with at least {limits.min_side} pixels on its shorter side."
        )


def check_frames(path: Path, count: int) -> None:
    """Refuse a file that holds more than one picture.

    Raises
    ------
    ImageError
        `count` is above 1.
    """
    if count > 1:
        raise ImageError(f"{path} holds several pictures (an animation or pages); export the one you want.")
