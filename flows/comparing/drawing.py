"""What an evaluation leaves to be looked at: Table 1, Figures 3 and 6, or Figure 5."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from pst_core.evaluation.figures import ComparisonRow

__all__ = ["CONTENT", "FILES", "Subject", "draw_evaluation"]

CONTENT = CONTENT_METHOD
PAIRS_AT_ONCE = 8
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
        from pst_core.evaluation.table import METRICS

        keys = [metric.key for metric in METRICS]
        return Measured(
            pair=self.pair.name, method=self.method, values=dict.fromkeys(keys),
            reasons=dict.fromkeys(keys, reason),
        )  # fmt: skip


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
    """The figure, on as many pages as it takes; only so many pairs' pictures are in memory at a time."""
    from pst_core.evaluation.figures import draw_ablation, draw_comparison, paginate

    ablation = drawing == "ablation"
    pairs = [subject.pair for subject in subjects if subject.method == CONTENT and subject.picture]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        rows = [
            _row(pair, subjects, columns, crops, magnified=not ablation)
            for pair in pairs[start : start + PAIRS_AT_ONCE]
        ]
        for page in paginate(rows, inset=ablation):
            yield draw_ablation(page) if ablation else draw_comparison(page)


def _row(
    pair: Pair,
    subjects: Sequence[Subject],
    columns: Sequence[str],
    crops: "Sequence[Crop]",
    *,
    magnified: bool,
) -> "ComparisonRow":
    from pst_core.evaluation.figures import CONTENT as CONTENT_TITLE
    from pst_core.evaluation.figures import STYLE, ComparisonRow
    from pst_core.quality.measures import fit_to

    content = _read(pair.content)
    pictures: dict[str, Any] = {CONTENT_TITLE: content, STYLE: _read(pair.style)}
    found = {subject.method: subject.picture for subject in subjects if subject.pair is pair}
    for name in columns[1:]:
        picture = _read(found.get(name))
        fits = picture is not None and content is not None
        pictures[method_label(name)] = fit_to(picture, content.shape) if fits else None
    results = [picture for title, picture in pictures.items() if title != STYLE and picture is not None]
    return ComparisonRow(pair.name, pictures, _crops(crops, results) if magnified else ())


def _crops(given: "Sequence[Crop]", results: Sequence[Any]) -> "tuple[Crop, ...]":
    from pst_core.evaluation.crops import choose_crops

    if given or not results:
        return tuple(given)
    return choose_crops(results[1:] or results)  # between methods: the content differs from all of them


def _read(path: Path | None) -> Any:  # noqa: ANN401 - an array; numpy is the engine's
    from pst_core.errors import ImageError
    from pst_core.images.reading import read_photograph

    try:
        return None if path is None else read_photograph(path).pixels
    except ImageError:
        return None  # a grey cell stands for it; the table says why
