"""Photographs and their maps made smaller, before anything is done with them: evaluations at a given size."""

import numpy as np
from PIL import Image

from pst_core.images import png
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.writing import to_levels


def shrink_photograph(photograph: Photograph, side: int) -> bytes:
    """A photograph shrunk to a long side in pixels, never enlarged; an 8-bit sRGB PNG."""
    image = Image.fromarray(to_levels(photograph.pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return png.encode(np.asarray(image))


def shrink_map(semantic: SemanticMap, size: tuple[int, int]) -> bytes:
    """A semantic map brought to its photograph's (width, height) without new colours; a PNG."""
    return png.encode(np.asarray(Image.fromarray(semantic.colors).resize(size, Image.Resampling.NEAREST)))
