import io

import numpy as np
import pytest
from PIL import Image

from pst_core.images.writing import encode_levels
from pst_core.optimisation.record import Evaluation
from pst_core.pictures import (
    GAP,
    KINDS,
    TINT,
    _line,
    as_image,
    as_jpeg,
    as_png,
    draw_contact_sheet,
    draw_losses,
    draw_preview,
    draw_regions,
    draw_strengths,
    shrink_levels,
    shrink_picture,
    shrink_regions,
    thumbnail,
)
from pst_core.pipeline.plan import Stage
from pst_core.pipeline.trace import StageTrace
from pst_core.regions.labels import Regions

COLORS = np.array([[200, 30, 40], [20, 160, 60], [30, 50, 220]], np.uint8)


def opened(data, kind="PNG"):
    image = Image.open(io.BytesIO(data))
    assert image.format == kind
    image.load()
    return image


def stage(kind, totals, index=0):
    evaluations = tuple(Evaluation(place, total, total / 2, total / 2) for place, total in enumerate(totals))
    return StageTrace(Stage(index, index // 2, kind, 192, len(totals)), evaluations)


def drawn(*trace):
    return np.asarray(opened(draw_losses(trace)).convert("RGB")).astype(int)


def places(pixels, color):
    """Rows and columns of the pixels of exactly this colour."""
    return np.nonzero((pixels == np.array(color)).all(axis=-1))


# --- losses ------------------------------------------------------------------------------------------------


def test_each_kind_of_stage_has_its_colour():
    falling = [10.0, 5.0, 2.0, 1.0]
    for present in (["global"], ["regional"], ["global", "regional"]):
        pixels = drawn(*(stage(kind, falling, index) for index, kind in enumerate(present)))
        for kind, color in KINDS.items():
            assert (len(places(pixels, color)[0]) > 100) == (kind in present)
            assert (len(places(pixels, color)[0]) == 0) == (kind not in present)


def test_stages_follow_one_another_from_left_to_right():
    pixels = drawn(stage("global", [4.0, 3.0, 2.0, 1.0]), stage("regional", [4.0, 3.0, 2.0, 1.0], 1))
    assert places(pixels, KINDS["global"])[1].max() < places(pixels, KINDS["regional"])[1].min()


def test_a_curve_falls_where_its_loss_does_and_twelve_decades_stay_inside():
    pixels = drawn(stage("global", list(np.logspace(6, -6, 60))))
    rows, columns = places(pixels, KINDS["global"])
    curve = columns[rows < 318]  # without the name below the frame
    heights = {column: rows[(columns == column) & (rows < 318)].mean() for column in sorted(set(curve))}
    assert np.polyfit(list(heights), list(heights.values()), 1)[0] > 0.2  # rows count downwards
    assert min(heights.values()) < 50 and max(heights.values()) > 300
    assert rows.min() >= 25


def test_equal_shares_look_equal_whatever_the_losses_are():
    falling = [8.0, 4.0, 2.0, 1.0]
    assert draw_losses([stage("global", falling)]) == draw_losses(
        [stage("global", [1e-9 * x for x in falling])]
    )
    assert draw_losses([stage("global", falling)]) != draw_losses([stage("global", [8.0, 2.0, 2.0, 1.0])])


@pytest.mark.parametrize("trace", [
    [],
    [[]],
    [[1.0]],
    [[0.0]],
    [[0.0, 0.0, 0.0]],
    [[-1.0, -2.0, 3.0]],
    [[5.0] * 20],
    [[1.0, 2.0, 1e12]],
    [[0.0, 1e12]],
    [[1e-300, 1e300]],
    [[1e300, 1e-300]],
    [[1.0], [2.0, 1.0], []],
    [[2.0 / (step + 1) for step in range(3000)]],
    [[3.0, 2.0, 1.0]] * 60,
], ids=lambda trace: f"{len(trace)} stages {str(trace)[:30]}")  # fmt: skip
def test_losses_of_any_kind_are_drawn(trace):
    kinds = ["global", "regional"]
    data = draw_losses([stage(kinds[index % 2], totals, index) for index, totals in enumerate(trace)])
    image = opened(data)
    assert image.size == (800, 360)
    pixels = np.asarray(image).astype(int)
    for index, totals in enumerate(trace[:2]):
        if totals:
            rows, columns = places(pixels, KINDS[kinds[index]])
            assert len(rows) > 0
            assert columns.min() >= 60 and columns.max() <= 790


# --- regions -----------------------------------------------------------------------------------------------


def labels(height, width, seed):
    return np.random.default_rng(seed).integers(0, 3, (height, width)).astype(np.int16)


def test_regions_are_shown_pixel_by_pixel_in_their_colours():
    regions = Regions(labels(30, 50, 1), labels(44, 21, 2), COLORS)
    pixels = np.asarray(opened(draw_regions(regions)))
    assert pixels.shape[0] == 44 and pixels.shape[1] > 50 + 21
    np.testing.assert_array_equal(pixels[:30, :50], COLORS[regions.content])
    np.testing.assert_array_equal(pixels[:, -21:], COLORS[regions.style])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_preview_is_a_picture_of_either_side_under_its_regions_colours(form):
    here = np.zeros((80, 60), np.int16)
    here[40:], here[:, :5] = 1, -1
    there = np.zeros((70, 90), np.int16)
    there[:, 45:] = 2
    photographs = np.full((3, 80, 60), 0.5, np.float32), np.full((3, 70, 90), 0.25, np.float32)
    said = {"names": ("sky", "sea", "tree"), "model": "a model", "confidence": (1, 0.5, 0)}
    found = Regions(here, there, COLORS, "onnx", **said)
    pixels = np.asarray(opened(draw_preview(*photographs, found, form), form).convert("RGB")).astype(float)
    assert pixels.shape[0] > 80 + 4 * 20 and pixels.shape[1] >= 60 + GAP + 90
    for place, gray, color in (
        ((3, 50), 0.5, COLORS[0]), ((77, 50), 0.5, COLORS[1]), ((60, 2), 0.5, (255, 255, 255)),
        ((3, 60 + GAP + 10), 0.25, COLORS[0]), ((66, 60 + GAP + 80), 0.25, COLORS[2]),
    ):  # fmt: skip
        expected = (1 - TINT) * 255 * gray + TINT * np.array(color)
        np.testing.assert_allclose(pixels[place], expected, atol=1.5 if form in ("PNG", "TIFF") else 14)


def test_a_preview_says_of_each_region_what_becomes_of_it():
    here, there = np.zeros((40, 40), np.int16), np.zeros((40, 40), np.int16)
    here[20:], there[30:] = 1, 2
    found = Regions(here, there, COLORS, "semantic", names=("sky", "sea", "tree"), confidence=(0.875, 1, 1))
    assert [_line(found, index) for index in range(3)] == [
        "0 sky: 50.0% of the content, 75.0% of the style, confidence 0.88",
        "1 sea: 50.0% of the content, 0.0% of the style, no counterpart",
        "2 tree: 0.0% of the content, 25.0% of the style, not used",
    ]


def test_what_lies_beside_the_regions_has_none_of_their_colours():
    pixels = np.asarray(opened(draw_regions(Regions(labels(30, 50, 1), labels(44, 21, 2), COLORS))))
    beside = np.concatenate([pixels[:, 50:-21].reshape(-1, 3), pixels[30:, :50].reshape(-1, 3)])
    assert len(beside) > 0
    for color in COLORS:
        assert not (beside == color).all(axis=-1).any()


@pytest.mark.parametrize("shape", [(1025, 300), (700, 2100), (2101, 1400)])
def test_large_maps_are_shrunk_without_new_colours(shape):
    here = np.zeros(shape, np.int16)
    here[: shape[0] // 2], here[shape[0] // 2 :, shape[1] // 2 :] = 1, 2
    pixels = np.asarray(opened(draw_regions(Regions(here, labels(20, 20, 1), COLORS))))
    height, width = pixels.shape[0], pixels.shape[1] - 20
    width -= next(gap for gap in range(width) if (pixels[:, width - gap - 1] == COLORS[1]).any())
    assert 500 <= max(height, width) <= 1024
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.02)
    for place, region in (((0.2, 0.5), 1), ((0.8, 0.2), 0), ((0.8, 0.8), 2)):
        found = pixels[int(place[0] * height), int(place[1] * width)]
        assert found.tolist() == COLORS[region].tolist()
    shown = {tuple(color) for color in pixels[:, :width].reshape(-1, 3).tolist()}
    assert shown == {tuple(color) for color in COLORS.tolist()}


# --- thumbnails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "side", "size"), [
    ((300, 400), 100, (100, 75)),
    ((400, 300), 100, (75, 100)),
    ((64, 64), 32, (32, 32)),
    ((30, 40), 100, (40, 30)),  # never enlarged
    ((10, 4000), 200, (200, 1)),
])  # fmt: skip
def test_a_thumbnail_has_its_long_side_and_the_pictures_colours(shape, side, size):
    color = np.array([0.8, 0.3, 0.5], np.float32)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 0.03, (1, *shape)).astype(np.float32)
    pixels = color + noise
    image = opened(thumbnail(pixels, side), "JPEG")
    assert image.size == size and image.mode == "RGB"
    means = np.asarray(image).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(means, 255 * pixels.mean(axis=(1, 2)), atol=3)


