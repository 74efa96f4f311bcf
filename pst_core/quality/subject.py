"""A result beside what it is measured against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.errors import PstError
from pst_core.network.encoder import Encoder
from pst_core.quality.models import QualityModels
from pst_core.regions.labels import Regions

Floats = NDArray[np.float32]
ASPECT_TOLERANCE = 0.02  # relative: a result that another program rounded differently is still the same view


@dataclass(frozen=True, eq=False)
class Subject:
    """A result with what it is measured against, and with.

    Attributes
    ----------
    image, content : ndarray, shape (3, H, W)
        The result and its content, on [0, 1], of one size.
    style : ndarray, shape (3, H', W')
    regions : Regions
    models : QualityModels
        Of BRISQUE and NIQE.
    encoder : Encoder, optional
        For measures that look through the network; `layers` are among those that it hands out.
    layers : tuple of str
    weights : str
        What to call the encoder's weights.
    answer : ndarray, shape (3, H, W), optional
        The right answer, where it is known; of the result's size.
    """

    image: Floats
    content: Floats
    style: Floats
    regions: Regions
    models: QualityModels
    encoder: Encoder | None = None
    layers: tuple[str, ...] = ()
    weights: str = ""
    answer: Floats | None = None

    @property
    def known_answer(self) -> Floats:
        """The right answer.

        Raises
        ------
        PstError
            There is none.
        """
        if self.answer is None:
            raise PstError("There is no right answer to compare with.")
        return self.answer


def fit_to(image: Floats, shape: tuple[int, ...]) -> Floats:
    """Bring a result made elsewhere to its content's size, on 8 bits as picture files hold it.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        On [0, 1].
    shape
        Of the content: 3, height, width.

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
