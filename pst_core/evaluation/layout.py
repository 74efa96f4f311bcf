"""Where everything goes in the paper's figures: columns, rows, magnified details, and the letters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop, check_crop

Floats = NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Size = tuple[int, int]

CONTENT, STYLE = "Content", "Style"
WIDTH = 2400
MOST = 6000  # pixels a side of a figure: what viewers and pages open without trouble
LEAST_CELL = 120  # pixels a column: less shows nothing
# Apart from one another for every kind of colour vision, and seldom found this pure in a photograph.
COLORS = ((0, 200, 255), (255, 60, 150), (255, 190, 0), (120, 220, 60))
MARGIN, COLUMN_GAP, ROW_GAP = 20, 12, 28
FRAME, DETAIL_GAP = 3, 6  # of a magnified detail: its line, and the room around it
TALLEST = 1.5  # of a picture's height to its cell's width
TALLEST_DETAIL = 0.75  # of the picture above it


@dataclass(frozen=True)
class ComparisonRow:
    """One pair in a figure.

    Attributes
    ----------
    name : str
        Written along the row.
    pictures : mapping of str to ndarray, shape (3, H, W), or None
        Column title -> picture on [0, 1]; None for one that could not be made. `CONTENT` and `STYLE` are
        the titles of the pair itself; all others are results, which have the content's size.
    crops : tuple of Crop
        Details to magnify, in pixels of the content; none for pictures alone.
    """

    name: str
    pictures: Mapping[str, Floats | None]
    crops: tuple[Crop, ...] = ()


class Grid(NamedTuple):
    """The columns: their titles, width, first pixel, and what stands above and beside them; in pixels."""

    titles: tuple[str, ...]
    cell: int
    left: int
    top: int
    inset: bool
    names: Font

    def column(self, index: int) -> int:
        """First pixel of a column."""
        return self.left + index * (self.cell + COLUMN_GAP)


class Shape(NamedTuple):
    """Sizes in one row, width and height: of its pictures, and of the magnified details below each."""

    picture: Size
    details: tuple[Size, ...]

    @property
    def height(self) -> int:
        """Of the whole row."""
        below = DETAIL_GAP + self.details[0][1] + 2 * FRAME if self.details else 0
        return self.picture[1] + below


def paginate(
    rows: Sequence[ComparisonRow], *, inset: bool = False, width: int = WIDTH
) -> tuple[tuple[ComparisonRow, ...], ...]:
    """Share rows out among as many figures as they need, in order; each can then be drawn by itself.

    Raises
    ------
    ConfigError
        As `draw_comparison` does, but for the height.
    """
    grid = lay_out(rows, inset, width)
    pages: list[list[ComparisonRow]] = []
    room = 0
    for row in rows:
        height = shape_of(row, grid.cell).height + ROW_GAP
        if height > room:
            pages.append([])
            room = MOST - grid.top - MARGIN + ROW_GAP
        pages[-1].append(row)
        room -= height
    return tuple(map(tuple, pages))


def wrap_text(text: str, font: Font, width: float, *, lines: int | None = None) -> list[str]:
    """Break text so that every line fits a width in pixels; what is over after the last line becomes "…".

    Lines end between words, or inside a word that is wider than a line.
    """
    wrapped = [""]
    for piece in _pieces(text, font, width):
        longer = f"{wrapped[-1]} {piece}".strip()
        if font.getlength(longer) <= width:
            wrapped[-1] = longer
        else:
            wrapped.append(piece)
    if lines is None or len(wrapped) <= lines:
        return wrapped
    last = wrapped[lines - 1]
    while last and font.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*wrapped[: lines - 1], f"{last.rstrip()}…"]


def _pieces(text: str, font: Font, width: float) -> Iterator[str]:
    """Words, and parts of those that are wider than a line."""
    for word in text.split():
        rest = word
        while font.getlength(rest) > width and len(rest) > 1:
            fits = next(
                (end for end in range(len(rest) - 1, 1, -1) if font.getlength(rest[:end]) <= width), 1
            )
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def lay_out(rows: Sequence[ComparisonRow], inset: bool, width: int) -> Grid:
    """Choose the columns of a figure; arguments and errors are those of `draw_comparison`."""
    found = dict.fromkeys(title for row in rows for title in row.pictures)
    results = [title for title in found if title not in {CONTENT, STYLE}]
    titles = (CONTENT, *(() if inset else (STYLE,)), *results)
    if not results:
        raise ConfigError("There is no result to compare: name at least one method.")
    names = ImageFont.load_default(min(20, max(13, width // 120)))
    left = MARGIN + (line_height(names) + 10 if any(row.name for row in rows) else 0)
    cell = (width - left - MARGIN + COLUMN_GAP) // len(titles) - COLUMN_GAP
    if cell < LEAST_CELL or width > MOST:
        least = left + MARGIN - COLUMN_GAP + len(titles) * (LEAST_CELL + COLUMN_GAP)
        raise ConfigError(
            f"A figure of {len(titles)} columns is {least} to {MOST} pixels wide, not {width}: "
            "choose another width, or fewer methods."
        )
    font = title_font(cell)
    tallest = max(len(wrap_text(shown_title(title, inset), font, cell, lines=2)) for title in titles)
    return Grid(titles, cell, left, MARGIN + tallest * line_height(font) + 10, inset, names)


def shown_title(title: str, inset: bool) -> str:
    """What stands above a column."""
    return f"{CONTENT}, style inset" if inset and title == CONTENT else title


def shape_of(row: ComparisonRow, cell: int) -> Shape:
    """Sizes that follow from the content, or, if there is none, from a result; errors as of `lay_out`."""
    sizes = {title: picture.shape[1:] for title, picture in row.pictures.items()
             if picture is not None and title != STYLE}  # fmt: skip
    height, width = sizes.get(CONTENT) or next(iter(sizes.values()), (3, 4))
    for title, size in sizes.items():
        if size != (height, width):
            raise ConfigError(
                f"{title!r} of {row.name!r} is {size[1]}x{size[0]} pixels, not {width}x{height} as the "
                "others: bring the results to one size before they are compared."
            )
    for crop in row.crops:
        check_crop(crop, (height, width))
    if len(row.crops) > len(COLORS):
        raise ConfigError(f"{row.name!r} has {len(row.crops)} crops: at most {len(COLORS)} can be shown.")
    picture = fitted((width, height), (cell, round(TALLEST * cell)))
    return Shape(picture, _detail_sizes(row.crops, picture))


def _detail_sizes(crops: Sequence[Crop], picture: Size) -> tuple[Size, ...]:
    """Sizes of one height that together are as wide as the picture, or narrower if they would be taller."""
    if not crops:
        return ()
    aspects = [crop.width / crop.height for crop in crops]
    room = picture[0] - 2 * FRAME * len(crops) - DETAIL_GAP * (len(crops) - 1)
    height = min(room / sum(aspects), TALLEST_DETAIL * picture[1])
    ends = np.rint(height * np.cumsum([0.0, *aspects])).astype(int)
    return tuple((max(1, int(end - start)), max(1, round(height))) for start, end in pairwise(ends))


def fitted(size: Size, box: Size) -> Size:
    """The largest size of these proportions that fits a box."""
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))


def total_height(grid: Grid, shapes: Sequence[Shape]) -> int:
    """Height of a figure with these rows; ConfigError if it would be too high."""
    height = grid.top + MARGIN - ROW_GAP + sum(shape.height + ROW_GAP for shape in shapes)
    if height > MOST:
        raise ConfigError(
            f"{len(shapes)} rows make a figure {height} pixels high, and {MOST} is the limit: "
            f"draw {max(1, len(shapes) * MOST // height)} rows a figure, or choose a smaller width."
        )
    return height


def title_font(cell: int) -> Font:
    """Letters that suit a column of so many pixels."""
    return ImageFont.load_default(min(26, max(13, cell // 13)))


def line_height(font: Font) -> int:
    """From line to line, in pixels."""
    return round(1.25 * font.getbbox("Ap")[3])
