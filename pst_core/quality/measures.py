"""Every measure of the paper's Table 1, and the style distances that must stand beside SSIM."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.errors import PstError
from pst_core.network.encoder import Encoder
from pst_core.quality.brisque import brisque
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.grams import gram_distance
from pst_core.quality.models import QualityModels
from pst_core.quality.niqe import niqe
from pst_core.regions.labels import Regions

__all__ = ["Subject", "fit_to", "measure_result"]

Floats = NDArray[np.float32]

ASPECT_TOLERANCE = 0.02  # relative: a result that another program rounded differently is still the same view


@dataclass(frozen=True)
class Subject:
    """A result with what it is measured against.

    Attributes
    ----------
    image, content : ndarray, shape (3, H, W)
        The result and its content, on [0, 1], of one size.
    style : ndarray, shape (3, H', W')
    regions : Regions
    """

    image: Floats
    content: Floats
    style: Floats
    regions: Regions


def fit_to(image: Floats, shape: tuple[int, ...]) -> Floats:
    """Bring a result made elsewhere to its content's size, on 8 bits as picture files hold it.

    Raises
    ------
    PstError
        If it shows another view: its sides are in another proportion.
    """
    if image.shape == shape:
        return image
    height, width = shape[1:]
    if abs(image.shape[2] * height / (image.shape[1] * width) - 1) > ASPECT_TOLERANCE:
        raise PstError(
            f"A result of {image.shape[2]}x{image.shape[1]} pixels does not fit a content of "
            f"{width}x{height}: results must have their content's proportions."
        )
    levels = np.moveaxis(np.rint(image.clip(0, 1) * 255).astype(np.uint8), 0, -1)
    resized = Image.fromarray(np.ascontiguousarray(levels)).resize((width, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.moveaxis(np.asarray(resized, np.float32), -1, 0)) / np.float32(255)


def measure_result(
    subject: Subject, models: QualityModels, encoder: Encoder, layers: tuple[str, ...]
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Measure a result; a measure that cannot be taken has a reason in place of a number.

    Parameters
    ----------
    layers
        Style layers of the Gram distance, among those that the encoder hands out.

    Returns
    -------
    values : dict
        ``brisque``, ``niqe``, ``ssim``, ``color_distance``, ``gram_distance``; None where there is none.
    reasons : dict
        Measure -> why it has no value.
    """
    image, content, style, regions = subject.image, subject.content, subject.style, subject.regions
    measures: Mapping[str, Callable[[], float]] = {
        "brisque": lambda: brisque(image, models.brisque),
        "niqe": lambda: niqe(image, models.niqe),
        "ssim": lambda: structural_similarity(image, content),
        "color_distance": lambda: color_distance(
            image, style, regions.content, regions.style, matched=regions.matched
        ),
        "gram_distance": lambda: gram_distance(image, style, regions, encoder, layers),
    }
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, measure in measures.items():
        try:
            values[name] = measure()
        except PstError as error:
            values[name], reasons[name] = None, str(error)
    return values, reasons
