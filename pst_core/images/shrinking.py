"""Photographs and their maps made smaller, before anything is done with them: evaluations at a given size."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pst_core.images.reading import read_map, read_photograph

__all__ = ["shrink_map", "shrink_photograph"]


def shrink_photograph(path: Path, side: int) -> bytes:
    """A photograph shrunk to a long side, never enlarged; an 8-bit sRGB PNG.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    levels = np.moveaxis(np.rint(read_photograph(path).pixels * 255).astype(np.uint8), 0, -1)
    image = Image.fromarray(np.ascontiguousarray(levels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _png(image)


def shrink_map(path: Path, size: tuple[int, int]) -> bytes:
    """A semantic map brought to its photograph's (width, height) without new colours; a PNG.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    return _png(Image.fromarray(read_map(path).colors).resize(size, Image.Resampling.NEAREST))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
