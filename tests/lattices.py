"""Looks that tests are made with, and colour-science, which knows nothing of this program."""

import numpy as np

with np.printoptions():  # it sets them for the whole process
    import colour

from pst_core.looks.lattice import Lattice

__all__ = ["bent", "colour"]


def bent():
    """A lattice of no symmetry, so that swapped axes show."""
    red, green, blue = np.moveaxis(Lattice.identity().values, -1, 0)
    return Lattice(np.stack([red**0.8, 0.7 * green + 0.2 * red * blue, blue**1.3], -1).astype(np.float32))
