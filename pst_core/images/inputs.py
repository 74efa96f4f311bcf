"""What goes into a style transfer: photographs and maps, from files or from arrays."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import ImageError, MapError
from pst_core.images.fitting import fit_map
from pst_core.images.limits import ImageLimits
from pst_core.images.reading import Photograph, SemanticMap, read_map, read_photograph
from pst_core.images.roles import PHOTOGRAPHS, ROLES, START

Source = str | PathLike[str] | NDArray[np.uint8] | Photograph | SemanticMap


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photographs and, where given, maps of their shapes that lie as they do.

    Attributes
    ----------
    notes
        What was converted, turned or scaled on the way, as plain sentences.
    """

    content: Photograph
    style: Photograph
    content_map: SemanticMap | None = None
    style_map: SemanticMap | None = None
    notes: tuple[str, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """Role -> sha256 of the bytes that were read."""
        return {role: part.sha256 for role in ROLES if (part := getattr(self, role)) is not None}


def load_inputs(
    content: Source, style: Source, content_map: Source | None = None, style_map: Source | None = None
) -> Inputs:
    """Read what is given by path, and check that the parts fit together.

    Parameters
    ----------
    content, style : path, Photograph, or ndarray of uint8 of shape (H, W, 3)
    content_map, style_map : path, SemanticMap, or ndarray of uint8 of shape (H, W, 3), optional

    Raises
    ------
    ImageError, MapError
        If a file cannot be used, one map comes without the other, or a map has another shape than its
        photograph.
    """
    if (content_map is None) != (style_map is None):
        given, lacking = PHOTOGRAPHS if style_map is None else PHOTOGRAPHS[::-1]
        raise MapError(
            f"A {given} map was given without a {lacking} map: give both, or neither to have regions found."
        )
    photographs = _photograph(content, "content"), _photograph(style, "style")
    if content_map is None or style_map is None:
        return Inputs(*photographs, notes=_notes_on(*photographs))
    maps = _semantic_map(content_map, "content"), _semantic_map(style_map, "style")
    here, on_here = fit_map(maps[0], photographs[0])
    there, on_there = fit_map(maps[1], photographs[1])
    return Inputs(*photographs, here, there, (*_notes_on(*photographs, *maps), *on_here, *on_there))


def load_mixture(
    content: Source,
    styles: Sequence[Source],
    content_map: Source | None = None,
    style_maps: Sequence[Source] | None = None,
) -> tuple[Inputs, ...]:
    """Read the content with each of its styles, the content once; see `load_inputs`.

    Raises
    ------
    ImageError, MapError
        As for `load_inputs`, or a style lacks its map.
    """
    if style_maps is not None and len(style_maps) != len(styles):
        raise MapError(
            f"The styles are {len(styles)} and their maps {len(style_maps)}: give a map of each style, "
            "in the same order, or no map at all."
        )
    if len(styles) == 1:
        return (load_inputs(content, styles[0], content_map, style_maps[0] if style_maps else None),)
    photograph = _photograph(content, "content")
    labels = None if content_map is None else _semantic_map(content_map, "content")
    maps = style_maps or (None,) * len(styles)
    return tuple(
        load_inputs(photograph, style, labels, each) for style, each in zip(styles, maps, strict=True)
    )


def _notes_on(*pictures: Photograph | SemanticMap) -> tuple[str, ...]:
    return tuple(f"{picture.path}: {note}" for picture in pictures for note in picture.notes)


def load_start(source: Source, inputs: Inputs) -> NDArray[np.float32]:
    """Read an image to start from; shape (3, H, W), on [0, 1].

    Raises
    ------
    ImageError
        If its shape is not the content's (a pixel of rounding aside).
    """
    start = _photograph(source, START)
    here, there = start.height * inputs.content.width, inputs.content.height * start.width
    if abs(here - there) > max(start.height, start.width, inputs.content.height, inputs.content.width):
        raise ImageError(
            f"The start image {start.path} is {start.width}x{start.height} pixels, another shape than "
            f"the content's {inputs.content.width}x{inputs.content.height}: give one of the content's shape."
        )
    return start.filled


def _photograph(source: Source, role: str) -> Photograph:
    if isinstance(source, Photograph):
        return source
    if isinstance(source, SemanticMap):
        raise ImageError(f"The {role} is a semantic map, not a photograph: swap the arguments.")
    if not isinstance(source, np.ndarray):
        return read_photograph(source)
    colors = _checked(source, role)
    least = ImageLimits().min_side
    if min(colors.shape[:2]) < least:
        raise ImageError(f"The {role} array is under {least} pixels a side: give a larger photograph.")
    with ThreadPoolExecutor(max_workers=4) as side_by_side:  # hashing and NumPy's arithmetic let others run
        sha256 = side_by_side.submit(_array_hash, colors)
        pixels = np.empty((3, *colors.shape[:2]), np.float32)
        parts = [
            side_by_side.submit(np.divide, plane, np.float32(255), out=out)
            for plane, out in zip(np.moveaxis(colors, -1, 0), pixels, strict=True)
        ]
        for part in parts:
            part.result()  # raises what went wrong with it
    return Photograph(pixels, None, sha256.result(), Path(f"({role} array)"), 8)


def _semantic_map(source: Source, role: str) -> SemanticMap:
    if isinstance(source, SemanticMap):
        return source
    if isinstance(source, Photograph):
        raise MapError(f"The {role} map is a Photograph: read it with read_map.")
    if not isinstance(source, np.ndarray):
        return read_map(source)
    colors = _checked(source, f"{role} map")
    return SemanticMap(colors, _array_hash(colors), Path(f"({role} map array)"))


def _checked(array: NDArray[np.uint8], role: str) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(
            f"The {role} array has shape {array.shape} and type {array.dtype}: give uint8 of shape (H, W, 3)."
        )
    return np.ascontiguousarray(array)


def _array_hash(array: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(array.data)
    return digest.hexdigest()
