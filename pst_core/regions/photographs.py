"""Regions of two bare photographs by what these show: see `evidence`, `clustering`, `confidence`."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pst_core.filters.guided import upsample_through_guide
from pst_core.filters.resizing import resize
from pst_core.machine import bring, fetch
from pst_core.network.encoder import Encoder
from pst_core.regions.clustering import cluster_pair
from pst_core.regions.evidence import CELL, Evidence, look_at
from pst_core.regions.labels import (
    NOWHERE,
    Labels,
    Mask,
    Regions,
    display_colors,
    given_to_nearest,
    hidden,
    match_regions,
    one_region,
)
from pst_core.settings.config import FoundRegionSettings

Floats = NDArray[np.float32]

BORDER_RADIUS, BORDER_EPSILON = 3, 1e-3
AS_A_WHOLE = "The photographs show no regions that can be trusted: each is taken as a whole."


def cluster_photographs(
    content: Floats,
    style: Floats,
    encoder: Encoder,
    settings: FoundRegionSettings,
    counted: tuple[Mask | None, Mask | None] = (None, None),
) -> Regions:
    """Find regions that both photographs have, and how far to trust each.

    Regions that are not to be trusted at all are one: as masks that are the same everywhere they would
    still be compared, and evened, one by one.

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W)
        On [0, 1].
    encoder
        Its shallower style layers are used.
    settings
        ``regions`` regions, or as many as both photographs have a fair share of.
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each photograph count; None counts all. The others have no say, and no region.

    Raises
    ------
    MapError
        If no region is found in both.
    """
    pair = look_at(content, counted[0], encoder), look_at(style, counted[1], encoder)
    labels, confidence = cluster_pair(pair, settings.regions, settings.seed)
    if confidence == 0:
        whole = one_region((content, style), counted)
        return replace(whole, source="cluster", notes=(AS_A_WHOLE,))
    count = 1 + max(int(side.max()) for side in labels)
    maps = [
        hidden(_full_size(_on_cells(side, seen.seen), count, seen, pixels), mask)
        for side, seen, pixels, mask in zip(labels, pair, (content, style), counted, strict=True)
    ]
    names = ("the content photograph", "the style photograph")
    found = Regions(maps[0], maps[1], display_colors(count), "cluster", confidence=(confidence,) * count)
    return match_regions(found, names, "ask for fewer regions, or give maps")


def _on_cells(labels: Labels, seen: Mask) -> Labels:
    """Labels of all cells, shape (h, w), from those of the cells that were clustered."""
    cells = np.full(seen.shape, NOWHERE, np.int16)
    cells[seen] = labels
    return given_to_nearest(cells, seen)


def _full_size(labels: Labels, count: int, evidence: Evidence, pixels: Floats) -> Labels:
    """Enlarge labels through the photograph, so that borders follow its edges."""
    if count == 1:
        return np.zeros(pixels.shape[1:], dtype=np.int16)
    small = evidence.image
    hot = functional.one_hot(torch.from_numpy(labels.astype(np.int64)), count).permute(2, 0, 1).float()
    coarse = resize(hot.to(small.device), (small.shape[1], small.shape[2]))
    guide = bring(torch.from_numpy(pixels), small.device)
    full = upsample_through_guide(coarse, small, guide, BORDER_RADIUS * CELL, BORDER_EPSILON)
    found: Labels = fetch(full.argmax(dim=0).to(torch.int16)).numpy()
    return found
