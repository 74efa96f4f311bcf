"""The table as a picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pst_core.evaluation.layout import wrap_text
from pst_core.evaluation.table import Table, method_label
from pst_core.evaluation.table_text import Column, columns_of, legend_of
from pst_core.pictures import INK, PAPER, as_png
from pst_core.plotting import plain_matplotlib

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Draw
    from PIL.ImageFont import FreeTypeFont

TEXT, SMALL = 30, 24  # sizes of letters in pixels
MARGIN, LINE, NOTE_LINE = 48, 50, 34
BETWEEN, WITHIN = 56, 30  # room between two measures, and between ours and the published mean
THICK, THIN = 3, 1  # rules
GREY = (110, 110, 110)
LABEL = 420  # widest name of a method
LISTED_ABSENCES = 10  # in the picture; Markdown lists them all
LEAST_WIDTH = 1000  # so that the lines below a narrow table are no column of single words


class _Fonts(NamedTuple):
    plain: "FreeTypeFont"
    bold: "FreeTypeFont"
    italic: "FreeTypeFont"
    small: "FreeTypeFont"


class _Span(NamedTuple):
    """A column's place in the picture, in pixels."""

    column: Column
    left: int
    right: int


def draw_table(table: Table, facts: Mapping[str, str]) -> bytes:
    """Draw the comparable table as it would be printed, with rules and the lines below it; PNG."""
    from PIL import Image, ImageDraw

    fonts = _fonts()
    spans, right = _spans(table, fonts)
    width = max(right + MARGIN, LEAST_WIDTH)
    legend = legend_of(table, facts, most=LISTED_ABSENCES)
    notes = [wrap_text(line, fonts.small, width - 2 * MARGIN) for line in legend]
    body = MARGIN + round(2.3 * LINE)
    end = body + LINE * len(table.methods) + 12
    canvas = Image.new("RGB", (width, end + 24 + NOTE_LINE * sum(map(len, notes)) + MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for y, thickness in ((MARGIN, THICK), (body - 4, THIN + 1), (end, THICK)):
        draw.rectangle([MARGIN, y, right, y + thickness - 1], INK)
    _draw_headings(draw, spans, fonts)
    for index, method in enumerate(table.methods):
        _draw_method(draw, table, method, spans, body + round(LINE * (index + 0.5)) + 4, fonts)
    _draw_notes(draw, notes, end + 24, fonts)
    return as_png(canvas)


def _fonts() -> _Fonts:
    """STIX, the letters of printed papers, which come with matplotlib."""
    from pathlib import Path

    from PIL import ImageFont

    with plain_matplotlib() as matplotlib:
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    plain, bold, italic = (
        ImageFont.truetype(folder / f"STIXGeneral{kind}.ttf", TEXT) for kind in ("", "Bol", "Italic")
    )
    return _Fonts(plain, bold, italic, plain.font_variant(size=SMALL))


def _spans(table: Table, fonts: _Fonts) -> tuple[list[_Span], int]:
    """Places of the columns, each as wide as its widest text; and where the last one ends."""
    labels = ["Method", *(_label(method, fonts) for method in table.methods)]
    right = MARGIN + max(round(fonts.plain.getlength(label)) for label in labels)
    spans: list[_Span] = []
    for column in columns_of(table):
        left = right + (WITHIN if column.published else BETWEEN)
        texts = [_subheading(column), *(column.text(table, method) for method in table.methods)]
        if not column.published:
            texts.append(_heading(column))
        right = left + max(round(fonts.bold.getlength(text)) for text in texts)
        spans.append(_Span(column, left, right))
    return spans, right


def _label(method: str, fonts: _Fonts) -> str:
    return wrap_text(method_label(method), fonts.plain, LABEL, lines=1)[0]


def _heading(column: Column) -> str:
    return f"{column.measure.label} {column.measure.arrow}"


def _subheading(column: Column) -> str:
    return "published" if column.published else "mean / median"


def _draw_headings(draw: "Draw", spans: Sequence[_Span], fonts: _Fonts) -> None:
    """Each measure's name centred over its columns, a rule, and what each column holds."""
    top = MARGIN + 8
    draw.text((MARGIN, top + 1.5 * LINE), "Method", INK, fonts.plain, anchor="lm")
    for place, span in enumerate(spans):
        ours = not span.column.published
        draw.text(
            (span.right, top + 1.5 * LINE), _subheading(span.column), INK if ours else GREY,
            fonts.plain if ours else fonts.italic, anchor="rm",
        )  # fmt: skip
        if ours:
            beside = spans[place + 1 : place + 2]
            end = beside[0].right if beside and beside[0].column.published else span.right
            draw.text(((span.left + end) / 2, top + LINE / 2), _heading(span.column), INK, fonts.plain, "mm")
            draw.rectangle([span.left, top + LINE, end, top + LINE + THIN - 1], INK)


def _draw_method(
    draw: "Draw", table: Table, method: str, spans: Sequence[_Span], y: int, fonts: _Fonts
) -> None:
    draw.text((MARGIN, y), _label(method, fonts), INK, fonts.plain, anchor="lm")
    for column, _, right in spans:
        text = column.text(table, method)
        if column.published:
            draw.text((right, y), text, GREY, fonts.italic, anchor="rm")
            continue
        mean, slash, median = text.partition(" / ")
        rest = f"{slash}{median}"
        bold = method in table.best(column.measure)
        draw.text((right, y), rest, INK, fonts.plain, anchor="rm")
        start = right - fonts.plain.getlength(rest)
        draw.text((start, y), mean, INK, fonts.bold if bold else fonts.plain, anchor="rm")


def _draw_notes(draw: "Draw", notes: Iterable[Sequence[str]], top: int, fonts: _Fonts) -> None:
    for lines in notes:
        for line in lines:
            draw.text((MARGIN, top), line, GREY, fonts.small, anchor="la")
            top += NOTE_LINE
