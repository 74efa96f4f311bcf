"""Pictures about results: the losses' curve, the regions, thumbnails, a batch's contact sheet."""

import io
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pst_core.images.profiles import Samples
from pst_core.images.writing import to_levels
from pst_core.regions.labels import Labels, Regions

if TYPE_CHECKING:
    from pst_core.pipeline.trace import StageTrace

INK, FAINT, PAPER = (40, 40, 40), (205, 205, 205), (255, 255, 255)
KINDS = {"global": (31, 119, 180), "regional": (214, 96, 20)}
CURVE_SIZE = (800, 360)
MARGINS = (70, 34, 16, 40)  # left, top, right, bottom, in pixels
REGIONS_SIDE = 1024
PREVIEW_SIDE = 900
STRENGTHS, STRENGTH_SIDE = (0.0, 0.5, 1.0, 1.5, 2.0), 260
TINT = 0.4  # share of a region's colour over its photograph
GAP = 12


def draw_losses(trace: Sequence["StageTrace"]) -> bytes:
    """Draw the total loss of every evaluation on a logarithmic scale, a colour a kind of stage; PNG.

    Each stage has a scale of its own minimum, for losses of different equations are not comparable; what is
    drawn is each evaluation's loss as a share of its stage's first.
    """
    canvas = Image.new("RGB", CURVE_SIZE, PAPER)
    draw = ImageDraw.Draw(canvas)
    shares = [_shares(part) for part in trace]
    count = sum(len(each) for each in shares)
    low = min((value for each in shares for value in each), default=0.1)
    _frame(draw, low)
    place = 0
    for part, values in zip(trace, shares, strict=True):
        points = [_point(place + index, count, value, low) for index, value in enumerate(values)]
        _stage(draw, points, part.stage.name, KINDS[part.stage.kind])
        place += len(values)
    return as_png(canvas)


def _shares(part: "StageTrace") -> list[float]:
    """Losses over the stage's first, kept positive for the logarithm."""
    totals = [evaluation.total for evaluation in part.evaluations]
    first = totals[0] if totals and totals[0] > 0 else 1.0
    return [max(total / first, 1e-6) for total in totals]


def _point(index: int, count: int, value: float, low: float) -> tuple[float, float]:
    left, top, right, bottom = MARGINS
    width, height = CURVE_SIZE[0] - left - right, CURVE_SIZE[1] - top - bottom
    depth = math.log10(value) / min(math.log10(low), -0.05)  # 0 at the stage's first loss, 1 at the lowest
    return left + width * index / max(count - 1, 1), top + height * min(max(depth, 0.0), 1.0)


def _frame(draw: ImageDraw.ImageDraw, low: float) -> None:
    left, _, right, _ = MARGINS
    font = ImageFont.load_default(13)
    for value in _ticks(low):
        y = _point(0, 1, value, low)[1]
        draw.line([(left, y), (CURVE_SIZE[0] - right, y)], FAINT)
        draw.text((left - 8, y), f"{100 * value:g} %", INK, font, anchor="rm")
    draw.text((left, 14), "Loss, as a share of its stage's first", INK, ImageFont.load_default(14), "lm")
    draw.text((CURVE_SIZE[0] - right, CURVE_SIZE[1] - 12), "evaluations", INK, font, anchor="rm")


def _ticks(low: float) -> list[float]:
    steps = (1.0, 0.5, 0.2)
    ticks = [step * 10.0**-power for power in range(7) for step in steps]
    return [tick for tick in ticks if tick >= low][: 8 if low > 0.005 else 14]


def _stage(
    draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], name: str, color: tuple[int, int, int]
) -> None:
    if not points:
        return
    bottom = CURVE_SIZE[1] - MARGINS[3]
    draw.line([(points[0][0], MARGINS[1]), (points[0][0], bottom)], FAINT)
    if len(points) > 1:
        draw.line(points, color, width=2, joint="curve")
    radius = 2.5
    for x, y in (points[0], points[-1]):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], color)
    font = ImageFont.load_default(12)
    if draw.textlength(name, font) < points[-1][0] - points[0][0]:
        draw.text((points[0][0] + 3, bottom + 10), name, color, font, anchor="lm")


def draw_regions(*regions: Regions) -> bytes:
    """Draw the regions of content and style side by side in their colours, with each style in a row; PNG."""
    rows = [(_colored(each.content, each), _colored(each.style, each)) for each in regions]
    heights = [max(content.height, style.height) for content, style in rows]
    wide = max(content.width + GAP + style.width for content, style in rows)
    sheet = Image.new("RGB", (wide, sum(heights) + GAP * (len(rows) - 1)), FAINT)
    for number, (content, style) in enumerate(rows):
        top = sum(heights[:number]) + GAP * number
        sheet.paste(content, (0, top))
        sheet.paste(style, (content.width + GAP, top))
    return as_png(sheet)


