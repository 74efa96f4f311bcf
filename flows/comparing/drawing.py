"""What an evaluation leaves to be looked at: Table 1, Figures 3 and 6, or Figure 5."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.display.pages import show_evaluation
from flows.pairs.find import Pair
from pst_core.evaluation.table import (
    CONTENT_METHOD,
    Measured,
    method_label,
    rows_to_parquet,
    tabulate,
    to_parquet,
)
from pst_core.evaluation.table_picture import draw_table
from pst_core.evaluation.table_text import to_markdown
from pst_core.files import write_bytes_atomically

if TYPE_CHECKING:
    from pst_core.evaluation.crops import Crop

__all__ = ["CONTENT", "FILES", "Subject", "draw_evaluation"]

CONTENT = CONTENT_METHOD
FILES = {"table": "table.png", "comparison": "comparison.png", "ablation": "ablation.png"}


@dataclass(frozen=True)
class Subject:
    """A result that there should be.

    Attributes
    ----------
    pair : Pair
    method : str
        A method's name, that of results made elsewhere, or ``content``.
    picture : Path or None
    reason : str
        Why there is no picture.
    """

    pair: Pair
    method: str
    picture: Path | None
    reason: str = ""

    def without_measures(self, reason: str) -> Measured:
        """A row of the table that says why it has no numbers."""
        return Measured.without(self.pair.name, self.method, reason)


def draw_evaluation(
    out: Path,
    drawing: str,
    subjects: Sequence[Subject],
    measured: Sequence[Measured],
    *,
    columns: Sequence[str],
    crops: "Sequence[Crop]",
    facts: Mapping[str, str],
) -> None:
    """Write the table in every form, and the figure that was asked for; both are shown in the UI."""
    table = tabulate(measured, columns)
    markdown = to_markdown(table, facts)
    files = {
        "scores.parquet": rows_to_parquet(measured),
        "table.parquet": to_parquet(table),
        "table.md": markdown.encode(),
        "table.png": draw_table(table, facts),
    }
    for name, data in files.items():
        write_bytes_atomically(out / name, data, overwrite=True)
    shown = files["table.png"]
    if drawing != "table":
        for number, page in enumerate(_pages(drawing, subjects, columns, crops), start=1):
            name = FILES[drawing] if number == 1 else f"{drawing}-{number}.png"
            write_bytes_atomically(out / name, page, overwrite=True)
            shown = page if number == 1 else shown
    show_evaluation(out, markdown, shown)


def _pages(
    drawing: str, subjects: Sequence[Subject], columns: Sequence[str], crops: "Sequence[Crop]"
) -> Iterator[bytes]:
    """The figure, on as many pages as it takes."""
    from pst_core.evaluation.comparison import draw_pages
    from pst_core.evaluation.layout import CONTENT as CONTENT_TITLE
    from pst_core.evaluation.layout import STYLE

    found = {(subject.pair.name, subject.method): subject.picture for subject in subjects}
    pairs = [subject.pair for subject in subjects if subject.method == CONTENT and subject.picture]
    files = [
        (pair.name, {
            CONTENT_TITLE: pair.content, STYLE: pair.style,
            **{method_label(name): found.get((pair.name, name)) for name in columns[1:]},
        })
        for pair in pairs
    ]  # fmt: skip
    return draw_pages(files, crops, ablation=drawing == "ablation")
