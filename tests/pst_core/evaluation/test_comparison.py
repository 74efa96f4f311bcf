import io

import numpy as np
import pytest
from PIL import Image

from pst_core.evaluation import comparison
from pst_core.evaluation.comparison import draw_pages
from pst_core.evaluation.crops import Crop
from pst_core.evaluation.figures import SHADE, draw_ablation, draw_comparison
from pst_core.evaluation.layout import CONTENT, STYLE, ComparisonRow
from pst_core.images.reading import read_photograph


@pytest.fixture
def pair(tmp_path):
    """Return a function that keeps pictures of random pixels, and makes a pair of them."""

    def save(name, width=60, height=40):
        path, rng = tmp_path / f"{name}.png", np.random.default_rng(len(list(tmp_path.iterdir())))
        if not path.exists():
            Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        return path

    def make(name="p0", size=(60, 40), **results):
        found = {title: path if path is None else save(*path) for title, path in results.items()}
        return name, {CONTENT: save(f"{name} content", *size), STYLE: save(f"{name} style", 50, 50), **found}

    return make


def row(pair, crops=()):
    name, files = pair
    return ComparisonRow(name, {title: read_photograph(path).pixels for title, path in files.items()}, crops)


def grey_share(page):
    pixels = np.asarray(Image.open(io.BytesIO(page)))
    return (pixels == np.array(SHADE)).all(axis=-1).mean()


def test_pages_are_the_figures_of_the_files(pair):
    one = pair(Ours=("ours",), Theirs=("theirs",))
    crops = (Crop(5, 5, 12, 9),)
    assert list(draw_pages([one], crops)) == [draw_comparison([row(one, crops)])]
    assert list(draw_pages([one], crops, ablation=True)) == [draw_ablation([row(one)])]


def test_details_are_found_between_the_methods(pair, monkeypatch):
    seen = []

    def choose(pictures):
        seen.append(list(pictures))
        return (Crop(1, 1, 9, 9),)

    monkeypatch.setattr(comparison, "choose_crops", choose)
    one, none = pair(Ours=("ours",)), pair("p1", Ours=None)
    list(draw_pages([one, none]))
    ours, content = (read_photograph(path).pixels for path in (one[1]["Ours"], none[1][CONTENT]))
    assert [len(each) for each in seen] == [1, 1]
    assert np.array_equal(seen[0][0], ours) and np.array_equal(seen[1][0], content)
    list(draw_pages([one], ablation=True))
    assert len(seen) == 2


@pytest.mark.parametrize("spoil", ["missing", "broken", "another view"])
def test_a_result_that_cannot_be_shown_is_a_grey_cell(pair, spoil):
    size = (40, 60) if spoil == "another view" else (60, 40)
    one = pair(Ours=("ours",), Theirs=None if spoil == "missing" else ("theirs", *size))
    if spoil == "broken":
        one[1]["Theirs"].write_bytes(b"no picture")
    (page,) = draw_pages([one])
    assert grey_share(page) > 0.05 > grey_share(next(draw_pages([pair("p1", Ours=("ours",))])))


def test_many_pairs_take_pages_and_few_are_in_memory(pair, monkeypatch):
    pairs = [pair(f"p{number}", size=(40, 90), Ours=(f"ours {number}", 40, 90)) for number in range(20)]
    held = []
    paginate = comparison.paginate
    monkeypatch.setattr(
        comparison, "paginate", lambda rows, **way: held.append(len(rows)) or paginate(rows, **way)
    )
    assert len(list(draw_pages(pairs))) >= 3
    assert held == [8, 8, 4]
