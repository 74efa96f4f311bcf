"""Regions of one map alone, by what other maps called them: so a look finds its regions in a photograph."""

import re

import numpy as np
from numpy.typing import NDArray

from pst_core.images.reading import SemanticMap
from pst_core.regions.codes import COLOR_RADIUS
from pst_core.regions.labels import NOWHERE, Labels

TRANSPARENT = "transparent"
_COLOR = re.compile(r"#([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})")
_VALUE = re.compile(r"value (\d+)(?:, (\d+), (\d+))?")


def labels_by_name(semantic: SemanticMap, names: tuple[str, ...]) -> Labels:
    """Which of the named regions each pixel of a map is in, shape (H, W); `NOWHERE` where in none of them.

    A colour is one of those that names say, or else, where the named colours are far enough apart for that,
    near to one, as compression and soft edges leave it.

    Parameters
    ----------
    names
        Of regions, as `name_of` writes them: ``#00FF00``, ``value 9``, ``transparent``.
    """
    codes = [_code_of(name) for name in names]
    colors = np.array([code for code in codes if code is not None], np.float64).reshape(-1, 3)
    places = np.array([place for place, code in enumerate(codes) if code is not None], np.int16)
    labels = np.full(semantic.size, NOWHERE, np.int16)
    if len(colors):
        labels = places_of(semantic, colors, places)
    if TRANSPARENT in names and semantic.hole is not None:
        labels[semantic.hole] = names.index(TRANSPARENT)
    elif semantic.hole is not None:
        labels[semantic.hole] = NOWHERE
    return labels


def places_of(semantic: SemanticMap, colors: NDArray[np.float64], places: NDArray[np.int16]) -> Labels:
    """Of each pixel, the place of its colour; shape (H, W)."""
    flat, inverse = np.unique(semantic.colors.reshape(-1, 3), axis=0, return_inverse=True)
    distances = np.linalg.norm(flat[:, None].astype(np.float64) - colors[None], axis=2)
    nearest = distances.argmin(axis=1)
    reached = distances.min(axis=1) <= (COLOR_RADIUS if _are_apart(colors) else 0)
    labels: Labels = np.where(reached, places[nearest], np.int16(NOWHERE))[inverse.ravel()]
    return labels.reshape(semantic.size)


def _are_apart(colors: NDArray[np.float64]) -> bool:
    """Whether no colour can be taken for another one."""
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=2)
    return bool((distances + np.diag(np.full(len(colors), np.inf)) > 2 * COLOR_RADIUS).all())


def _code_of(name: str) -> tuple[int, ...] | None:
    if color := _COLOR.fullmatch(name):
        return tuple(int(part, 16) for part in color.groups())
    if value := _VALUE.fullmatch(name):
        red, green, blue = value.groups()
        return (int(red), int(green or red), int(blue or red))
    return None
