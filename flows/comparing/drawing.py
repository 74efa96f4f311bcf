"""What an evaluation leaves to be looked at: Table 1, Figures 3 and 6, or Figure 5."""

from collections.abc import Iterator, Mapping, Sequence

from flows import layout
from flows.comparing.measuring import WantedResult
from flows.comparing.sizing import answer_path
from flows.display.pages import show_evaluation
from flows.orders.evaluation_order import EvaluationOrder
from pst_core.evaluation.crops import parse_crop
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

ANSWER_TITLE = "Right answer"


def draw_evaluation(
    order: EvaluationOrder,
    wanted: Sequence[WantedResult],
    measured: Sequence[Measured],
    facts: Mapping[str, str],
) -> None:
    """Write the table in every form, and the figure that was asked for; both are shown in the UI."""
    table = tabulate(measured, order.columns, order.measures)
    markdown, shown = to_markdown(table, facts), draw_table(table, facts)
    files = {
        layout.SCORES: rows_to_parquet(measured, order.measures),
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
    """The figure, on as many pages as it takes."""
    from pst_core.evaluation.comparison import draw_pages
    from pst_core.evaluation.layout import CONTENT, STYLE

    found = {(each.pair.name, each.method): each.picture for each in wanted}
    pairs = [each.pair for each in wanted if each.method == CONTENT_METHOD and each.picture]
    files = [
        (pair.name, {
            CONTENT: pair.content, STYLE: pair.style,
            **({ANSWER_TITLE: answer_path(pair, order)} if order.protocol == "self-reference" else {}),
            **{method_label(name): found.get((pair.name, name)) for name in order.columns[1:]},
        })
        for pair in pairs
    ]  # fmt: skip
    return draw_pages(files, [*map(parse_crop, order.crops)], ablation=order.drawing == "ablation")