def test_a_thumbnail_shows_things_where_they_are():
    pixels = np.zeros((3, 200, 300), np.float32)
    pixels[0, :100, :150], pixels[1, :100, 150:], pixels[2, 100:, :150] = 1, 1, 1
    found = np.asarray(opened(thumbnail(pixels, 60), "JPEG")).astype(int)
    for row, column, expected in ((10, 15, (255, 0, 0)), (10, 45, (0, 255, 0)), (30, 15, (0, 0, 255))):
        np.testing.assert_allclose(found[row, column], expected, atol=8)


def test_values_out_of_range_are_clipped_and_not_wrapped():
    pixels = np.stack([np.full((32, 32), value, np.float32) for value in (1.4, -0.4, 0.5)])
    found = np.asarray(opened(thumbnail(pixels, 32), "JPEG")).astype(int)
    np.testing.assert_allclose(found[16, 16], (255, 0, 128), atol=4)


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("P", "PNG")])
def test_an_encoded_picture_is_shrunk_as_jpeg(mode, kind):
    image = opened(shrink_picture(encoded((204, 102, 51), (400, 300), kind, mode), 100), "JPEG")
    assert image.size == (100, 75)
    np.testing.assert_allclose(np.asarray(image).reshape(-1, 3).mean(axis=0), (204, 102, 51), atol=4)
    assert opened(shrink_picture(encoded((0, 0, 0), (40, 30)), 100), "JPEG").size == (40, 30)


