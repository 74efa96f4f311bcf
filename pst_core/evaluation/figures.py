"""The paper's figures: methods side by side with magnified details (3, 6), and the ablation (5)."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop, check_crop
from pst_core.pictures import INK, PAPER

__all__ = [
    "COLORS", "CONTENT", "STYLE", "ComparisonRow", "draw_ablation", "draw_comparison", "paginate",
    "wrap_text",
]  # fmt: skip

Floats = NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Size = tuple[int, int]

CONTENT, STYLE = "Content", "Style"
WIDTH = 2400
MOST = 6000  # pixels a side of a figure: what viewers and pages open without trouble
LEAST_CELL = 120  # pixels a column: less shows nothing
# Apart from one another for every kind of colour vision, and seldom found this pure in a photograph.
COLORS = ((0, 200, 255), (255, 60, 150), (255, 190, 0), (120, 220, 60))
SHADE = (235, 235, 235)  # of a cell without a picture
DIM = (120, 120, 120)
MARGIN, COLUMN_GAP, ROW_GAP = 20, 12, 28
FRAME, DETAIL_GAP = 3, 6  # of a magnified detail: its line, and the room around it
TALLEST = 1.5  # of a picture's height to its cell's width
TALLEST_DETAIL = 0.75  # of the picture above it
SUBPIXELS = 4  # of a magnified pixel's edge, along each side of a pixel of the figure
INSET = 0.34  # of the content's width


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


class _Grid(NamedTuple):
    """The columns: their titles, width, first pixel, and what stands above and beside them."""

    titles: tuple[str, ...]
    cell: int
    left: int
    top: int
    inset: bool
    names: Font

    def column(self, index: int) -> int:
        return self.left + index * (self.cell + COLUMN_GAP)


class _Shape(NamedTuple):
    """Sizes in one row: of its pictures, and of the magnified details below each."""

    picture: Size
    details: tuple[Size, ...]

    @property
    def height(self) -> int:
        below = DETAIL_GAP + self.details[0][1] + 2 * FRAME if self.details else 0
        return self.picture[1] + below


def draw_comparison(rows: Sequence[ComparisonRow], *, inset: bool = False, width: int = WIDTH) -> bytes:
    """Draw pairs below one another, a column for content, style and every method; PNG.

    Crops are outlined in content and results, and shown magnified below each in frames of their colours.
    They are cut from the picture as it is given. A magnified pixel stays a square of one colour: smooth
    interpolation would hide the noise and blur that the details are there to show.

    Parameters
    ----------
    rows
        The columns are all their titles, `CONTENT` and `STYLE` first. A picture that is missing or None
        leaves a grey cell.
    inset
        Show the style in a corner of the content instead of in a column of its own.
    width
        Of the figure, in pixels.

    Raises
    ------
    ConfigError
        If there is nothing to draw, it does not fit (see `paginate`), a crop lies outside its picture, or a
        result has another size than its content.
    """
    grid = _lay_out(rows, inset, width)
    shapes = [_shape(row, grid.cell) for row in rows]
    height = _height(grid, shapes)
    canvas = Image.new("RGB", (width, height), PAPER)
    _draw_titles(canvas, grid)
    top = grid.top
    for row, shape in zip(rows, shapes, strict=True):
        _draw_name(canvas, row.name, top, shape.height, grid.names)
        for index, title in enumerate(grid.titles):
            _draw_cell(canvas, row, title, shape, (grid.column(index), top), grid)
        top += shape.height + ROW_GAP
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def draw_ablation(rows: Sequence[ComparisonRow], *, width: int = WIDTH) -> bytes:
    """Draw what each stage does, as the paper's Figure 5: the comparison without details, style inset; PNG.

    Parameters and errors are those of `draw_comparison`; crops are left out.
    """
    return draw_comparison([replace(row, crops=()) for row in rows], inset=True, width=width)


def paginate(
    rows: Sequence[ComparisonRow], *, inset: bool = False, width: int = WIDTH
) -> tuple[tuple[ComparisonRow, ...], ...]:
    """Share rows out among as many figures as they need, in order; each can then be drawn by itself.

    Raises
    ------
    ConfigError
        As `draw_comparison` does, but for the height.
    """
    grid = _lay_out(rows, inset, width)
    pages: list[list[ComparisonRow]] = []
    room = 0
    for row in rows:
        height = _shape(row, grid.cell).height + ROW_GAP
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


# --- layout ------------------------------------------------------------------------------------------------


def _lay_out(rows: Sequence[ComparisonRow], inset: bool, width: int) -> _Grid:
    found = dict.fromkeys(title for row in rows for title in row.pictures)
    results = [title for title in found if title not in {CONTENT, STYLE}]
    titles = (CONTENT, *(() if inset else (STYLE,)), *results)
    if not results:
        raise ConfigError("There is no result to compare: name at least one method.")
    names = _font(min(20, max(13, width // 120)))
    left = MARGIN + (_line_height(names) + 10 if any(row.name for row in rows) else 0)
    cell = (width - left - MARGIN + COLUMN_GAP) // len(titles) - COLUMN_GAP
    if cell < LEAST_CELL or width > MOST:
        least = left + MARGIN - COLUMN_GAP + len(titles) * (LEAST_CELL + COLUMN_GAP)
        raise ConfigError(
            f"A figure of {len(titles)} columns is {least} to {MOST} pixels wide, not {width}: "
            "choose another width, or fewer methods."
        )
    font = _title_font(cell)
    tallest = max(len(wrap_text(_shown(title, inset), font, cell, lines=2)) for title in titles)
    return _Grid(titles, cell, left, MARGIN + tallest * _line_height(font) + 10, inset, names)


def _shown(title: str, inset: bool) -> str:
    return f"{CONTENT}, style inset" if inset and title == CONTENT else title


def _shape(row: ComparisonRow, cell: int) -> _Shape:
    """Sizes that follow from the content, or, if there is none, from a result."""
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
    picture = _fitted((width, height), (cell, round(TALLEST * cell)))
    return _Shape(picture, _detail_sizes(row.crops, picture))


def _detail_sizes(crops: Sequence[Crop], picture: Size) -> tuple[Size, ...]:
    """Sizes of one height that together are as wide as the picture, or narrower if they would be taller."""
    if not crops:
        return ()
    aspects = [crop.width / crop.height for crop in crops]
    room = picture[0] - 2 * FRAME * len(crops) - DETAIL_GAP * (len(crops) - 1)
    height = min(room / sum(aspects), TALLEST_DETAIL * picture[1])
    ends = np.rint(height * np.cumsum([0.0, *aspects])).astype(int)
    return tuple((max(1, int(end - start)), max(1, round(height))) for start, end in pairwise(ends))


def _fitted(size: Size, box: Size) -> Size:
    """The largest size of these proportions that fits a box."""
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))


def _height(grid: _Grid, shapes: Sequence[_Shape]) -> int:
    height = grid.top + MARGIN - ROW_GAP + sum(shape.height + ROW_GAP for shape in shapes)
    if height > MOST:
        raise ConfigError(
            f"{len(shapes)} rows make a figure {height} pixels high, and {MOST} is the limit: "
            f"draw {max(1, len(shapes) * MOST // height)} rows a figure, or choose a smaller width."
        )
    return height


# --- drawing -----------------------------------------------------------------------------------------------


def _draw_titles(canvas: Image.Image, grid: _Grid) -> None:
    draw, font = ImageDraw.Draw(canvas), _title_font(grid.cell)
    step = _line_height(font)
    for index, title in enumerate(grid.titles):
        lines = wrap_text(_shown(title, grid.inset), font, grid.cell, lines=2)
        y = grid.top - 10 - step * len(lines)
        for place, line in enumerate(lines):
            center = grid.column(index) + grid.cell / 2
            draw.text((center, y + step * (place + 0.5)), line, INK, font, anchor="mm")


def _draw_name(canvas: Image.Image, name: str, top: int, height: int, font: Font) -> None:
    """Write the pair's name upwards beside its row."""
    if not name:
        return
    label = Image.new("L", (height, _line_height(font)))
    line = wrap_text(name, font, height, lines=1)[0]
    ImageDraw.Draw(label).text((height / 2, label.height / 2), line, 255, font, anchor="mm")
    turned = label.transpose(Image.Transpose.ROTATE_90)
    canvas.paste(DIM, (MARGIN, top, MARGIN + turned.width, top + turned.height), turned)


