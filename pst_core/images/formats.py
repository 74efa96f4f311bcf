"""Formats that results are written in."""

import os
from pathlib import Path
from typing import Literal

from pst_core.errors import OutputError

OutputFormat = Literal["PNG", "JPEG", "WEBP", "TIFF"]

_EXTENSIONS: dict[str, OutputFormat] = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


def output_format(path: str | os.PathLike[str]) -> OutputFormat:
    """Return the format that a result's extension asks for.

    Raises
    ------
    OutputError
        It is none of .png, .jpg, .jpeg, .webp, .tif, .tiff, in either case.
    """
    extension = Path(path).suffix.lower()
    if extension not in _EXTENSIONS:
        accepted = ", ".join(_EXTENSIONS)
        raise OutputError(f"{path} does not say which format to write; end its name with one of {accepted}.")
    return _EXTENSIONS[extension]
