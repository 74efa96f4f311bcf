"""Where the regions of a look lie in another photograph: by a map of its own, or found as the pair's were."""

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
from pst_core.pipeline.applying import Placement
from pst_core.pipeline.look import Look
from pst_core.pipeline.working import area_masks
from pst_core.regions.found import find_regions
from pst_core.regions.labels import PRESENT_SHARE, Labels, Regions
from pst_core.regions.marked import labels_by_name
from pst_core.settings.config import FoundRegionSettings

SIDE = 350  # pixels at which it is known where regions lie: their borders are found at full size

NOTHING_IN_COMMON = (
    "No regions are found that it has in common with the look's own photograph: it takes the whole look."
)

Placed = tuple[Placement | None, tuple[str, ...]]
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
        return _placed(photograph, labels, torch.eye(len(look.regions))), notes


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
        return None, (NOTHING_IN_COMMON,)
    if common.count < 2:
        return None, (NOTHING_IN_COMMON,)
    with reproducible():
        return _placed(photograph, common.content, _takes(look, common)), ()


def _takes(look: Look, common: Regions) -> Tensor:
    """How much of each region's look the common regions take: as far as they lie there, and are trusted."""
    held = [common.style == region for region in range(common.count)]
    lie = [
        look.masks[:, inside].mean(axis=1) if inside.mean() >= PRESENT_SHARE else np.zeros(len(look.masks))
        for inside in held
    ]
    return torch.from_numpy(np.array(lie) * common.trust[:, None]).float()


def _placed(photograph: Photograph, labels: Labels, takes: Tensor) -> Placement:
    """Shares by the regions that lie in a photograph; what these do not take, the whole look does.

    Parameters
    ----------
    labels : ndarray of int16, shape (H, W)
        Of any size; `NOWHERE` in no region.
    takes : Tensor, shape (K, R)
        How much each region takes of each region's look.
    """
    image = torch.from_numpy(photograph.filled)
    small = resize(image, fit_size(image.shape[1], image.shape[2], SIDE)).clamp(0, 1)
    masks = area_masks(labels, len(takes), (small.shape[1], small.shape[2]), torch.device("cpu"))
    nowhere = (1 - masks.sum(dim=0, keepdim=True)).clamp(0, 1)
    takes = torch.cat([takes, torch.zeros(1, takes.shape[1])])
    whole = 1 - takes.sum(dim=1, keepdim=True)
    return Placement(torch.cat([masks, nowhere]), torch.cat([takes, whole], dim=1), small)
