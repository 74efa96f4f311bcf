"""The files of a pair, told apart by their bytes: name and place of a file mean nothing to a result."""

import hashlib
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pst_core.errors import ImageError

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

    def check(self, hashes: dict[str, str]) -> None:
        """Hold the bytes that were decoded against those that were planned with.

        Parameters
        ----------
        hashes
            Role -> sha256 of what was decoded.

        Raises
        ------
        ImageError
            If a file is another one by now: its result must not be kept under the old one's name.
        """
        for role, file in self.given.items():
            if role in hashes and hashes[role] != file.sha256:
                raise ImageError(f"{file.path} changed while it was worked on: run it again.")


def probe(path: str | os.PathLike[str]) -> InputFile:
    """Read a picture's bytes for their hash and its header for its size; its pixels are not decoded.

    Raises
    ------
    ImageError
        If it cannot be read or is no picture of an accepted kind and size.
    """
    from pst_core.image_decoding import ImageLimits, open_header, read_file

    place, limits = Path(path), ImageLimits()
    data = read_file(place, limits)
    width, height = open_header(data, place, limits).size
    return InputFile(path=place, sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)
