"""Pairs with a known right answer, made of one photograph each.

The content is the left part of a photograph, the style its right part after a random grade, the right answer
the left part after the same grade: what a transfer should find out by itself.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Levels: TypeAlias = "NDArray[np.uint8]"
Protocol = Literal["pairs", "self-reference"]
"""How an evaluation comes to its pairs: as they are, or made of single photographs."""

PART = 0.65  # of the photograph's width, on either side: the parts overlap, as two views of a place do
FIRST_SEED = 100
"""Of the first photograph's grade, unless another is given; each further one has the next."""
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class SelfReference(NamedTuple):
    """A pair made of one photograph, each ndarray of uint8, shape (H, W, 3), and the right answer."""

    content: Levels
    style: Levels
    answer: Levels


def self_reference(photograph: Levels, seed: int) -> SelfReference:
    """A photograph's pair with its right answer.

    Parameters
    ----------
    photograph : ndarray of uint8, shape (H, W, 3)
    seed
        Of its grade.
    """
    width = round(photograph.shape[1] * PART)
    graded = grade(photograph, seed)
    return SelfReference(photograph[:, :width], graded[:, -width:], graded[:, :width])


def grade(photograph: Levels, seed: int) -> Levels:
    """Change a photograph's look at random, evenly: exposure, white balance, contrast, saturation, fade.

    Parameters
    ----------
    photograph : ndarray of uint8, shape (H, W, 3)
        sRGB.
    """
    import numpy as np

    # NumPy promises that this generator's numbers never change, so neither do the grades.
    random = np.random.RandomState(seed)
    x = (photograph.astype(np.float64) / 255) ** random.uniform(0.6, 1.7, 3)
    x = np.clip(x + random.uniform(-0.6, 0.8) * x * (1 - x) * (2 * x - 1), 0, 1)
    gray = (x @ LUMA)[..., None]
    x = np.clip(gray + random.uniform(0.35, 1.5) * (x - gray), 0, 1)
    low, high = random.uniform(0, 0.12), random.uniform(0.86, 1.0)
    return np.round((low + (high - low) * x) * 255).astype(np.uint8)
