import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFont
from scipy.ndimage import gaussian_filter, uniform_filter

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop, check_crop, choose_crops, parse_crop
from pst_core.evaluation.figures import draw_ablation, draw_comparison
from pst_core.evaluation.layout import COLORS, CONTENT, STYLE, ComparisonRow, paginate, wrap_text

FONT = ImageFont.load_default(16)
GRAY = 0.5


def smooth(height, width, seed=0):
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 15, 15))
    return (0.5 + 0.2 * shapes / np.abs(shapes).max()).astype(np.float32)


def with_noise(picture, *places, size=30, strength=0.2, seed=1):
    """The picture with noise in squares that begin at these rows and columns."""
    noisy, rng = picture.copy(), np.random.default_rng(seed)
    for top, left in places:
        noise = strength * rng.standard_normal((3, size, size))
        noisy[:, top : top + size, left : left + size] += noise.astype(np.float32)
    return noisy


def plain(height, width, value=GRAY):
    """One colour a value, and none that blurred letters have."""
    return np.broadcast_to(np.array(tint(value), np.float32)[:, None, None], (3, height, width)).copy()


def tint(value):
    return value, 0.2 + value / 2, 1 - value


def row(crops=(), name="", size=(60, 90), **results):
    results = results or {"Ours": plain(*size, 0.8)}
    return ComparisonRow(name, {CONTENT: plain(*size), STYLE: plain(40, 90, 0.2), **results}, crops)


def pixels(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and image.mode == "RGB"
    return np.asarray(image).astype(int)


def places(drawn, color):
    """Rows and columns of the pixels of exactly this colour."""
    return np.nonzero((drawn == np.array(color)).all(axis=-1))


def shaded(drawn):
    """Rows and columns of grey cells: letters have this grey, too, but not so many pixels on end."""
    grey = (drawn == 235).all(axis=-1)
    return np.nonzero(uniform_filter(grey.astype(float), (1, 9)) > 0.5)


def runs(values):
    """How many runs of neighbouring numbers there are among these."""
    found = np.unique(values)
    return 1 + int((np.diff(found) > 1).sum()) if len(found) else 0


def level(value):
    return tuple(round(float(np.float32(part) * np.float32(255))) for part in tint(value))


# --- crops -------------------------------------------------------------------------------------------------


def test_the_places_where_results_differ_are_chosen_from_left_to_right():
    picture = smooth(200, 300)
    crops = choose_crops([picture, with_noise(picture, (120, 200), (30, 60))], share=0.15)
    assert [(crop.width, crop.height) for crop in crops] == [(45, 30), (45, 30)]
    for crop, (top, left) in zip(crops, [(30, 60), (120, 200)], strict=True):
        assert abs(crop.top - top) <= 3 and left - 17 <= crop.left <= left + 2


def test_the_first_crop_is_the_best_of_all_windows():
    first, second = smooth(80, 120, 2), with_noise(smooth(80, 120, 2), (30, 50), size=10)
    weights = np.array([0.2126, 0.7152, 0.0722])
    gray = [np.tensordot(weights, each.astype(float), 1) for each in (first, second)]
    detail = [each - gaussian_filter(each, 1.2, mode="mirror", truncate=4) for each in gray]
    means = uniform_filter(np.var(detail, axis=0), (16, 24), mode="constant")
    row_, column = np.unravel_index(means[8:-8, 12:-12].argmax(), (64, 96))
    (crop,) = choose_crops([first, second], count=1, share=0.2)
    assert abs(crop.top - row_) <= 1 and abs(crop.left - column) <= 1


def test_detail_that_all_results_share_and_colours_without_detail_draw_no_crop():
    shared = with_noise(smooth(200, 300), (20, 20), size=60)
    shifted = with_noise((0.7 * shared + 0.2).astype(np.float32), (120, 200), strength=0.4)
    (crop,) = choose_crops([shared, shared + np.float32(0.3), shifted], count=1)
    assert crop.left > 150 and crop.top > 90


def test_crops_neither_overlap_nor_touch_the_border():
    rng = np.random.default_rng(3)
    pictures = [rng.random((3, 150, 200), np.float32) for _ in range(3)]
    crops = choose_crops(pictures, count=4, share=0.2)
    assert len(crops) == 4
    canvas = np.zeros((150, 200), int)
    for crop in crops:
        canvas[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width] += 1
    assert canvas.max() == 1
    assert not canvas[:3].any() and not canvas[-3:].any() and not canvas[:, :4].any()
    assert crops == choose_crops(pictures, count=4, share=0.2)


def test_where_there_is_no_room_there_are_fewer_crops():
    pictures = [smooth(40, 50), smooth(40, 50, 1)]
    assert choose_crops(pictures, count=3, share=1) == (Crop(0, 0, 50, 40),)
    assert len(choose_crops(pictures, count=50, share=0.3)) < 10
    assert choose_crops([plain(1, 1)], count=1) == (Crop(0, 0, 1, 1),)


def test_crops_of_a_large_picture_are_those_of_a_small_one_in_its_own_pixels():
    picture = smooth(200, 300)
    pictures = [picture, with_noise(picture, (120, 200), (30, 60))]
    large = [np.repeat(np.repeat(each, 11, 1), 11, 2) for each in pictures]
    for small, found in zip(choose_crops(pictures, share=0.15), choose_crops(large, share=0.15), strict=True):
        assert (found.width, found.height) == (11 * small.width, 11 * small.height)
        assert abs(found.left - 11 * small.left) <= 44 and abs(found.top - 11 * small.top) <= 44


def test_a_single_picture_is_judged_by_its_detail():
    (crop,) = choose_crops([with_noise(smooth(200, 300), (100, 150))], count=1, share=0.15)
    assert abs(crop.top - 100) <= 3 and abs(crop.left + 7 - 150) <= 12


@pytest.mark.parametrize(("pictures", "settings", "said"), [
    ([], {}, "no picture"),
    ([plain(20, 30), plain(20, 31)], {}, "one size, not of 30x20 and 31x20"),
    ([plain(20, 30)], {"count": 0}, "not 0"),
    ([plain(20, 30)], {"share": 0.0}, "share in"),
    ([plain(20, 30)], {"share": 1.5}, "1.5"),
])  # fmt: skip
def test_crops_that_cannot_be_chosen(pictures, settings, said):
    with pytest.raises(ConfigError, match=said):
        choose_crops(pictures, **settings)


def test_a_crop_is_read_as_it_is_written():
    crop = parse_crop(" 120, 80,200,150 ")
    assert crop == Crop(left=120, top=80, width=200, height=150)
    assert parse_crop(str(crop)) == crop


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "-1,2,3,4", "1,2,3,٤",
                                  "1,2,0,4", "1,2,3,0", "1;2;3;4", "1,2,3,99999999999"])  # fmt: skip