def _draw_cell(
    canvas: Image.Image, row: ComparisonRow, title: str, shape: _Shape, corner: Size, grid: _Grid
) -> None:
    picture = row.pictures.get(title)
    left, top = corner[0] + (grid.cell - shape.picture[0]) // 2, corner[1]
    if picture is None:
        _draw_absence(canvas, (left, top), shape.picture)
        return
    image = _image(picture)
    if title == STYLE:
        size = _fitted(image.size, (grid.cell, max(shape.height, shape.picture[1])))
        canvas.paste(_scaled(image, size), (corner[0] + (grid.cell - size[0]) // 2, top))
        return
    canvas.paste(_scaled(image, shape.picture), (left, top))
    style = row.pictures.get(STYLE)
    if grid.inset and title == CONTENT and style is not None:
        _draw_inset(canvas, _image(style), (left, top), shape.picture)
    _draw_outlines(canvas, row.crops, (left, top), shape.picture[0] / image.width)
    _draw_details(canvas, image, row.crops, shape, (left, top + shape.picture[1] + DETAIL_GAP))


def _draw_absence(canvas: Image.Image, corner: Size, size: Size) -> None:
    draw = ImageDraw.Draw(canvas)
    draw.rectangle([*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1], SHADE)
    center = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    draw.text(center, "n/a", DIM, _title_font(size[0]), anchor="mm")


def _draw_inset(canvas: Image.Image, style: Image.Image, corner: Size, size: Size) -> None:
    """Lay the style in the picture's lower left corner, with a white edge to its right and top."""
    inset = _fitted(style.size, (round(INSET * size[0]), round(INSET * size[0])))
    left, top = corner[0], corner[1] + size[1] - inset[1]
    canvas.paste(PAPER, (left, top - FRAME, left + inset[0] + FRAME, top + inset[1]))
    canvas.paste(_scaled(style, inset), (left, top))


def _draw_outlines(canvas: Image.Image, crops: Sequence[Crop], corner: Size, scale: float) -> None:
    draw = ImageDraw.Draw(canvas)
    for crop, color in zip(crops, COLORS, strict=False):
        left, top = corner[0] + scale * crop.left, corner[1] + scale * crop.top
        right, bottom = left + scale * crop.width, top + scale * crop.height
        draw.rectangle([round(left), round(top), round(right) - 1, round(bottom) - 1], None, color, FRAME)


def _draw_details(
    canvas: Image.Image, image: Image.Image, crops: Sequence[Crop], shape: _Shape, corner: Size
) -> None:
    left, top = corner
    for crop, color, size in zip(crops, COLORS, shape.details, strict=False):
        canvas.paste(color, (left, top, left + size[0] + 2 * FRAME, top + size[1] + 2 * FRAME))
        canvas.paste(_magnified(image, crop, size), (left + FRAME, top + FRAME))
        left += size[0] + 2 * FRAME + DETAIL_GAP


def _magnified(image: Image.Image, crop: Crop, size: Size) -> Image.Image:
    """Cut a crop out and bring it to a size; each pixel keeps its colour and gets an equal share of it."""
    box = (crop.left, crop.top, crop.left + crop.width, crop.top + crop.height)
    # Pillow's box takes whole pixels or none, so each is first cut finely enough to be shared out.
    times = -(-SUBPIXELS * size[0] // crop.width), -(-SUBPIXELS * size[1] // crop.height)
    squares = image.crop(box).resize(
        (times[0] * crop.width, times[1] * crop.height), Image.Resampling.NEAREST
    )
    return squares.resize(size, Image.Resampling.BOX)


def _scaled(image: Image.Image, size: Size) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS)


def _image(picture: Floats) -> Image.Image:
    values = np.moveaxis(np.rint(picture.clip(0, 1) * 255).astype(np.uint8), 0, -1)
    return Image.fromarray(np.ascontiguousarray(values))


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _title_font(cell: int) -> Font:
    return _font(min(26, max(13, cell // 13)))


def _line_height(font: Font) -> int:
    return round(1.25 * font.getbbox("Ap")[3])