def _colored(labels: Labels, regions: Regions) -> Image.Image:
    step = -(-max(labels.shape) // REGIONS_SIDE)
    palette = np.vstack([regions.colors, np.array([PAPER], np.uint8)])  # the last is what NOWHERE finds
    colors: NDArray[np.uint8] = palette[labels[::step, ::step]]
    return Image.fromarray(np.ascontiguousarray(colors))


def draw_mask(mask: NDArray[np.float32]) -> bytes:
    """Draw a soft mask, shape (H, W), on [0, 1], in gray; PNG."""
    return as_png(Image.fromarray(np.round(255 * mask.clip(0, 1)).astype(np.uint8)))


def draw_preview(
    content: NDArray[np.float32], style: NDArray[np.float32], regions: Regions, form: str
) -> bytes:
    """Draw content and style with their regions tinted, outlined and numbered, and say what each is.

    Parameters
    ----------
    content, style : ndarray of float32, shape (3, H, W)
        On [0, 1].
    form
        Format of the picture, by Pillow's name.
    """
    sides = _tinted(content, regions.content, regions), _tinted(style, regions.style, regions)
    lines = [_line(regions, index) for index in range(regions.count)]
    title = f"Regions by {regions.source}{f': {regions.model}' if regions.model else ''}"
    font, line = ImageFont.load_default(16), 24
    measure = ImageDraw.Draw(sides[0]).textlength
    wide = max(measure(title, font), *(measure(text, font) + 2 * line for text in lines))
    top = max(each.height for each in sides) + GAP
    size = max(sides[0].width + GAP + sides[1].width, round(wide) + GAP), top + line * (len(lines) + 2)
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(sides[0], (0, 0))
    sheet.paste(sides[1], (sides[0].width + GAP, 0))
    draw = ImageDraw.Draw(sheet)
    draw.text((4, top + line / 2), title, INK, font, "lm")
    for index, text in enumerate(lines):
        y = top + line * (index + 1.5)
        draw.rectangle([4, y - 8, 20, y + 8], tuple(regions.colors[index].tolist()), INK)
        draw.text((line + 4, y), text, INK, font, "lm")
    buffer = io.BytesIO()
    sheet.save(buffer, form, **({"quality": 90} if form in ("JPEG", "WEBP") else {}))
    return buffer.getvalue()


def _line(regions: Regions, index: int) -> str:
    """A region in words: its number, name and shares, and how sure it is."""
    here, there = regions.content_shares[index], regions.style_shares[index]
    called = regions.called[index] if regions.names or regions.source == "maps" else ""
    text = f"{index} {called}: {here:.1%} of the content, {there:.1%} of the style"
    if regions.unmatched[index]:
        text += ", no counterpart"
    elif not regions.matched[index]:
        text += ", not used"
    elif regions.confidence:
        text += f", confidence {regions.confidence[index]:.2f}"
    return text


def _tinted(pixels: NDArray[np.float32], labels: Labels, regions: Regions) -> Image.Image:
    """A photograph under its regions' colours, with their borders and numbers."""
    from scipy.ndimage import distance_transform_edt

    picture = as_image(pixels)
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    small = np.asarray(Image.fromarray(labels).resize(picture.size, Image.Resampling.NEAREST))
    palette = np.vstack([regions.colors, np.array([PAPER], np.uint8)])  # the last is what NOWHERE finds
    mixed = (1 - TINT) * np.asarray(picture, np.float32) + TINT * palette[small]
    mixed[_borders(small)] = PAPER
    image = Image.fromarray(np.rint(mixed).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for index in range(regions.count):
        depth = distance_transform_edt(np.pad(small == index, 1))[1:-1, 1:-1]
        if depth.max() > 0:
            y, x = np.unravel_index(depth.argmax(), depth.shape)
            draw.text(
                (int(x), int(y)), str(index), PAPER, ImageFont.load_default(20), "mm", stroke_width=2,
                stroke_fill=INK,
            )  # fmt: skip
    return image


def _borders(labels: Labels) -> NDArray[np.bool_]:
    """Pixels beside one of another region, shape (H, W)."""
    borders = np.zeros(labels.shape, np.bool_)
    borders[:-1] |= labels[1:] != labels[:-1]
    borders[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    return borders


def thumbnail(pixels: NDArray[np.float32], side: int) -> bytes:
    """Shrink a picture of shape (3, H, W) on [0, 1] to a long side in pixels; JPEG."""
    return _thumbnail(as_image(pixels), side)


def thumbnail_of_several(pictures: Sequence[NDArray[np.float32]], side: int) -> bytes:
    """Pictures as for `thumbnail` in a row, shrunk together; JPEG."""
    images = [as_image(each) for each in pictures]
    height = min(image.height for image in images)
    alike = [image.resize((max(1, image.width * height // image.height), height)) for image in images]
    row = Image.new("RGB", (sum(image.width for image in alike), height))
    for number, image in enumerate(alike):
        row.paste(image, (sum(each.width for each in alike[:number]), 0))
    return _thumbnail(row, side)


def _thumbnail(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _jpeg(image, 85)


def draw_strengths(content: bytes, result: bytes, made: float, side: int = STRENGTH_SIDE) -> bytes:
    """Draw what small pictures of a content and its result say of other strengths, side by side; JPEG.

    Parameters
    ----------
    made
        Strength of the result, above 0.
    side
        Long side of each in pixels.
    """
    from pst_core.pipeline.strength import within_range

    small = _small(content, side)
    before, after = (_planes(each) for each in (small, _small(result, side).resize(small.size)))
    font, label = ImageFont.load_default(14), 22
    width = small.width + GAP
    sheet = Image.new("RGB", (width * len(STRENGTHS) - GAP, small.height + label), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, strength in enumerate(STRENGTHS):
        shown = within_range(before, min(strength / made, 1) * (after - before))
        shown = within_range(shown, max(strength / made - 1, 0) * (after - before))
        draw.text((place * width + 2, label / 2), f"{strength:g}", INK, font, "lm")
        sheet.paste(as_image(shown), (place * width, label))
    return _jpeg(sheet, 85)


def _planes(image: Image.Image) -> NDArray[np.float32]:
    # Plane by plane: NumPy takes five times as long for a minimum over channels that lie side by side.
    return np.ascontiguousarray(np.moveaxis(np.asarray(image, np.float32), -1, 0)) / np.float32(255)


def shrink_picture(picture: bytes, side: int) -> bytes:
    """Shrink an encoded picture to a long side in pixels; JPEG."""
    return _jpeg(_small(picture, side), 85)


def shrink_levels(samples: Samples, side: int) -> bytes:
    """Shrink a picture, shape (H, W, 3) or (H, W, 4), as `shrink_picture` does once it is encoded; JPEG."""
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    return _thumbnail(Image.fromarray(samples), side)


def shrink_regions(picture: bytes, box: tuple[int, int] = (900, 400)) -> bytes:
    """Shrink what `draw_regions` drew into a box, width and height in pixels, with few colours; PNG."""
    with Image.open(io.BytesIO(picture)) as regions:
        regions.thumbnail(box, Image.Resampling.NEAREST)
        return as_png(regions.convert("P", palette=Image.Palette.ADAPTIVE))


def as_jpeg(picture: bytes, most: int) -> bytes:
    """An encoded picture as JPEG of less than so many bytes: shrunk as far as that takes."""
    with Image.open(io.BytesIO(picture)) as opened:
        image, quality = opened.convert("RGB"), 82
    while len(data := _jpeg(image, quality)) >= most:
        image, quality = image.resize((round(image.width * 0.8), round(image.height * 0.8))), 75
    return data


def draw_contact_sheet(
    rows: Sequence[tuple[str, Sequence[bytes]]], *, columns: int = 2, side: int = 240
) -> bytes:
    """Arrange named rows of pictures (content, style, result) in columns; PNG.

    Parameters
    ----------
    rows
        Name, and encoded pictures.
    columns
        How many rows stand beside one another.
    side
        Long side of each picture in pixels.
    """
    font, label = ImageFont.load_default(13), 20
    small = [(name, [_small(data, side) for data in pictures]) for name, pictures in rows]
    width = max((len(pictures) for _, pictures in small), default=1) * (side + 4) + GAP
    lines = [small[start : start + columns] for start in range(0, len(small), columns)] or [[]]
    # As high as its highest picture: wide pictures leave no white band under them.
    tallest = [max((each.height for _, line in row for each in line), default=side) for row in lines]
    tops = list(accumulate((label + height + GAP for height in tallest), initial=0))
    sheet = Image.new("RGB", (width * min(columns, max(len(rows), 1)), tops[-1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    for line, y in zip(lines, tops, strict=False):
        for column, (name, pictures) in enumerate(line):
            x = column * width
            draw.text((x + 2, y + label / 2), _shortened(draw, name, font, width - GAP), INK, font, "lm")
            for place, picture in enumerate(pictures):
                sheet.paste(picture, (x + place * (side + 4), y + label))
    return as_png(sheet)


def _small(data: bytes, side: int) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return picture.convert("RGB")


def _shortened(
    draw: ImageDraw.ImageDraw, name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> str:
    while draw.textlength(name, font) > width and len(name) > 8:
        name = f"{name[: len(name) // 2 - 2]}…{name[len(name) // 2 + 2 :]}"
    return name


def as_image(pixels: NDArray[np.float32]) -> Image.Image:
    """An array of shape (3, H, W) on [0, 1] as a picture of 8 bits a channel."""
    return Image.fromarray(to_levels(pixels))


def as_png(image: Image.Image) -> bytes:
    """Encode a picture as PNG, quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