def test_what_is_no_crop_is_refused(text):
    with pytest.raises(ConfigError):
        parse_crop(text)


def test_a_crop_must_lie_in_its_picture():
    check_crop(Crop(0, 0, 90, 60), (60, 90))
    for crop in (Crop(1, 0, 90, 60), Crop(0, 1, 90, 60), Crop(-1, 0, 9, 6), Crop(0, 0, 9, 0)):
        with pytest.raises(ConfigError, match=str(crop)):
            check_crop(crop, (60, 90))


# --- figures -----------------------------------------------------------------------------------------------


def test_columns_are_content_style_and_the_results_in_order():
    results = {"B": plain(60, 90, 0.6), "A": plain(60, 90, 0.8)}
    drawn = pixels(draw_comparison([row(**results)], width=900))
    assert drawn.shape[1] == 900
    starts = [places(drawn, level(value))[1].min() for value in (GRAY, 0.2, 0.6, 0.8)]
    assert starts == sorted(starts)
    widths = [np.ptp(places(drawn, level(value))[1]) + 1 for value in (GRAY, 0.2, 0.6, 0.8)]
    assert len(set(widths)) == 1 and widths[0] > 190


def test_every_row_adds_its_columns_and_rows_follow_one_another():
    rows = [row(First=plain(60, 90, 0.6)), row(Second=plain(60, 90, 0.8))]
    drawn = pixels(draw_comparison(rows, width=900))
    first, second = places(drawn, level(0.6)), places(drawn, level(0.8))
    assert first[0].max() < second[0].min() and first[1].max() < second[1].min()
    assert runs(shaded(drawn)[1]) == 2  # each lacks the other's result


