"""The look of a finished pair: what its colours became, as a whole and region by region."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.filters.resizing import resize
from pst_core.images.inputs import Inputs
from pst_core.looks.fitting import fit_lattice
from pst_core.looks.lattice import Lattice
from pst_core.machine import reproducible
from pst_core.pipeline.working import make_working_pair
from pst_core.regions.labels import Regions
from pst_core.settings.config import PrecomputationSettings

Floats = NDArray[np.float32]

SIDE = 700  # pixels at which it is fitted: a change of colours has no detail


@dataclass(frozen=True, eq=False)
class Look:
    """What a pair's colours became.

    Attributes
    ----------
    whole : Lattice
    regions : tuple of Lattice
        Of each region of the pair.
    names : tuple of str
        What each region is called.
    masks : ndarray of float32, shape (R, h, w)
        Where in the content each look belongs, at the size at which they were fitted; they sum to 1.
    """

    whole: Lattice
    regions: tuple[Lattice, ...]
    names: tuple[str, ...]
    masks: Floats

    def masks_at(self, height: int, width: int) -> Floats:
        """The masks at another size, such as the content's own; shape (R, height, width)."""
        masks: Floats = resize(torch.from_numpy(self.masks), (height, width)).numpy()
        return masks

    def apply_by_region(self, image: Floats) -> Floats:
        """Change the content's colours by each region's own look.

        Parameters
        ----------
        image : ndarray of float32, shape (3, H, W)
            The content of the pair at any size, on [0, 1].
        """
        changed = np.zeros_like(image)
        for lattice, mask in zip(self.regions, self.masks_at(*image.shape[1:]), strict=True):
            changed += mask * lattice.apply(image)
        return changed


def fit_look(inputs: Inputs, regions: Regions, result: Floats, settings: PrecomputationSettings) -> Look:
    """Fit a look to a pair's content and its result.

    Parameters
    ----------
    result : ndarray of float32, shape (3, H, W)
        Of the content's size, on [0, 1].

    Raises
    ------
    PstError
        The result has another size than the content.
    """
    content, style = inputs.content.filled, inputs.style.filled
    if result.shape != content.shape:
        raise PstError(
            f"The result has {result.shape[2]}x{result.shape[1]} pixels and its content "
            f"{content.shape[2]}x{content.shape[1]}: a look is fitted to pictures of one size."
        )
    with reproducible():
        pair = make_working_pair(
            content, style, regions, size=SIDE, device=torch.device("cpu"), softness=settings.mask_softness
        )
        before = pair.content.numpy()
        after = resize(torch.from_numpy(result), before.shape[1:]).clamp(0, 1).numpy()
        masks, counted = pair.soft_masks.numpy(), pair.content_counted[0].numpy()
        return Look(
            whole=fit_lattice(before, after, counted),
            regions=tuple(fit_lattice(before, after, mask * counted) for mask in masks),
            names=regions.called,
            masks=masks,
        )