@pytest.mark.parametrize(("kind", "channels"), [(np.uint8, 3), (np.uint8, 4), (np.uint16, 3), (np.uint16, 4)])
def test_levels_shrink_as_they_do_once_they_are_encoded(kind, channels):
    samples = np.random.default_rng(0).integers(
        0, np.iinfo(kind).max, (60, 90, channels), kind, endpoint=True
    )
    assert shrink_levels(samples, 40) == shrink_picture(encode_levels(samples), 40)


@pytest.mark.parametrize("made", [1.0, 0.5, 2.0])
def test_strengths_go_from_the_content_to_the_result_and_beyond_within_range(made):
    """Of flat pictures: each is the mixture, and stops where its first channel leaves the range."""
    before, after = np.array([0.5, 0.5, 0.4]), np.array([0.7, 0.4, 0.4])
    pictures = [thumbnail(np.broadcast_to(each[:, None, None], (3, 60, 90)), 90) for each in (before, after)]
    sheet = np.asarray(opened(draw_strengths(*pictures, made, side=90), "JPEG"), np.float32) / 255
    for place, strength in enumerate((0, 0.5, 1, 1.5, 2)):
        share = min(strength / made, 0.5 / 0.2)  # where red is 1
        shown = sheet[50, place * (90 + 12) + 45]
        assert np.abs(shown - (before + share * (after - before))).max() < 0.02


