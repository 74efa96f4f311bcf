from dataclasses import replace

import numpy as np
import pytest
from drawn_pictures import GRAY, pixels, plain, row, tint
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop, choose_crops
from pst_core.evaluation.figures import draw_ablation, draw_comparison
from pst_core.evaluation.layout import COLORS, CONTENT, STYLE, ComparisonRow


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
