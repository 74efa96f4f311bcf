"""matplotlib as it comes, whatever a file of settings in the current folder or at home says."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pst_core.errors import PstError


@contextlib.contextmanager
def plain_matplotlib() -> Iterator[Any]:
    """Have matplotlib with its own defaults while the block runs.

    Yields
    ------
    module
        matplotlib.

    Raises
    ------
    PstError
        It cannot read the file of settings that it finds, which it does as it is imported.
    """
    try:
        import matplotlib as mpl
    except UnicodeDecodeError as error:
        raise PstError(
            "A file called matplotlibrc, in the current folder or at home, is no UTF-8 text, which keeps "
            "figures from being drawn: mend or remove it."
        ) from error
    with mpl.rc_context():
        mpl.rcdefaults()
        yield mpl