def test_drawn_regions_are_shrunk_without_new_colours():
    large = Regions(labels(700, 900, 1) // 3, labels(700, 900, 2) // 3 + 1, COLORS)
    image = opened(shrink_regions(draw_regions(large)))
    assert image.mode == "P" and image.width <= 900 and image.height <= 400
    pixels = np.asarray(image.convert("RGB"))
    shown = {tuple(color) for color in pixels.reshape(-1, 3).tolist()}
    assert {tuple(color) for color in COLORS[:2].tolist()} < shown and len(shown) <= 4


@pytest.mark.parametrize("most", [10**6, 60_000, 5_000])
def test_a_picture_is_brought_below_so_many_bytes(most):
    noise = np.random.default_rng(0).random((3, 300, 400), np.float32)
    data = as_jpeg(as_png(as_image(noise)), most)
    image = opened(data, "JPEG")
    assert len(data) < most and image.width / image.height == pytest.approx(4 / 3, rel=0.05)
    assert (image.width == 400) == (most == 10**6)


# --- contact sheet -----------------------------------------------------------------------------------------

NINE = [(250 - 30 * (k % 3), 20 + 80 * (k // 3), 40 + 70 * (k % 3)) for k in range(9)]


def opened_sheet(rows, **layout):
    return opened(draw_contact_sheet(rows, **layout))


def encoded(color, size=(80, 60), kind="PNG", mode="RGB"):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def boxes(sheet, colors):
    """Bounding box (left, top, right, bottom, inclusive) of each colour in a sheet."""
    pixels, found = np.asarray(sheet), []
    for color in colors:
        rows, columns = places(pixels, color)
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # a whole rectangle
        found.append((columns.min(), rows.min(), columns.max(), rows.max()))
    return found


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_every_picture_is_whole_and_in_its_place(columns):
    rows = [(f"pair {k}", [encoded(color) for color in NINE[3 * k : 3 * k + 3]]) for k in range(3)]
    sheet = opened_sheet(rows, columns=columns, side=40)
    found = boxes(sheet, NINE)
    assert all((right - left, bottom - top) == (39, 29) for left, top, right, bottom in found)
    for k in range(3):
        first, second, third = found[3 * k : 3 * k + 3]
        assert first[2] < second[0] and second[2] < third[0]  # content, style, result
        assert first[1] == second[1] == third[1]
        same_line = k % columns != 0
        if k and same_line:
            assert found[3 * k - 1][2] < first[0] and found[3 * k - 1][1] == first[1]
        elif k:
            assert found[0][0] == first[0] and found[3 * k - 3][3] < first[1]
    assert max(box[2] for box in found) < sheet.width <= max(box[2] for box in found) + 40
    assert max(box[3] for box in found) < sheet.height <= max(box[3] for box in found) + 40


def test_pictures_of_every_encoding_are_taken():
    pictures = [
        encoded(NINE[0], (200, 100)), encoded(NINE[1], (50, 100), "JPEG"), encoded(NINE[2], (99, 7), "WEBP"),
        encoded(NINE[3], mode="P"), encoded(NINE[4], mode="RGBA"), encoded((90, 90, 90), mode="L"),
    ]  # fmt: skip
    sheet = opened_sheet([("a", pictures)], side=50)
    assert sheet.mode == "RGB"
    left, top, right, bottom = boxes(sheet, NINE[:1])[0]
    assert (right - left, bottom - top) == (49, 24)
    pixels = np.asarray(sheet).astype(int)
    for k, color in enumerate([*NINE[:5], (90, 90, 90)]):
        found = pixels[top + 1, left + 54 * k + 5]
        assert np.abs(found - np.array(color)).max() < 25


def test_rows_may_have_fewer_pictures_or_none():
    sheet = opened_sheet([("a", [encoded(NINE[0])]), ("b", []), ("c", [encoded(NINE[1])] * 2)], side=40)
    assert len(places(np.asarray(sheet), NINE[0])[0]) == 40 * 30
    assert len(places(np.asarray(sheet), NINE[1])[0]) == 2 * 40 * 30


def test_an_empty_sheet_is_a_picture_all_the_same():
    sheet = opened_sheet([])
    assert min(sheet.size) > 0
    assert (np.asarray(sheet) == 255).all()


@pytest.mark.parametrize("name", ["x" * 500, "Ein sehr langer Name " * 20, "日本" * 200, "é" * 41, "W" * 33])
def test_a_long_name_is_shortened_and_leaves_its_neighbour_alone(name):
    def sheet(first):
        rows = [(first, [encoded(NINE[0])] * 3), ("", [encoded(NINE[1])] * 3)]
        return np.asarray(opened_sheet(rows, side=80))

    long, none = sheet(name), sheet("")
    assert long.shape == none.shape
    changed = np.nonzero((long != none).any(axis=-1))
    assert len(changed[0]) > 20
    border = places(none, NINE[1])[1].min()
    assert changed[1].max() < border
    assert changed[0].max() < places(none, NINE[0])[0].min()  # nor is it drawn over its pictures


def test_both_ends_of_a_long_name_are_kept():
    def label(name):
        return np.asarray(opened_sheet([(name, [encoded(NINE[0])] * 3)], side=80))[:20]

    middle = "m" * 100
    assert not np.array_equal(label(f"a{middle}z"), label(f"b{middle}z"))
    assert not np.array_equal(label(f"a{middle}z"), label(f"a{middle}y"))


@pytest.mark.parametrize("name", [
    "tab\t", "\x07", "", "\ud800",
])  # fmt: skip
def test_a_name_that_is_hard_to_draw_does_not_stop_the_sheet(name):
    sheet = opened_sheet([(name, [encoded(NINE[0])])], side=40)
    assert len(places(np.asarray(sheet), NINE[0])[0]) == 40 * 30