def test_crops_are_outlined_and_magnified_in_content_and_results_but_not_in_the_style():
    crops = (Crop(5, 5, 20, 15), Crop(60, 30, 20, 15))
    drawn = pixels(draw_comparison([row(crops, Ours=plain(60, 90, 0.8), Other=None)], width=1000))
    picture_end = places(drawn, level(GRAY))[0].min() + 150
    for color in COLORS[:2]:
        found = places(drawn, color)
        assert runs(found[1][found[0] < picture_end]) == runs(found[1][found[0] > picture_end]) == 2
    for color in COLORS[2:]:
        assert not len(places(drawn, color)[0])


def test_an_outline_stands_around_its_crop():
    content = plain(100, 200)
    content[:, 40:70, 60:120] = 0.9
    pair = ComparisonRow("", {CONTENT: content, "Ours": content}, (Crop(60, 40, 60, 30),))
    drawn = pixels(draw_comparison([pair], inset=True, width=2 * 400 + 52))  # enlarged twice
    rows, columns = places(drawn, COLORS[0])
    top, left = places(drawn, level(GRAY))[0].min(), places(drawn, level(GRAY))[1].min()
    rows, columns = rows - top, columns - left
    outline = (rows < 200) & (columns < 400)
    assert (rows[outline].min(), rows[outline].max()) == (80, 139)
    assert (columns[outline].min(), columns[outline].max()) == (120, 239)


def test_a_magnified_pixel_stays_a_square_of_its_colour():
    content = np.zeros((3, 40, 60), np.float32)
    content[:, 20, 30] = 1.0
    pair = ComparisonRow("", {CONTENT: content, "Ours": content}, (Crop(28, 19, 7, 3),))
    drawn = pixels(draw_comparison([pair], inset=True, width=662))
    rows, columns = places(drawn, COLORS[0])
    detail = drawn[rows.max() - 100 : rows.max() - 3, columns.min() + 3 : columns.min() + 250].mean(axis=-1)
    white, between = (detail == 255).sum(), ((detail > 0) & (detail < 255)).sum()
    assert white > 1000  # of a square of about 42 pixels a side
    assert 0 < between < 0.1 * white  # its edges, where a pixel of the figure holds two


def test_details_are_as_wide_as_their_picture_and_of_one_height():
    crops = (Crop(0, 0, 30, 10), Crop(40, 10, 15, 20), Crop(0, 30, 20, 20), Crop(60, 30, 10, 20))
    drawn = pixels(draw_comparison([row(crops, size=(100, 100))], width=1000))
    content = places(drawn, level(GRAY))
    left, right = content[1].min(), content[1].min() + 311
    below = [places(drawn[:, : right + 5], color) for color in COLORS]
    ends = [(rows.max(), np.ptp(rows[rows > rows.max() - 60])) for rows, _ in below]
    assert len(set(ends)) == 1
    assert abs(below[0][1].min() - left) <= 3
    assert abs(below[-1][1].max() - right) <= 2


def test_what_is_missing_is_a_grey_cell_of_the_contents_size():
    drawn = pixels(draw_comparison([row(Ours=plain(60, 90, 0.8), Theirs=None)], width=900))
    shade, ours = shaded(drawn), places(drawn, level(0.8))
    assert np.ptp(shade[0]) == np.ptp(ours[0]) and np.ptp(shade[1]) == np.ptp(ours[1])
    nothing = ComparisonRow("x", {CONTENT: None, STYLE: None, "Ours": None})
    assert runs(shaded(pixels(draw_comparison([nothing], width=900)))[1]) == 3


def test_the_ablation_shows_the_style_in_the_content_and_no_details():
    pair = row((Crop(5, 5, 20, 15),), name="pair 4")
    drawn = pixels(draw_ablation([pair], width=900))
    content, style = places(drawn, level(GRAY)), places(drawn, level(0.2))
    assert style[1].min() == content[1].min() and style[0].max() == content[0].max()
    assert style[1].max() < content[1].max() and style[0].min() > content[0].min()
    assert not len(places(drawn, COLORS[0])[0])
    assert draw_ablation([pair]) == draw_comparison([replace(pair, crops=())], inset=True)


