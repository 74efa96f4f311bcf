"""Regions of photographs that come without maps, by whichever way was chosen: see `Finder`."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pst_core.machine import pick_device
from pst_core.network.encoder import Encoder
from pst_core.network.finder import Finder
from pst_core.regions.labels import Mask, Regions, one_region
from pst_core.regions.photographs import cluster_photographs
from pst_core.settings.config import FoundRegionSettings

if TYPE_CHECKING:
    from pst_core.regions.classes import Segmenter

Floats = NDArray[np.float32]


def find_regions(
    content: Floats,
    style: Floats,
    finder: Finder,
    encoder: Encoder | None,
    settings: FoundRegionSettings,
    counted: tuple[Mask | None, Mask | None] = (None, None),
) -> Regions:
    """Find regions that both photographs have.

    Parameters
    ----------
    content, style : ndarray of float32, shape (3, H, W)
        On [0, 1].
    encoder
        Needed for the photographs' own evidence (``cluster``) alone.
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each photograph count; None counts all.

    Raises
    ------
    ConfigError, WeightsError
        If a model cannot be used.
    """
    if finder.way == "one":
        return one_region((content, style), counted)
    if finder.way == "cluster":
        if encoder is None:
            raise ValueError("the photographs' own evidence takes an encoder")
        return cluster_photographs(content, style, encoder, settings, counted)
    from pst_core.regions.classes import regions_of_classes

    segmenter, model = _open(finder, settings)
    return regions_of_classes(
        (content, style), segmenter, merges=finder.merges, most=settings.regions, counted=counted,
        source=finder.way, model=model,
    )  # fmt: skip


def _open(finder: Finder, settings: FoundRegionSettings) -> tuple["Segmenter", str]:
    """The network of a finder, and what to call it."""
    if finder.way == "onnx":
        from pst_core.regions.onnx import open_onnx

        return open_onnx(finder, settings)
    device = pick_device(settings.device)
    if finder.way == "semantic":
        from pst_core.regions.semantic import open_semantic

        return open_semantic(finder, device)
    from pst_core.regions.deeplab import open_deeplab

    return open_deeplab(finder, device)
