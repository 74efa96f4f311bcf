"""The look of a series' anchor for its other photographs, each at its own exposure."""

import numpy as np
import torch

from pst_core.filters.resizing import fit_size, resize
from pst_core.images.reading import Photograph
from pst_core.looks.exposure import at_exposure, stops_against
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.look import SIDE, Look

SHOWN_FROM = 0.05  # stops: what is less nobody sees


def lattices_for(
    look: Look, photograph: Photograph, share: float
) -> tuple[tuple[Lattice, ...], tuple[str, ...]]:
    """The looks of an anchor's regions, then the whole one, for a photograph that is exposed in its own way.

    Parameters
    ----------
    share
        Of what its exposure differs by that it gets back; see `pst_core.looks.exposure`.

    Returns
    -------
    lattices : tuple of Lattice
    notes : tuple of str
        How it is exposed, where that differs from the anchor.
    """
    lattices = *look.regions, look.whole
    size = fit_size(photograph.height, photograph.width, SIDE)
    small = resize(torch.from_numpy(photograph.filled), size).clamp(0, 1).numpy()
    stops = stops_against(np.ascontiguousarray(small), look.content)
    if abs(stops) < SHOWN_FROM:
        return lattices, ()
    told = f"It has {abs(stops):.1f} stops {'more' if stops > 0 else 'less'} light than the anchor."
    return tuple(at_exposure(each, stops, share) for each in lattices), (told,)
