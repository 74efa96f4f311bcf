"""Looks that tests are made with."""

import numpy as np

from pst_core.looks.lattice import Lattice


def bent():
    """A lattice of no symmetry, so that swapped axes show."""
    red, green, blue = np.moveaxis(Lattice.identity().values, -1, 0)
    return Lattice(np.stack([red**0.8, 0.7 * green + 0.2 * red * blue, blue**1.3], -1).astype(np.float32))