def test_titles_and_names_change_the_margins_alone():
    long = "a name that goes on " * 20
    short, wordy = (
        pixels(draw_comparison([row(name=name, **{title: plain(60, 90, 0.8)})], width=900))
        for name, title in (("x", "Ours"), (long, long))
    )
    for drawn in (short, wordy):
        inked = np.nonzero((drawn != 255).any(axis=-1))
        assert inked[1].min() >= 20 and inked[1].max() < 900 - 20 and inked[0].min() >= 20
    assert wordy.shape[0] > short.shape[0]  # for the title's second line
    for value in (GRAY, 0.2, 0.8):
        assert np.array_equal(places(short, level(value))[1], places(wordy, level(value))[1])


def test_portraits_and_panoramas_fit_their_cells():
    for size in ((900, 60), (60, 900), (1, 1)):
        pair = row(size=size)
        drawn = pixels(draw_comparison([pair], width=900))
        assert drawn.shape[0] < 600
        ours = places(drawn, level(0.8))
        assert (np.ptp(ours[0]) + 1) / (np.ptp(ours[1]) + 1) == pytest.approx(size[0] / size[1], rel=0.06)


@pytest.mark.parametrize(("rows", "settings", "said"), [
    ([], {}, "no result"),
    ([ComparisonRow("a", {CONTENT: plain(9, 9), STYLE: plain(9, 9)})], {}, "no result"),
    ([row()], {"width": 300}, "3 columns is 424 to 6000 pixels wide, not 300"),
    ([row()], {"width": 9000}, "not 9000"),
    ([row()] * 40, {}, "40 rows .* draw 10 rows a figure"),
    ([row(name="p", Ours=plain(60, 91))], {}, "'Ours' of 'p' is 91x60 pixels, not 90x60"),
    ([row((Crop(80, 0, 20, 20),))], {}, "outside the picture"),
    ([row((Crop(0, 0, 9, 9),) * 5, name="p")], {}, "'p' has 5 crops"),
])  # fmt: skip
def test_what_cannot_be_drawn(rows, settings, said):
    with pytest.raises(ConfigError, match=said):
        draw_comparison(rows, **settings)


def test_the_width_and_the_number_of_rows_an_error_names_can_be_drawn():
    draw_comparison([row()], width=424)
    draw_comparison([row()] * 10)


@pytest.mark.parametrize("inset", [False, True])
def test_pages_hold_all_rows_in_order_and_as_many_as_can_be_drawn(inset):
    rows = [row((Crop(0, 0, 30, 20),) * (n % 3), name=f"pair {n}") for n in range(23)]
    pages = paginate(rows, inset=inset)
    assert [each.name for page in pages for each in page] == [each.name for each in rows]
    assert len(pages) > 1
    for page, following in zip(pages, [*pages[1:], None], strict=True):
        draw_comparison(page, inset=inset)
        if following:
            with pytest.raises(ConfigError, match="rows a figure"):
                draw_comparison([*page, following[0]], inset=inset)
    assert paginate(rows[:2]) == (tuple(rows[:2]),)


# --- text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["one", "some words of an ordinary length", "x" * 200, "a " + "y" * 90 + " b"]
)
def test_wrapped_lines_fit_and_lose_nothing(text):
    lines = wrap_text(text, FONT, 120)
    assert all(FONT.getlength(line) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_is_over_is_marked():
    lines = wrap_text("words " * 50, FONT, 120, lines=2)
    assert len(lines) == 2 and lines[-1].endswith("…") and FONT.getlength(lines[-1]) <= 120
    assert wrap_text("short", FONT, 120, lines=2) == ["short"]
    assert wrap_text("", FONT, 120, lines=2) == [""]


# --- real pictures -----------------------------------------------------------------------------------------


def test_a_real_pair_with_chosen_crops(luan60):
    def read(path):
        return np.moveaxis(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255, -1, 0)

    content, style = read(luan60 / "input" / "in4.png"), read(luan60 / "style" / "tar4.png")
    luan = read(luan60 / "luan_results" / "best4_t_1000.png")
    results = {"Luan et al.": luan, "Blurred": gaussian_filter(luan, (0, 2, 2))}
    crops = choose_crops(list(results.values()))
    assert len(crops) == 2 and all(crop.top > 150 for crop in crops)  # buildings, not the blurred sky
    drawn = pixels(
        draw_comparison([ComparisonRow("4", {CONTENT: content, STYLE: style, **results}, crops)], width=1200)
    )
    assert all(runs(places(drawn, color)[1]) >= 3 for color in COLORS[:2])
