"""What Prefect's UI is given: tables, pages and the contact sheet; and that it shows nothing altered."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from flows.display import pages
from flows.display.pages import draw_sheet, show_batch, show_evaluation
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from pst_core.pictures import thumbnail
from pst_core.store import open_store

pytestmark = pytest.mark.usefixtures("pst_home")

SHADES = {"content": 0.2, "style": 0.5, "result": 0.8}


def grey(shade):
    return thumbnail(np.full((3, 40, 60), shade, np.float32), 60)


def outcome(name, shift=0.0, **fields):
    previews = {
        role: open_store().put(grey(shade + shift), "preview", "jpg") for role, shade in SHADES.items()
    }
    return PairOutcome(**{"name": name, "state": "done", "previews": previews} | fields)


def summary(tmp_path, *outcomes):
    return Summary(out=tmp_path / "a|batch", outcomes=Outcomes.of(outcomes), total=len(outcomes))


def shades(sheet):
    """The greys of a sheet's pictures."""
    values, counts = np.unique(np.asarray(Image.open(io.BytesIO(sheet)).convert("L")), return_counts=True)
    return {round(value / 255, 2) for value, count in zip(values, counts, strict=True) if count > 1000} - {
        1.0
    }


@pytest.fixture
def made(monkeypatch):
    """What was given to Prefect, by the kind of artifact."""
    found = {}

    def note(kind):
        return lambda **fields: found.setdefault(kind, []).append(fields)

    for kind in ("table", "markdown"):
        monkeypatch.setattr(f"prefect.artifacts.create_{kind}_artifact", note(kind))
    return found


def picture_in(markdown):
    (data,) = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", markdown)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_page_tells_regions_as_their_maps_call_them():
    regions = {
        "colors": ["#0000ff", "#ffffff"], "names": ["value 9", "transparent"],
        "content_shares": [0.75, 0.25], "style_shares": [0.5, 0.5],
    }  # fmt: skip
    assert pages.region_rows(regions)[2:] == [
        r"| 0 | \#0000ff | 75.0% | 50.0% | value 9 |", r"| 1 | \#ffffff | 25.0% | 50.0% | transparent |",
    ]  # fmt: skip


def test_a_page_does_not_call_regions_by_the_colours_that_it_shows_them_in():
    regions = {
        "colors": ["#0000ff", "#ffffff"], "names": ["#0000FF", "#FFFFFF"],
        "content_shares": [0.75, 0.25], "style_shares": [0.5, 0.5],
    }  # fmt: skip
    assert pages.region_rows(regions)[0] == "| region | shown in | of the content | of the style |"
    assert pages.region_rows(regions)[2] == r"| 0 | \#0000ff | 75.0% | 50.0% |"


def test_a_sheet_shows_every_pair_there_is(tmp_path):
    assert shades(draw_sheet(summary(tmp_path, outcome("a"), outcome("b", 0.1)))) == {
        0.2, 0.3, 0.5, 0.6, 0.8, 0.9,
    }  # fmt: skip
    assert draw_sheet(summary(tmp_path, PairOutcome(name="c", state="failed"))) is None
    assert draw_sheet(summary(tmp_path)) is None


@pytest.mark.parametrize("harm", ["altered", "gone", "of another pair"])
def test_a_sheet_shows_nothing_that_was_altered(tmp_path, harm):
    whole, harmed, store = outcome("a"), outcome("b", 0.1), open_store()
    path = store.path_of(harmed.previews["result"])
    assert store.holds(harmed.previews["result"])  # what was verified before counts for nothing now
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(grey(0.0) if harm == "altered" else store.read(whole.previews["style"]))
    assert shades(draw_sheet(summary(tmp_path, whole, harmed))) == {0.2, 0.5, 0.8}
    assert draw_sheet(summary(tmp_path, harmed)) is None


def test_a_batchs_page_shows_the_sheet_that_was_drawn(tmp_path, made, monkeypatch):
    batch = summary(tmp_path, outcome("a"))
    sheet = draw_sheet(batch)
    monkeypatch.setattr(pages, "draw_sheet", None)  # once is enough
    show_batch(batch, sheet)
    (page,) = made["markdown"]
    assert picture_in(page["markdown"]).size == Image.open(io.BytesIO(sheet)).size
    assert page["markdown"].startswith("# a\\|batch\n")
    made.clear()
    show_batch(batch, None)
    assert list(made) == ["table"]


def test_a_batchs_table_has_the_listed_scores(tmp_path, made):
    scores = {"ssim_quick": 0.71249, "color_distance_quick": 3.456, "brisque": 20.0}
    good = outcome("a", scores=scores, models={"brisque": "LIVE's"}, steps=4, steps_cached=1, seconds=2.04)
    show_batch(
        summary(tmp_path, good, PairOutcome(name="b", state="failed", error="It is *no* picture.")), None
    )
    (table,) = made["table"]
    failed, done = table["table"]
    assert failed["why"] == "It is \\*no\\* picture." and failed["Quick SSIM"] == "n/a"
    assert done == {
        "pair": "a", "state": "done", "why": "", "steps cached": "1 of 4", "seconds": "2.0",
        "Quick SSIM": "0.712", "Quick colour distance": "3.46", "Quick Gram distance": "n/a",
        "Rim overshoot": "n/a", "Largest slope": "n/a", "BRISQUE": "20.000", "NIQE": "n/a", "folder": "",
    }  # fmt: skip
    assert table["description"] == "2 pairs: 1 done, 1 failed; BRISQUE by LIVE's"


def test_a_large_drawing_is_shrunk_until_the_page_can_hold_it(tmp_path, made):
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    show_evaluation(tmp_path / "`ev`", "| table |", buffer.getvalue())
    (page,) = made["markdown"]
    assert len(page["markdown"]) < 470_000 and "| table |" in page["markdown"]
    assert 400 < picture_in(page["markdown"]).width < 1200
