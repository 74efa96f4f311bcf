"""The figure of the votes."""

import io

import numpy as np
import pytest
from PIL import Image

from pst_core.study.charts import draw_figure
from pst_core.study.tally import tally_study


def test_the_figure_has_bars_as_high_as_the_votes(study, answer):
    tally = tally_study([answer(n, "ours", "luan" if n else "ours") for n in range(10)], study.key)
    pixels = np.asarray(Image.open(io.BytesIO(draw_figure(tally, dots_per_inch=60))).convert("RGB")).astype(
        int
    )
    middle = len(pixels) // 2

    def heights(rows, color):
        """Of the columns in this colour, in pixels, where there is more of it than in the legend."""
        wanted = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)])
        found = (np.abs(pixels[rows] - wanted).max(axis=-1) < 8).sum(axis=0)
        return found[found > 14]

    upper, lower = slice(0, middle), slice(middle, None)
    blue, orange = heights(upper, "#0072B2"), heights(upper, "#E69F00")
    assert orange.max() == pytest.approx(0.9 * blue.max(), rel=0.05)  # 9 votes in harbour; 10 in meadow
    assert heights(lower, "#0072B2").max() > heights(lower, "#E69F00").max()  # 55 % and 45 %
    assert draw_figure(tally) == draw_figure(tally)


def test_settings_of_matplotlibs_that_somebody_keeps_change_nothing(study, answer):
    import matplotlib as mpl

    tally = tally_study([answer(n, "ours", "luan") for n in range(3)], study.key)
    expected = draw_figure(tally)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "axes.grid": True}):
        assert draw_figure(tally) == expected
        assert mpl.rcParams["font.size"] == 30
