"""Where the regions of a look lie in another photograph: by a map of its own, or found as the pair's were."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pst_core.errors import MapError
from pst_core.filters.resizing import fit_size, resize
from pst_core.images.fitting import fit_map
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.machine import reproducible
from pst_core.network.encoder import Encoder, open_encoder
from pst_core.network.finder import Finder
from pst_core.network.identity import Network
from pst_core.pipeline.applying import Shares
from pst_core.pipeline.look import Look
from pst_core.pipeline.working import area_masks
from pst_core.regions.found import find_regions
from pst_core.regions.labels import PRESENT_SHARE, Labels
from pst_core.regions.marked import labels_by_name
from pst_core.settings.config import FoundRegionSettings

CPU = torch.device("cpu")
SIDE = 350  # pixels at which it is known where regions lie: their borders are found at full size

Placed = tuple[Shares | None, tuple[str, ...]]
"""Shares of the regions' looks and of the whole one, or None for that alone everywhere; notes."""


def place(
    look: Look,
    photograph: Photograph,
    semantic: SemanticMap | None,
    settings: FoundRegionSettings | None,
    network: Network | None,
) -> Placed:
    """Where a look's regions lie in a photograph: by its map, else found, if settings and network say how.

    Raises
    ------
    PstError
        The map does not fit, or what finds regions cannot be used.
    """
    if len(look.regions) < 2:
        return None, ()
    if semantic is not None:
        return place_by_map(look, photograph, semantic)
    if settings is None or network is None or network.finder is None or network.finder.way == "one":
        return None, ()
    encoder = None
    if network.finder.way == "cluster":
        encoder = open_encoder(network.settings, settings.layers)[1]
    return place_as_found(look, photograph, network.finder, encoder, settings)


def place_by_map(look: Look, photograph: Photograph, semantic: SemanticMap) -> Placed:
    """Find a look's regions in a photograph by its own map, whose codes mean what the pair's did.

    Raises
    ------
    MapError
        The map has another shape than its photograph.
    """
    fitted, notes = fit_map(semantic, photograph)
    labels = labels_by_name(fitted, look.names)
    if not (labels >= 0).any():
        raise MapError(
            f"{semantic.path} marks none of the look's regions ({', '.join(look.names)}): "
            "use the same colours, or leave the map out."
        )
    with reproducible():
        return _shares(photograph, lambda size: area_masks(labels, len(look.regions), size, CPU)), notes


def place_as_found(
    look: Look, photograph: Photograph, finder: Finder, encoder: Encoder | None, settings: FoundRegionSettings
) -> Placed:
    """Find a look's regions in a photograph in the way in which the pair's were found.

    Regions that it has in common with the look's own photograph take the looks that these have there, as far
    as they are trusted; all else takes the whole look.
    """
    counted = photograph.counted, None
    try:
        with reproducible():
            common = find_regions(photograph.filled, look.content, finder, encoder, settings, counted)
    except MapError:
        return None, ("It has no region in common with the look's own photograph: it takes the whole look.",)
    takes = torch.from_numpy(_takes(look, common.style, common.count) * common.trust[:, None]).float()
    labels = common.content

    def masks(size: tuple[int, int]) -> Tensor:
        return torch.einsum("kr,khw->rhw", takes, area_masks(labels, common.count, size, CPU))

    with reproducible():
        return _shares(photograph, masks), ()


def _takes(look: Look, labels: Labels, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Share of each region's look in each common region of the look's own photograph, shape (count, R)."""
    held = [labels == region for region in range(count)]
    return np.array([
        look.masks[:, inside].mean(axis=1) if inside.mean() >= PRESENT_SHARE else np.zeros(len(look.masks))
        for inside in held
    ])  # fmt: skip


def _shares(photograph: Photograph, masks_of: Callable[[tuple[int, int]], Tensor]) -> Shares:
    """Shares at a small size, the whole look's what the regions leave."""
    image = torch.from_numpy(photograph.filled)
    small = resize(image, fit_size(image.shape[1], image.shape[2], SIDE)).clamp(0, 1)
    masks = masks_of((small.shape[1], small.shape[2]))
    rest = (1 - masks.sum(dim=0, keepdim=True)).clamp(0, 1)
    return Shares(torch.cat([masks, rest]), small)
