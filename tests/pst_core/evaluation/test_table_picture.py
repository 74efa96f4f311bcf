import io

import numpy as np
from measured_rows import FACTS, METHODS, complete, measured
from PIL import Image

from pst_core.evaluation.table import tabulate
from pst_core.evaluation.table_picture import draw_table
from pst_core.evaluation.table_text import to_markdown


def size(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    image.load()
    return image.size


def test_nothing_measured_is_a_table_too():
    table = tabulate([], METHODS)
    assert table.cells["luan", "ssim"].own.count == 0
    assert "n/a" in to_markdown(table, FACTS)
    size(draw_table(table, FACTS))
    size(draw_table(tabulate([], []), {}))


def test_the_picture_grows_with_methods_and_facts_and_keeps_its_margins():
    table = tabulate(complete(), METHODS)
    small, more = (np.asarray(Image.open(io.BytesIO(draw_table(table, facts))).convert("L"))
                   for facts in ({}, {"Fact": "word " * 100}))  # fmt: skip
    assert more.shape[0] > small.shape[0] and more.shape[1] == small.shape[1]
    for pixels in (small, more):
        inked = np.nonzero(pixels < 250)
        assert inked[0].min() >= 40 and inked[0].max() < pixels.shape[0] - 30
        assert inked[1].min() >= 40 and inked[1].max() < pixels.shape[1] - 40
    assert size(draw_table(tabulate(complete(), METHODS[:2]), {}))[1] == small.shape[0] - 50


def test_the_best_is_drawn_bolder():
    rows = [measured("a", "luan", {"brisque": 2.0}), measured("a", "yang", {"brisque": 2.0})]
    equal = tabulate(rows, ["luan", "yang"])
    worse = tabulate([rows[0], measured("a", "yang", {"brisque": 3.0})], ["luan", "yang"])
    pictures = [np.asarray(Image.open(io.BytesIO(draw_table(table, {}))).convert("L"), int)
                for table in (equal, worse)]  # fmt: skip
    assert pictures[0].shape == pictures[1].shape
    assert (255 - pictures[0]).sum() > (255 - pictures[1]).sum()
    assert np.nonzero(pictures[0] != pictures[1])[0].size


def test_long_names_and_many_gaps_leave_a_picture_of_ordinary_size():
    name = "a method with a name " * 20
    rows = [measured(f"p{n}", name, {"ssim": None}, {"ssim": f"reason {n}"}) for n in range(60)]
    width, height = size(draw_table(tabulate(rows, [name, "日本 $x^2$"]), FACTS))
    assert width < 3000 and height < 2000
    assert to_markdown(tabulate(rows, [name]), {}).count("reason") == 60
