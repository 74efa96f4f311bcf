"""The paper's Figure 4: users by technique for each image pair, and the percentages of all responses."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pst_core.plotting import plain_matplotlib
from pst_core.study.tally import Tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Okabe and Ito (2008): told apart by the colour-blind too.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C")
INK, FAINT = "#282828", "#dcdcdc"
WIDTHS = (8.0, 24.0)  # inches
LONGEST = 22  # characters of a name
MOST_NUMBERS = 60  # above so many bars their numbers would run into one another


def draw_figure(tally: Tally, *, dots_per_inch: int = 150) -> bytes:
    """Draw Yang's Figure 4; PNG.

    On the top, the number of users that selected each technique as the most realistic, by image pair. On the
    bottom, the percentage of all responses that each technique has, with 95 % intervals.

    Parameters
    ----------
    tally
    dots_per_inch
        Of the PNG; the figure is 8 inches wide, more for many pairs.
    """
    with plain_matplotlib():
        return _drawn(tally, dots_per_inch)


def _drawn(tally: Tally, dots_per_inch: int) -> bytes:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    bars = sum(len(tally.methods) + 1 for _ in tally.pairs)
    width = min(max(WIDTHS[0], 0.16 * bars + 1.2), WIDTHS[1])
    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1, hspace=0.06)
    figure = Figure(figsize=(width, 7.2), layout=layout, dpi=dots_per_inch, facecolor="white")
    top, bottom = figure.subplots(2, 1, height_ratios=(1.15, 1))
    _draw_counts(top, tally)
    _draw_shares(bottom, tally)
    figure.align_ylabels()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_counts(axes: "Axes", tally: Tally) -> None:
    from matplotlib.ticker import MaxNLocator

    counts = {(share.method, share.pair): share.count for share in tally.by_pair}
    breadth = 0.82 / len(tally.methods)
    handles = []
    for index, method in enumerate(tally.methods):
        offset = (index - (len(tally.methods) - 1) / 2) * breadth
        places = [place + offset for place in range(len(tally.pairs))]
        heights = [counts.get((method, pair), 0) for pair in tally.pairs]
        handles.append(axes.bar(places, heights, 0.9 * breadth, color=_color(index)))
        if len(tally.pairs) * len(tally.methods) <= MOST_NUMBERS:
            axes.bar_label(handles[-1], padding=2, size=8, color=INK)
    axes.set_ylabel("users")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(-0.6, len(tally.pairs) - 0.4)
    axes.set_ylim(0, 1.12 * max(counts.values()))
    _label(axes, tally.pairs)
    legend = axes.legend(
        handles, [_short(method) for method in tally.methods], ncols=min(len(handles), 5), frameon=False,
        loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0, handlelength=1, handleheight=1,
        borderpad=0, alignment="left", title_fontsize=11,
        title="Users who found each technique the most realistic, by image pair",
    )  # fmt: skip
    _plainly(legend.get_texts())
    _tidy(axes)


def _draw_shares(axes: "Axes", tally: Tally) -> None:
    for index, share in enumerate(tally.overall):
        percent = 100 * share.share
        reach = [[percent - 100 * share.low], [100 * share.high - percent]]
        axes.bar(index, percent, 0.6, color=_color(index))
        axes.errorbar(index, percent, reach, color=INK, capsize=5, linewidth=1.3)
        axes.annotate(
            f"{percent:.1f} %", (index, 100 * share.high), (0, 5), textcoords="offset points",
            ha="center", color=INK, size=10,
        )  # fmt: skip
    axes.set_title(f"Share of all responses ({tally.sentence}), with 95 % intervals", loc="left", size=11)
    axes.set_ylabel("percent of responses")
    axes.set_xlim(-0.6, len(tally.methods) - 0.4)
    highest = 100 * max(share.high for share in tally.overall)
    axes.set_yticks(range(0, 101, 10 if highest < 65 else 20))
    axes.set_ylim(0, 1.12 * highest + 2)
    _label(axes, tally.methods)
    _tidy(axes)


def _color(index: int) -> str:
    return COLORS[index % len(COLORS)]


def _label(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    labels = axes.get_xticklabels()
    _plainly(labels)
    if sum(map(len, map(_short, names))) > 90:
        for label in labels:
            label.set(rotation=35, ha="right", rotation_mode="anchor")


def _plainly(texts: Sequence["Text"]) -> None:
    """Show names as they are: a dollar begins no formula."""
    for text in texts:
        text.set(parse_math=False, color=INK)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"


def _tidy(axes: "Axes") -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
