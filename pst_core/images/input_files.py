"""The files of a pair, told apart by their bytes: name and place of a file mean nothing to a result."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pst_core.errors import ImageError
from pst_core.images.roles import ROLES, is_map

if TYPE_CHECKING:
    from pst_core.images.inputs import Inputs
    from pst_core.images.reading import Photograph, SemanticMap

_decoded: ContextVar["dict[tuple[Path, str], Photograph] | None"] = ContextVar("_decoded", default=None)


@contextmanager
def decoding_once() -> Iterator[None]:
    """Within the block, decode each photograph once, however often it is asked for; keep none of them beyond.

    What is handed out is shared: leave its arrays as they are. A block within another shares the outer's.
    """
    if _decoded.get() is not None:
        yield
        return
    token = _decoded.set({})
    try:
        yield
    finally:
        _decoded.reset(token)


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
        """Decode it as a photograph; once within `decoding_once`.

        Raises
        ------
        ImageError
            If it cannot be decoded, or is another file by now.
        """
        from pst_core.images.reading import read_photograph

        decoded, key = _decoded.get(), (self.path, self.sha256)
        if decoded is not None and key in decoded:
            return decoded[key]
        photograph = read_photograph(self.path)
        self._check(photograph.sha256)
        if decoded is not None:
            decoded[key] = photograph
        return photograph

    def semantic_map(self) -> "SemanticMap":
        """Decode it as a semantic map.

        Raises
        ------
        ImageError
            If it cannot be decoded, or is another file by now.
        """
        from pst_core.images.reading import read_map

        semantic = read_map(self.path)
        self._check(semantic.sha256)
        return semantic

    def _check(self, sha256: str) -> None:
        """Refuse a file that is another one by now: its result must not be kept under the old one's name."""
        if sha256 != self.sha256:
            raise ImageError(f"{self.path} changed while it was worked on: run it again.")


class InputFiles(BaseModel):
    """The photographs of a pair, and its maps where it has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: InputFile
    style: InputFile
    content_map: InputFile | None = None
    style_map: InputFile | None = None

    @property
    def given(self) -> dict[str, InputFile]:
        """Role -> file, for the roles that are there."""
        return {role: file for role in ROLES if (file := getattr(self, role)) is not None}

    def load(self) -> "Inputs":
        """Decode all of them, and check that they fit together.

        Raises
        ------
        ImageError, MapError
            If one cannot be used, or is another file by now.
        """
        from pst_core.images.inputs import load_inputs

        decoded: dict[str, Photograph | SemanticMap] = {
            role: file.semantic_map() if is_map(role) else file.photograph()
            for role, file in self.given.items()
        }
        return load_inputs(**decoded)


def probe(path: str | os.PathLike[str]) -> InputFile:
    """Read a picture's bytes for their hash and its header for its size; its pixels are not decoded.

    Raises
    ------
    ImageError
        If it cannot be read or is no picture of an accepted kind and size.
    """
    from pst_core.images.decoding import open_header
    from pst_core.images.limits import ImageLimits, read_file

    place, limits = Path(path), ImageLimits()
    data = read_file(place, limits)
    width, height = open_header(data, place, limits).size
    return InputFile(path=place, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)
