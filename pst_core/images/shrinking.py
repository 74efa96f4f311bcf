"""Photographs and their maps made smaller, before anything is done with them: evaluations at a given size."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.images import png
from pst_core.images.fitting import at_centers, fit_map
from pst_core.images.limits import ImageLimits
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.writing import to_levels


def shrink_photograph(photograph: Photograph, side: int) -> bytes:
    """A photograph shrunk to a long side in pixels, never enlarged; an 8-bit sRGB PNG with its alpha.

    What is invisible has its surroundings' colours, for shrinking mixes neighbours. The short side keeps what
    a photograph must have to be read again: strips stay longer than `side`.
    """
    planes = [Image.fromarray(to_levels(photograph.filled))]
    if photograph.alpha is not None:
        planes.append(Image.fromarray(to_levels(photograph.alpha[None])[..., 0]))
    side = max(side, math.ceil(ImageLimits().min_side * max(planes[0].size) / min(planes[0].size)))
    for plane in planes:
        plane.thumbnail((side, side), Image.Resampling.LANCZOS)
    return png.encode(np.dstack([np.asarray(plane) for plane in planes]))


def shrink_map(semantic: SemanticMap, photograph: Photograph, size: tuple[int, int]) -> bytes:
    """A semantic map laid on its photograph and brought to a (width, height), as the codes it has; a PNG.

    Raises
    ------
    MapError
        If it has another shape than its photograph.
    """
    fitted, _ = fit_map(semantic, photograph)
    rows, columns = at_centers(fitted.size[0], size[1]), at_centers(fitted.size[1], size[0])
    small = fitted.rearranged(lambda pixels: pixels[rows][:, columns])
    colors = small.colors
    if small.numbers is not None:
        return _with_palette(small.numbers, colors.astype(np.uint8), small.hole)
    if small.hole is None:
        return png.encode(colors)
    opaque = np.where(small.hole, 0, np.iinfo(colors.dtype).max).astype(colors.dtype)
    return png.encode(np.dstack([colors, opaque]))


def _with_palette(
    numbers: NDArray[np.uint8], colors: NDArray[np.uint8], hole: NDArray[np.bool_] | None
) -> bytes:
    """A PNG of places in a palette: two of them may have one colour, and mean two things still."""
    image, opaque = Image.fromarray(numbers, "P"), np.full(256, 255, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    palette[numbers] = colors
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    if hole is None:
        image.save(buffer, "PNG")
    else:
        opaque[numbers[hole]] = 0
        image.save(buffer, "PNG", transparency=opaque.tobytes())
    return buffer.getvalue()
