"""The files of a pair, told apart by their bytes: name and place of a file mean nothing to a result."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from pst_core.errors import ImageError
from pst_core.images.limits import HashedFile, ImageLimits, read_hashed
from pst_core.images.roles import EVERY_ROLE, by_style, is_map

if TYPE_CHECKING:
    from pst_core.images.inputs import Inputs
    from pst_core.images.reading import Photograph, SemanticMap

MOST_HELD = 2**28
"""Bytes of files that are held from `probe` until they are decoded; what is more is read anew."""


class _Decoded(Protocol):
    @property
    def sha256(self) -> str: ...


Kind = TypeVar("Kind", bound=_Decoded)
_Stamp = tuple[int, int, int, int, int]


@dataclass
class _Held:
    """What a block has read and decoded.

    Attributes
    ----------
    files : dict
        Path -> what the file was known by before it was read, and its bytes, until they are decoded.
    decoded : dict
        What reads it, path and sha256 -> what was decoded.
    """

    files: "dict[Path, tuple[_Stamp, HashedFile]]" = field(default_factory=dict)
    decoded: "dict[tuple[str, Path, str], _Decoded]" = field(default_factory=dict)

    def keep(self, path: Path, stamp: "_Stamp | None", file: HashedFile) -> None:
        held = sum(len(each.data) for _, each in self.files.values())
        if stamp is not None and held + len(file.data) <= MOST_HELD:
            self.files[path] = stamp, file

    def take(self, path: Path) -> HashedFile | None:
        """What was read of a file, if it is the same file still."""
        stamp, file = self.files.pop(path, (None, None))
        return file if stamp is not None and stamp == _stamp(path) else None


_held: ContextVar[_Held | None] = ContextVar("_held", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within the block, read and decode each file once, however often it is asked for; keep nothing beyond.

    What is handed out is shared: leave its arrays as they are. A block within another shares the outer's.
    """
    if _held.get() is not None:
        yield
        return
    token = _held.set(_Held())
    try:
        yield
    finally:
        _held.reset(token)


class InputFile(BaseModel):
    """One input as it was when the work on it was planned.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the file's bytes.
    width, height : int
        As its header says, before any turning upright.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    sha256: str
    width: int
    height: int

    @property
    def side(self) -> int:
        """Long side in pixels."""
        return max(self.width, self.height)

    def photograph(self) -> "Photograph":
        """Decode it as a photograph; once within `reading_once`.

        Raises
        ------
        ImageError
            If it cannot be decoded, or is another file by now.
        """
        from pst_core.images.reading import read_photograph

        return self._decode(read_photograph)

    def semantic_map(self) -> "SemanticMap":
        """Decode it as a semantic map; once within `reading_once`.

        Raises
        ------
        ImageError
            If it cannot be decoded, or is another file by now.
        """
        from pst_core.images.reading import read_map

        return self._decode(read_map)

    def let_go(self) -> None:
        """Hold no longer, within `reading_once`, what was decoded of it: the last who needs it has it."""
        if (held := _held.get()) is not None:
            mine = [key for key in held.decoded if key[1:] == (self.path, self.sha256)]
            for key in mine:
                del held.decoded[key]

    def _decode(self, read: Callable[..., Kind]) -> Kind:
        held, key = _held.get() or _Held(), (read.__name__, self.path, self.sha256)
        decoded = cast("Kind | None", held.decoded.get(key))
        if decoded is None:
            decoded = read(self.path, file=held.take(self.path))
            # Another file by now: its result must not be kept under the old one's name.
            if decoded.sha256 != self.sha256:
                raise ImageError(f"{self.path} changed while it was worked on: run it again.")
            held.decoded[key] = decoded
        return decoded


class InputFiles(BaseModel):
    """The photographs of a pair, and their maps where it has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: InputFile
    style: InputFile
    content_map: InputFile | None = None
    style_map: InputFile | None = None
    style_2: InputFile | None = None
    style_2_map: InputFile | None = None
    style_3: InputFile | None = None
    style_3_map: InputFile | None = None
    style_4: InputFile | None = None
    style_4_map: InputFile | None = None

    @property
    def given(self) -> dict[str, InputFile]:
        """Role -> file, for the roles that are there."""
        return {role: file for role in EVERY_ROLE if (file := getattr(self, role)) is not None}

    @property
    def pixels(self) -> int:
        """How many pixels the photographs have together."""
        return sum(file.width * file.height for role, file in self.given.items() if not is_map(role))

    @property
    def by_style(self) -> "tuple[InputFiles, ...]":
        """The files of the content with each style."""
        return tuple(InputFiles(**files) for files in by_style(self.given))

    @property
    def styles(self) -> tuple[InputFile, ...]:
        """The style, and those that it is mixed with."""
        return tuple(files.style for files in self.by_style)

    def decode(self) -> None:
        """Decode all of them for whoever asks later, within `reading_once`; what is wrong is told there."""
        for role, file in self.given.items():
            with suppress(ImageError):
                _ = file.semantic_map() if is_map(role) else file.photograph()

    def load(self) -> "Inputs":
        """Decode those of the content with its first style, and check that they fit together.

        Raises
        ------
        ImageError, MapError
            If one cannot be used, or is another file by now.
        """
        from pst_core.images.inputs import load_inputs

        decoded: dict[str, Photograph | SemanticMap] = {
            role: file.semantic_map() if is_map(role) else file.photograph()
            for role, file in by_style(self.given)[0].items()
        }
        return load_inputs(**decoded)


def probe(path: str | os.PathLike[str]) -> InputFile:
    """Read a picture's bytes for their hash and its header for its size; its pixels are not decoded.

    Within `reading_once` what is read is held until it is decoded.

    Raises
    ------
    ImageError
        If it cannot be read or is no picture of an accepted kind and size.
    """
    from pst_core.images.decoding import open_header

    place, limits = Path(path), ImageLimits()
    stamp = _stamp(place)
    file = read_hashed(place, limits)
    width, height = open_header(file.data, place, limits).size
    if (held := _held.get()) is not None:
        held.keep(place, stamp, file)
    return InputFile(path=place, sha256=file.sha256, width=width, height=height)


def _stamp(path: Path) -> "_Stamp | None":
    """What tells a file from another one of its name; None where there is nothing to tell."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # a NUL in its name
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
