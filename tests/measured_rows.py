"""What was measured of results, for tests of tables."""

import numpy as np

from pst_core.evaluation.table import Measured, method_label
from pst_core.quality.measures import TABULATED

KEYS = [measure.key for measure in TABULATED]
BRISQUE, SSIM = TABULATED[0], TABULATED[2]
METHODS = ("content", "luan", "yang")
FACTS = {"Models": "LIVE's", "Network": "untrained"}


def measured(pair, method, values=None, reasons=None, base=1.0):
    numbers = {key: base + place for place, key in enumerate(KEYS)}
    return Measured(pair=pair, method=method, values=numbers | (values or {}), reasons=reasons or {})


def complete(count=5, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Measured(pair=f"p{n}", method=method, values={key: float(rng.uniform(1, 30)) for key in KEYS})
        for method in METHODS
        for n in range(count)
    ]


def cells_of(markdown, method):
    """The cells of a method's row in the first table."""
    lines = [line for line in markdown.splitlines() if line.startswith(f"| {method_label(method)} |")]
    return [cell.strip() for cell in lines[0].strip("|").split("|")]
