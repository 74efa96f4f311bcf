"""What goes into a style transfer: photographs and maps, from files or from arrays."""

import hashlib
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import ImageError, MapError
from pst_core.images.reading import ImageLimits, Photograph, SemanticMap, read_map, read_photograph

__all__ = ["Inputs", "Source", "load_inputs", "load_start"]

Colors = NDArray[np.uint8]
Source = str | PathLike[str] | NDArray[np.uint8] | Photograph | SemanticMap


@dataclass(frozen=True, eq=False)
class Inputs:
    """Photographs and, where given, maps of exactly their sizes.

    Attributes
    ----------
    notes
        What was converted or resized on the way, as plain sentences.
    """

    content: Photograph
    style: Photograph
    content_map: SemanticMap | None = None
    style_map: SemanticMap | None = None
    notes: tuple[str, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """Role -> sha256 of the bytes that were read."""
        roles = ("content", "style", "content_map", "style_map")
        return {role: getattr(self, role).sha256 for role in roles if getattr(self, role) is not None}


def load_inputs(
    content: Source, style: Source, content_map: Source | None = None, style_map: Source | None = None
) -> Inputs:
    """Read what is given by path, and check that the parts fit together.

    Raises
    ------
    ImageError, MapError
        If a file cannot be used, one map comes without the other, or a map has another size than its
        photograph.
    """
    if (content_map is None) != (style_map is None):
        given, lacking = ("content", "style") if style_map is None else ("style", "content")
        raise MapError(
            f"A {given} map was given without a {lacking} map: give both, or neither to have regions found."
        )
    photographs = {"content": _photograph(content, "content"), "style": _photograph(style, "style")}
    notes = [f"{picture.path}: {note}" for picture in photographs.values() for note in picture.notes]
    maps: dict[str, SemanticMap] = {}
    for role, source in (("content", content_map), ("style", style_map)):
        if source is not None:
            maps[role], resized = _fitted(_semantic_map(source, role), photographs[role])
            notes.extend(resized)
    return Inputs(
        photographs["content"], photographs["style"], maps.get("content"), maps.get("style"), tuple(notes)
    )


def _fitted(semantic: SemanticMap, photograph: Photograph) -> tuple[SemanticMap, tuple[str, ...]]:
    colors, notes = fit_map(
        semantic.colors,
        photograph.height,
        photograph.width,
        name=str(semantic.path),
        photograph=str(photograph.path),
    )
    return replace(semantic, colors=colors), notes


def load_start(source: Source, inputs: Inputs) -> NDArray[np.float32]:
    """Read an image to start from; shape (3, H, W), on [0, 1].

    Raises
    ------
    ImageError
        If its shape is not the content's (a pixel of rounding aside).
    """
    start = _photograph(source, "start")
    here, there = start.height * inputs.content.width, inputs.content.height * start.width
    if abs(here - there) > max(start.height, start.width, inputs.content.height, inputs.content.width):
        raise ImageError(
            f"The start image {start.path} is {start.width}x{start.height} pixels, another shape than "
            f"the content's {inputs.content.width}x{inputs.content.height}: give one of the content's shape."
        )
    return start.pixels


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
    pixels = np.ascontiguousarray(np.moveaxis(colors, -1, 0), dtype=np.float32) / np.float32(255)
    return Photograph(pixels, None, _array_hash(colors), Path(f"({role} array)"), 8)


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
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()


def fit_map(
    colors: Colors, height: int, width: int, *, name: str, photograph: str
) -> tuple[Colors, tuple[str, ...]]:
    """Bring a semantic map to its photograph's size.

    A map that is one pixel off is resized (nearest neighbour) with a note; any other size is refused,
    for nothing tells whether it was cropped, scaled, or belongs to another photograph.

    Raises
    ------
    MapError
        If the map's size differs by more than one pixel from the photograph's.
    """
    if colors.shape[:2] == (height, width):
        return colors, ()
    size = f"{colors.shape[1]}x{colors.shape[0]}"
    if abs(colors.shape[0] - height) > 1 or abs(colors.shape[1] - width) > 1:
        raise MapError(
            f"{name} is {size} pixels, but {photograph} is {width}x{height}: "
            "give a map of its photograph's size."
        )
    rows = np.minimum(np.arange(height) * colors.shape[0] // height, colors.shape[0] - 1)
    columns = np.minimum(np.arange(width) * colors.shape[1] // width, colors.shape[1] - 1)
    note = f"{name} is {size} pixels, one off {photograph}'s {width}x{height}: it was resized."
    return colors[rows][:, columns], (note,)
