"""The look of a finished pair: what its colours became, as a whole and region by region."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pst_core.errors import PstError
from pst_core.filters.resizing import resize
from pst_core.looks.fitting import fit_lattice
from pst_core.looks.lattice import Lattice
from pst_core.machine import reproducible
from pst_core.network.identity import Network
from pst_core.pipeline.applying import Placement, enlarged, strips_of
from pst_core.pipeline.working import make_working_pair
from pst_core.regions.labels import Regions
from pst_core.settings.config import Config, FoundRegionSettings, OnDevice, WorkingSettings

Floats = NDArray[np.float32]

SIDE = 700  # pixels at which it is fitted: a change of colours has no detail
# What is not remembered of how regions were found: places of files, and where it was computed.
_PLACES = {*OnDevice.model_fields, "weights", "segmentation_model", "segmentation_merges", "onnx_classes"}


class Finding(BaseModel):
    """How a pair's regions were found, so that those of other photographs are found in the same way.

    Attributes
    ----------
    settings : dict
        Those that decide it, by name.
    finder : str
        What found them, as `told_of` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    finder: str

    @classmethod
    def of(cls, settings: FoundRegionSettings, network: Network) -> Self:
        """What a look remembers of how its pair's regions were found."""
        assert network.finder is not None
        sections = settings.section(FoundRegionSettings), network.settings
        told = {name: value for each in sections for name, value in each.model_dump(mode="json").items()}
        chosen = {name: value for name, value in told.items() if name not in _PLACES}
        return cls(settings=chosen | {"segmentation": network.finder.way}, finder=told_of(network))


def told_of(network: Network) -> str:
    """What finds regions, with what tells it from others: ``cluster (0123456789ab)``."""
    assert network.finder is not None
    if network.finder.way == "cluster":  # by the features of VGG-19
        return f"cluster ({network.identity[:12]})"
    return network.finder.told


@dataclass(frozen=True, eq=False)
class Look:
    """What a pair's colours became.

    Attributes
    ----------
    whole : Lattice
    regions : tuple of Lattice
        Of each region of the pair; none of a look that is known as a whole alone.
    names : tuple of str
        What each region is called.
    masks : ndarray of float32, shape (R, h, w)
        Where in the content each look belongs, at the size at which they were fitted; they sum to 1.
    content : ndarray of float32, shape (3, h, w)
        The pair's content at that size: its edges are the masks' borders.
    finding : Finding or None
        How the regions were found; None where maps said them.
    """

    whole: Lattice
    regions: tuple[Lattice, ...]
    names: tuple[str, ...]
    masks: Floats
    content: Floats
    finding: "Finding | None" = None

    @classmethod
    def of_whole(cls, lattice: Lattice) -> Self:
        """A look of which no regions are known."""
        return cls(lattice, (), (), np.zeros((0, 1, 1), np.float32), np.zeros((3, 1, 1), np.float32))

    @property
    def placement(self) -> Placement:
        """Where in the content each look belongs, and the whole one nowhere."""
        own = torch.eye(len(self.regions), len(self.regions) + 1)
        return Placement(torch.from_numpy(self.masks), own, torch.from_numpy(self.content))

    def masks_at(self, image: Floats) -> Floats:
        """The masks at the content's full size, by its edges; shape (R, H, W).

        Parameters
        ----------
        image : ndarray of float32, shape (3, H, W)
            The content of the pair, on [0, 1].
        """
        return enlarged(self.placement, image)[:-1]

    def apply_by_region(self, image: Floats) -> Floats:
        """Change the content's colours by each region's own look.

        Parameters
        ----------
        image : ndarray of float32, shape (3, H, W)
            The content of the pair at any size, on [0, 1].
        """
        changed = np.empty_like(image)
        for rows, strip in strips_of((*self.regions, self.whole), image, self.placement):
            changed[:, rows] = strip
        return changed


def finding_of_pair(config: Config, *, has_maps: bool) -> Finding | None:
    """How a pair's regions are found; None where maps say them."""
    return None if has_maps else Finding.of(config, Network.of(config, has_maps=False))


def fit_look(
    content: Floats,
    style: Floats,
    regions: Regions,
    result: Floats,
    settings: WorkingSettings,
    finding: Finding | None = None,
) -> Look:
    """Fit a look to a pair's content and its result.

    Parameters
    ----------
    content, style : ndarray of float32, shape (3, H, W)
        Both photographs on [0, 1], filled where they are invisible.
    result : ndarray of float32, shape (3, H, W)
        Of the content's size, on [0, 1].
    finding
        How the regions were found; None where maps said them.

    Raises
    ------
    PstError
        The result has another size than the content.
    """
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
            whole=fit_lattice(before, after, counted, masks.argmax(axis=0)),
            regions=tuple(fit_lattice(before, after, mask * counted) for mask in masks),
            names=regions.called,
            masks=masks,
            content=before,
            finding=finding,
        )
