"""Looks as .cube files (Adobe, Cube LUT Specification 1.0), which Resolve, Photoshop and ffmpeg read."""

import numpy as np

from pst_core.looks.lattice import Lattice
from pst_core.printing import printable

DECIMALS = 6


def cube_of(lattice: Lattice, title: str) -> bytes:
    """Write a lattice as text: red changes fastest.

    Parameters
    ----------
    title
        What programs show; quotes and what cannot be printed are replaced.

    Examples
    --------
    >>> lines = cube_of(Lattice.identity(2), "as it is").decode().splitlines()
    >>> lines[:2], lines[4:6]
    (['TITLE "as it is"', 'LUT_3D_SIZE 2'], ['0.000000 0.000000 0.000000', '1.000000 0.000000 0.000000'])
    """
    named = printable(title).replace('"', "'").encode("ascii", "replace").decode()
    head = f'TITLE "{named}"\nLUT_3D_SIZE {len(lattice.values)}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n'
    rows = np.transpose(lattice.values, (2, 1, 0, 3)).reshape(-1, 3)
    lines = (" ".join(f"{value:.{DECIMALS}f}" for value in row) for row in rows.tolist())
    return (head + "\n".join(lines) + "\n").encode()
