"""The table as Markdown, and what must be read beside it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pst_core.evaluation.table import PUBLISHED, Statistics, Table, method_label
from pst_core.markdown import escape_markdown
from pst_core.quality.measures import NONE, Measure


class Column(NamedTuple):
    """One column: a measure's own figures, or what the paper published of it."""

    measure: Measure
    published: bool

    def text(self, table: Table, method: str) -> str:
        """Mean and median over the common pairs, or the published mean."""
        if self.published:
            value = PUBLISHED.get(method, {}).get(self.measure.key)
            return "" if value is None else self.measure.text(value)
        return _pair_text(self.measure, table.cells[method, self.measure.key].common)


def _pair_text(measure: Measure, found: Statistics) -> str:
    if found.mean is None:
        return NONE
    return f"{measure.text(found.mean)} / {measure.text(found.median)}"


def columns_of(table: Table) -> list[Column]:
    """Each measure, and beside it what the paper published if it did so for any of the methods."""
    known = {key for method in table.methods for key in PUBLISHED.get(method, {})}
    return [
        Column(measure, published)
        for measure in table.measures
        for published in ([False, True] if measure.key in known else [False])
    ]


def legend_of(table: Table, facts: Mapping[str, str], *, most: int | None = None) -> list[str]:
    """Everything a reader must know beside the numbers, an entry each; of what is missing, `most` entries."""
    left_out = 0 if most is None else max(0, len(table.absences) - most)
    published = any(column.published for column in columns_of(table))
    return [
        f"Pairs: {len(table.pairs)}. Each cell: mean / median; ↓ lower is better, ↑ higher is better; the "
        "best mean of the methods in bold.",
        *(["Published: the paper's Table 1, means by MATLAB's models over 60 pairs. Other models give other "
           "BRISQUE and NIQE, so compare their order, not their size."] if published else []),
        *(["SSIM to the content is highest for a picture that was not changed: read it beside the distances "
           "to the style."] if any(measure.key == "ssim" for measure in table.measures) else []),
        *table.notes,
        *(f"{name}: {text}" for name, text in facts.items()),
        *(f"{NONE}: {absence}" for absence in table.absences[:most]),
        *([f"{NONE}: {left_out} more gaps that are not listed here"] if left_out else []),
    ]  # fmt: skip


def to_markdown(table: Table, facts: Mapping[str, str]) -> str:
    """Write the table as Markdown, methods in rows, and below it what it rests on.

    Where methods lack different pairs, the table compares over the pairs they share, and a second one
    gives each method's figures over all the pairs it has.

    Parameters
    ----------
    facts
        Name -> text: which models, which network's weights, which size.
    """
    columns = columns_of(table)
    headings = ["published" if column.published else f"{column.measure.label} {column.measure.arrow}"
                for column in columns]  # fmt: skip
    lines = _markdown_table(headings, {
        method: [_marked(column, table, method) for column in columns] for method in table.methods
    })  # fmt: skip
    if any(cell.own != cell.common for cell in table.cells.values()):
        lines += ["", "Each method over all the pairs it has, with their number; not comparable:", ""]
        lines += _markdown_table([measure.label for measure in table.measures], {
            method: [_own_text(each, table.cells[method, each.key].own) for each in table.measures]
            for method in table.methods
        })  # fmt: skip
    return "\n".join([*lines, "", *(f"- {escape_markdown(line)}" for line in legend_of(table, facts))]) + "\n"


def _markdown_table(headings: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    body = [[escape_markdown(method_label(method)), *cells] for method, cells in rows.items()]
    lines = [["Method", *headings], [":--", *("--:" for _ in headings)], *body]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _marked(column: Column, table: Table, method: str) -> str:
    text = column.text(table, method)
    if column.published:
        return f"*{text}*" if text else ""
    if method in table.best(column.measure):
        mean, _, median = text.partition(" / ")
        return f"**{mean}** / {median}"
    return text


def _own_text(measure: Measure, found: Statistics) -> str:
    return f"{_pair_text(measure, found)} ({found.count})" if found.count else NONE
