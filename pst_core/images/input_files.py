"""The files of a pair, told apart by their bytes: name and place of a file mean nothing to a result."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pst_core.errors import ImageError

if TYPE_CHECKING:
    from pst_core.images.inputs import Inputs
    from pst_core.images.reading import Photograph

__all__ = ["InputFile", "InputFiles", "probe"]


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
        """Decode it as a photograph.

        Raises
        ------
        ImageError
            If it cannot be decoded, or is another file by now.
        """
        from pst_core.images.reading import read_photograph

        photograph = read_photograph(self.path)
        self.check(photograph.sha256)
        return photograph

    def check(self, sha256: str) -> None:
        """Hold the bytes that were decoded against those that were planned with.

        Raises
        ------
        ImageError
            If the file is another one by now: its result must not be kept under the old one's name.
        """
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
        roles = ("content", "style", "content_map", "style_map")
        return {role: file for role in roles if (file := getattr(self, role)) is not None}

    def load(self) -> "Inputs":
        """Decode all of them, and check that they fit together.

        Raises
        ------
        ImageError, MapError
            If one cannot be used, or is another file by now.
        """
        from pst_core.images.inputs import load_inputs

        paths = {role: file.path for role, file in self.given.items()}
        inputs = load_inputs(
            paths["content"], paths["style"], paths.get("content_map"), paths.get("style_map")
        )
        for role, sha256 in inputs.hashes.items():
            self.given[role].check(sha256)
        return inputs


def probe(path: str | os.PathLike[str]) -> InputFile:
    """Read a picture's bytes for their hash and its header for its size; its pixels are not decoded.

    Raises
    ------
    ImageError
        If it cannot be read or is no picture of an accepted kind and size.
    """
    from pst_core.images.decoding import ImageLimits, open_header, read_file

    place, limits = Path(path), ImageLimits()
    data = read_file(place, limits)
    width, height = open_header(data, place, limits).size
    return InputFile(path=place, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)
