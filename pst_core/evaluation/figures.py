"""The paper's figures: methods side by side with magnified details (3, 6), and the ablation (5)."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw

from pst_core.evaluation import layout
from pst_core.evaluation.crops import Crop
from pst_core.evaluation.layout import FRAME, WIDTH, ComparisonRow, Grid, Shape, Size, fitted
from pst_core.pictures import INK, PAPER, as_image, as_png

SHADE = (235, 235, 235)  # of a cell without a picture
DIM = (120, 120, 120)
SUBPIXELS = 4  # of a magnified pixel's edge, along each side of a pixel of the figure
INSET = 0.34  # of the content's width


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
    grid = layout.lay_out(rows, inset, width)
    shapes = [layout.shape_of(row, grid.cell) for row in rows]
    height = layout.total_height(grid, shapes)
    canvas = Image.new("RGB", (width, height), PAPER)
    _draw_titles(canvas, grid)
    top = grid.top
    for row, shape in zip(rows, shapes, strict=True):
        _draw_name(canvas, row.name, top, shape.height, grid.names)
        for index, title in enumerate(grid.titles):
            _draw_cell(canvas, row, title, shape, (grid.column(index), top), grid)
        top += shape.height + layout.ROW_GAP
    return as_png(canvas)


def draw_ablation(rows: Sequence[ComparisonRow], *, width: int = WIDTH) -> bytes:
    """Draw what each stage does, as the paper's Figure 5: the comparison without details, style inset; PNG.

    Parameters and errors are those of `draw_comparison`; crops are left out.
    """
    return draw_comparison([replace(row, crops=()) for row in rows], inset=True, width=width)


def _draw_titles(canvas: Image.Image, grid: Grid) -> None:
    draw, font = ImageDraw.Draw(canvas), layout.title_font(grid.cell)
    step = layout.line_height(font)
    for index, title in enumerate(grid.titles):
        lines = layout.wrap_text(layout.shown_title(title, grid.inset), font, grid.cell, lines=2)
        y = grid.top - 10 - step * len(lines)
        for place, line in enumerate(lines):
            center = grid.column(index) + grid.cell / 2
            draw.text((center, y + step * (place + 0.5)), line, INK, font, anchor="mm")


def _draw_name(canvas: Image.Image, name: str, top: int, height: int, font: layout.Font) -> None:
    """Write the pair's name upwards beside its row."""
    if not name:
        return
    label = Image.new("L", (height, layout.line_height(font)))
    line = layout.wrap_text(name, font, height, lines=1)[0]
    ImageDraw.Draw(label).text((height / 2, label.height / 2), line, 255, font, anchor="mm")
    turned = label.transpose(Image.Transpose.ROTATE_90)
    canvas.paste(DIM, (layout.MARGIN, top, layout.MARGIN + turned.width, top + turned.height), turned)


def _draw_cell(
    canvas: Image.Image, row: ComparisonRow, title: str, shape: Shape, corner: Size, grid: Grid
) -> None:
    picture = row.pictures.get(title)
    left, top = corner[0] + (grid.cell - shape.picture[0]) // 2, corner[1]
    if picture is None:
        _draw_absence(canvas, (left, top), shape.picture)
        return
    image = as_image(picture)
    if title == layout.STYLE:
        size = fitted(image.size, (grid.cell, max(shape.height, shape.picture[1])))
        canvas.paste(_scaled(image, size), (corner[0] + (grid.cell - size[0]) // 2, top))
        return
    canvas.paste(_scaled(image, shape.picture), (left, top))
    style = row.pictures.get(layout.STYLE)
    if grid.inset and title == layout.CONTENT and style is not None:
        _draw_inset(canvas, as_image(style), (left, top), shape.picture)
    _draw_outlines(canvas, row.crops, (left, top), shape.picture[0] / image.width)
    _draw_details(canvas, image, row.crops, shape, (left, top + shape.picture[1] + layout.DETAIL_GAP))


def _draw_absence(canvas: Image.Image, corner: Size, size: Size) -> None:
    draw = ImageDraw.Draw(canvas)
    draw.rectangle([*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1], SHADE)
    center = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    draw.text(center, "n/a", DIM, layout.title_font(size[0]), anchor="mm")


def _draw_inset(canvas: Image.Image, style: Image.Image, corner: Size, size: Size) -> None:
    """Lay the style in the picture's lower left corner, with a white edge to its right and top."""
    inset = fitted(style.size, (round(INSET * size[0]), round(INSET * size[0])))
    left, top = corner[0], corner[1] + size[1] - inset[1]
    canvas.paste(PAPER, (left, top - FRAME, left + inset[0] + FRAME, top + inset[1]))
    canvas.paste(_scaled(style, inset), (left, top))


def _draw_outlines(canvas: Image.Image, crops: Sequence[Crop], corner: Size, scale: float) -> None:
    draw = ImageDraw.Draw(canvas)
    for crop, color in zip(crops, layout.COLORS, strict=False):
        left, top = corner[0] + scale * crop.left, corner[1] + scale * crop.top
        right, bottom = left + scale * crop.width, top + scale * crop.height
        draw.rectangle([round(left), round(top), round(right) - 1, round(bottom) - 1], None, color, FRAME)


def _draw_details(
    canvas: Image.Image, image: Image.Image, crops: Sequence[Crop], shape: Shape, corner: Size
) -> None:
    left, top = corner
    for crop, color, size in zip(crops, layout.COLORS, shape.details, strict=False):
        canvas.paste(color, (left, top, left + size[0] + 2 * FRAME, top + size[1] + 2 * FRAME))
        canvas.paste(_magnified(image, crop, size), (left + FRAME, top + FRAME))
        left += size[0] + 2 * FRAME + layout.DETAIL_GAP


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
