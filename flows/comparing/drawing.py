"""What an evaluation leaves to be looked at: Table 1, Figures 3 and 6, or Figure 5."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import layout
from flows.comparing.measuring import WantedResult
from flows.display.pages import show_evaluation
from flows.orders.evaluation_order import EvaluationOrder
from flows.pairs.pair import Pair
from pst_core.errors import ImageError
from pst_core.evaluation.crops import choose_crops, parse_crop
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

__all__ = ["draw_evaluation"]

PAIRS_AT_ONCE = 8


def draw_evaluation(
    order: EvaluationOrder,
    wanted: Sequence[WantedResult],
    measured: Sequence[Measured],
    facts: Mapping[str, str],
) -> None:
    """Write the table in every form, and the figure that was asked for; both are shown in the UI."""
    table = tabulate(measured, order.columns)
    markdown, shown = to_markdown(table, facts), draw_table(table, facts)
    files = {
        layout.SCORES: rows_to_parquet(measured),
        layout.TABLE_DATA: to_parquet(table),
        layout.TABLE_TEXT: markdown.encode(),
        layout.DRAWINGS["table"]: shown,
    }
    for name, data in files.items():
        write_bytes_atomically(order.out / name, data, overwrite=True)
    if order.drawing != "table":
        for number, page in enumerate(_pages(order, wanted), start=1):
            name = layout.DRAWINGS[order.drawing] if number == 1 else f"{order.drawing}-{number}.png"
            write_bytes_atomically(order.out / name, page, overwrite=True)
            shown = page if number == 1 else shown
    show_evaluation(order.out, markdown, shown)


def _pages(order: EvaluationOrder, wanted: Sequence[WantedResult]) -> Iterator[bytes]:
    """The figure, on as many pages as it takes; only so many pairs' pictures are in memory at a time."""
    from pst_core.evaluation.figures import draw_ablation, draw_comparison, paginate

    ablation = order.drawing == "ablation"
    pairs = [each.pair for each in wanted if each.method == CONTENT_METHOD and each.picture]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        rows = [_row(pair, order, wanted) for pair in pairs[start : start + PAIRS_AT_ONCE]]
        for page in paginate(rows, inset=ablation):
            yield draw_ablation(page) if ablation else draw_comparison(page)


def _row(pair: Pair, order: EvaluationOrder, wanted: Sequence[WantedResult]) -> "ComparisonRow":
    from pst_core.evaluation.figures import CONTENT, STYLE, ComparisonRow
    from pst_core.quality.measures import fit_to

    content = _read(pair.content)
    pictures: dict[str, Any] = {CONTENT: content, STYLE: _read(pair.style)}
    found = {each.method: each.picture for each in wanted if each.pair is pair}
    for name in order.columns[1:]:
        picture = _read(found.get(name))
        fits = picture is not None and content is not None
        pictures[method_label(name)] = fit_to(picture, content.shape) if fits else None
    results = [picture for title, picture in pictures.items() if title != STYLE and picture is not None]
    return ComparisonRow(pair.name, pictures, _crops(order, results))


def _crops(order: EvaluationOrder, results: Sequence[Any]) -> "tuple[Crop, ...]":
    """Details to magnify: as ordered, or where methods differ."""
    if order.drawing != "comparison":
        return ()
    if order.crops or not results:
        return tuple(map(parse_crop, order.crops))
    return choose_crops(results[1:] or results)  # between methods: the content differs from all of them


def _read(path: Path | None) -> Any:  # noqa: ANN401 - an array; numpy is the engine's
    from pst_core.images.reading import read_photograph

    try:
        return None if path is None else read_photograph(path).pixels
    except ImageError:
        return None  # a grey cell stands for it; the table says why
