"""Pairs and batches through Prefect: what is kept, what is computed, what is retried, what goes on."""

import errno
import functools
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from batch_runs import QUICK, finals, make_folder, overrides_of
from outcome_tables import read_outcomes
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from pyarrow import parquet

from flows import batch, shard
from flows.batch import run_batch, stylize_folder
from flows.orders.batch_order import BatchOrder, check_order, find_orders
from flows.pair import stylize_pair
from flows.results import finished
from flows.results.outcomes import PairOutcome
from flows.results.standing import find_standings
from pst_core import Config, stylize
from pst_core.errors import OutputError
from pst_core.images.embedding import read_recipe
from pst_core.images.reading import read_photograph
from pst_core.quality.models import load_quality_models
from pst_core.store import open_store
from pst_core.store.upkeep import prune, verify
from tasks import (
    explaining,
    filtering,
    optimisation,
    precomputation,
    rendering,
    scoring,
    segmentation,
    starting,
)

UNITS = (
    segmentation.segment, precomputation.precompute, starting.start, starting.enlarge, optimisation.optimise,
    filtering.filter_image, rendering.render, scoring.score, explaining.explain,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@pytest.fixture
def computed(monkeypatch):
    """Names of the units of work that are computed, in order."""
    begun = []

    def noted(unit, work):
        @functools.wraps(work)
        def begin(*args, **inputs):
            begun.append(unit.name)
            return work(*args, **inputs)

        return begin

    for unit in UNITS:
        monkeypatch.setattr(unit, "fn", noted(unit, unit.fn))
    return begun


def run_pair(folder, out, name="p0", **settings):
    paths = {
        role: folder / sub / f"{name}.png"
        for role, sub in (("content", "content"), ("style", "style"), ("content_map", "content_maps"),
                          ("style_map", "style_maps"))
    }  # fmt: skip
    return stylize_pair(**paths, out=out, name=name, settings=overrides_of(QUICK | settings))


def run_folder(source, out, *, settings=QUICK, **order):
    state = stylize_folder(
        source=source, out=out, settings=overrides_of(settings), return_state=True, **order
    )
    return state, state.result(raise_on_failure=False)


# Every setting that has a part in some step, away from its default: a step that forgot to be given one of
# them would compute with the default, and the two ways would part.
ODD = {
    "regions": 2, "unmatched": "leave", "min_region_share": 0.01, "mask_softness": 2, "content_weight": 2.0,
    "common_content": "none", "max_slope": 2.0, "rim_removal": 0.5, "upsampling_tolerance": 0.05,
    "style_weight": 11.0, "gram": "paper", "layer_scale": "none", "scales": 2, "optimizer": "adam",
    "step": 0.5, "history": 3, "init": "random", "filter": "highpass", "filter_radius": 2,
    "filter_epsilon": 0.01,
    "filter_sigma": 0.7, "filter_strength": 0.3, "tv_weight": 0.1, "color_match": 0.4, "detail": 0.3,
    "strength": 0.7,
    "upsampling": "bicubic", "upsampling_radius": 2, "upsampling_epsilon": 0.01, "bit_depth": 16, "seed": 5,
    "size": 70, "precision": "float32", "color_weight": 70.0, "evenness_weight": 9.0, "filter_inside": False,
}  # fmt: skip
WAYS = {
    "default": {}, "odd": ODD,
    "odd guided": ODD | {
        "filter": "guided", "filter_inside": True, "upsampling": "guided", "gram": "normalized",
    },
    "odd gaussian": ODD | {"filter": "gaussian", "init": "content", "optimizer": "lbfgs"},
    "odd tv": ODD | {"filter": "tv", "color_weight": 0.0, "init": "color", "layer_scale": "pair"},
    "no stages": {"rounds": 0},
    "no stages, Reinhard": {"rounds": 0, "init": "reinhard", "regions": 1, "strength": 1.4},
    "no stages, histograms": {"rounds": 0, "init": "histogram", "colors": "content"},
    "image terms": {
        "edge_weights": {"2": 9.0, "4": 3.0}, "matting_weight": 50.0, "matting_epsilon": 1e-5,
        "smoothness_weight": 7.0, "colors": "content", "rounds": 2, "matting_from": 2,
    },
    "patches": {
        "style_term": "patches", "semantic_weight": 3.0, "style_layers": {"conv2_1": 1.0}, "scales": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("maps", [True, False])
def test_the_flow_gives_the_librarys_pixels(tmp_path, way, maps):
    settings = QUICK | WAYS[way]
    folder = make_folder(tmp_path / "in", 1)
    paths = {"content": folder / "content" / "p0.png", "style": folder / "style" / "p0.png"}
    if maps:
        paths |= {
            "content_map": folder / "content_maps" / "p0.png",
            "style_map": folder / "style_maps" / "p0.png",
        }
    stylize_pair(**paths, out=tmp_path / "out", name="p0", settings=overrides_of(settings))
    expected = stylize(**paths, config=Config(**settings)).image
    found = read_photograph(tmp_path / "out" / "p0" / "result.png")
    levels = 65535 if settings.get("bit_depth") == 16 else 255
    assert found.bit_depth == (16 if levels == 65535 else 8)
    np.testing.assert_array_equal(np.rint(found.pixels * levels), np.rint(expected * levels))


def test_a_second_run_computes_nothing_and_a_new_name_neither(tmp_path, computed):
    folder = make_folder(tmp_path / "in", 1)
    first = run_pair(folder, tmp_path / "out")
    assert (first.state, first.steps_cached) == ("done", 0) and len(computed) == first.steps
    computed.clear()
    again = run_pair(folder, tmp_path / "out")
    assert (again.state, again.steps_cached, computed) == ("cached", first.steps, [])
    for sub in ("content", "style", "content_maps", "style_maps"):
        (folder / sub / "p0.png").rename(folder / sub / "other name.png")
    renamed = run_pair(folder, tmp_path / "out", name="other name")
    assert (renamed.state, computed) == ("cached", [])
    pictures = [
        read_photograph(tmp_path / "out" / name / "result.png").pixels for name in ("p0", "other name")
    ]
    np.testing.assert_array_equal(*pictures)
    recipe = read_recipe(tmp_path / "out" / "other name" / "result.png")
    assert recipe["inputs"]["content"]["name"] == "other name.png"


def test_the_filters_radius_leaves_regions_features_and_first_image(tmp_path, computed):
    folder = make_folder(tmp_path / "in", 1)
    run_pair(folder, tmp_path / "out")
    computed.clear()
    run_pair(folder, tmp_path / "out", filter_radius=2)
    assert "segment" not in computed and "precompute" not in computed and "start" not in computed
    # The losses see the image as the filter leaves it: every stage is another one.
    assert computed.count("filter") == computed.count("optimise") == 4


def test_several_styles_are_those_of_the_library_and_their_shares_leave_the_regions(tmp_path, computed):
    folder, files = make_folder(tmp_path / "in", 2), {}
    for role in ("content", "style"):
        files |= {role: folder / role / "p0.png", f"{role}_map": folder / f"{role}_maps" / "p0.png"}
    other = folder / "style" / "p1.png", folder / "style_maps" / "p1.png"
    for shares in ((0.7, 0.3), (0.3, 0.7)):
        computed.clear()
        outcome = stylize_pair(
            **files, further_styles=(other[0],), further_style_maps=(other[1],), out=tmp_path / "out",
            name="p0", settings=overrides_of(QUICK | {"shares": shares}),
        )  # fmt: skip
        assert (outcome.state, len(computed)) == ("done", outcome.steps - outcome.steps_cached)
        assert ("segment" in computed) == (shares == (0.7, 0.3)) and "precompute" in computed
        expected = stylize(
            files["content"], [files["style"], other[0]], files["content_map"],
            [files["style_map"], other[1]], Config(**QUICK, shares=shares),
        ).image  # fmt: skip
        found = read_photograph(tmp_path / "out" / "p0" / "result.png")
        np.testing.assert_array_equal(np.rint(found.pixels * 255), np.rint(expected * 255))
    report = json.loads((tmp_path / "out" / "p0" / "report.json").read_text())
    assert report["shares"] == {"style": 0.3, "style_2": 0.7} and len(report["further_regions"]) == 1
    assert report["inputs"]["style_2"]["name"] == "p1.png" and outcome.scores["color_distance_quick"] > 0


def test_another_strength_takes_the_last_step_alone_and_is_measured_as_delivered(
    tmp_path, computed, monkeypatch
):
    pages = []
    monkeypatch.setattr(
        "prefect.artifacts.create_markdown_artifact", lambda markdown, **_: pages.append(markdown)
    )
    folder, found = make_folder(tmp_path / "in", 1), {}
    for strength in (1.0, 0.5, 0.0):
        computed.clear()
        outcome = run_pair(folder, tmp_path / "out", strength=strength, bit_depth=16)
        found[strength] = read_photograph(tmp_path / "out" / "p0" / "result.png").pixels, outcome.scores
        assert strength == 1 or computed == ["render", "score"]
        assert outcome.strength == strength
        # Of a result that is the content no others can be told.
        assert ("![the result at other strengths](data:image/jpeg" in pages[-1]) == (strength > 0)
        report = json.loads((tmp_path / "out" / "p0" / "report.json").read_text())
        assert (
            report["settings"]["strength"] == strength
            and report["scores"]["ssim_quick"] == outcome.scores["ssim_quick"]
        )
    content = read_photograph(folder / "content" / "p0.png").pixels
    np.testing.assert_array_equal(found[0.0][0], content)
    np.testing.assert_allclose(found[0.5][0], (content + found[1.0][0]) / 2, atol=1.01 / 65535)
    assert found[0.0][1]["ssim_quick"] == 1 > found[0.5][1]["ssim_quick"] > found[1.0][1]["ssim_quick"]


def test_metadata_leaves_all_but_the_last_picture(tmp_path, computed):
    folder, exif, content = make_folder(tmp_path / "in", 1), Image.Exif(), tmp_path / "in/content/p0.png"
    exif[271], exif[34853] = "Maker", {1: "N", 2: (48.0, 8.0, 0.5)}
    with Image.open(content) as image:
        image.save(content, exif=exif, xmp=b"", pnginfo=None, dpi=(300, 300))
    found = {}
    for policy in ("without-place", "all", "none"):
        computed.clear()
        outcome = run_pair(folder, tmp_path / "out", metadata=policy)
        if policy != "without-place":
            assert computed == ["render"]
        with Image.open(Path(outcome.folder) / "result.png") as image:
            found[policy] = dict(image.getexif()).keys(), image.info.get("dpi"), np.asarray(image).tobytes()
    assert set(found["without-place"][0]) == {271} and set(found["all"][0]) == {271, 34853}
    assert found["without-place"][1] == found["all"][1] == pytest.approx((300, 300), abs=0.01)
    assert found["none"][:2] == ({}.keys(), None)
    assert len({pixels for _, _, pixels in found.values()}) == 1


def test_a_note_tells_what_of_it_could_not_go_along(tmp_path, computed):
    folder, content = make_folder(tmp_path / "in", 1), tmp_path / "in/content/p0.png"
    with Image.open(content) as image:
        image.save(content, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert "The content's EXIF left out: it is broken." in run_pair(folder, tmp_path / "out").notes
    assert not any("EXIF" in note for note in run_pair(folder, tmp_path / "out", metadata="none").notes)


def test_what_comes_after_a_deleted_artifact_is_found_again(tmp_path, computed):
    folder = make_folder(tmp_path / "in", 1)
    run_pair(folder, tmp_path / "out")
    wanted = finals(tmp_path / "out")
    computed.clear()
    for path in (open_store().root / "objects").rglob("*.png"):
        path.unlink()
    run_pair(folder, tmp_path / "out")
    assert sorted(computed) == ["explain", "render"]
    assert finals(tmp_path / "out") == wanted and not verify(open_store())


def test_a_batch_ends_with_tables_sheet_and_folders(tmp_path, computed):
    source = make_folder(tmp_path / "in", 2)
    (source / "content" / "p1.png").write_bytes(b"no picture")
    (source / "content" / "lonely.png").write_bytes((source / "content" / "p0.png").read_bytes())
    state, summary = run_folder(source, tmp_path / "out")
    assert state.is_failed() and state.message == "3 pairs: 1 done, 2 failed"
    assert summary.counts == {"done": 1, "failed": 2}
    errors = {outcome.name: outcome.error for outcome in summary.failed}
    assert "p1.png" in errors["p1"] and "no style photograph" in errors["lonely"]
    rows = parquet.read_table(tmp_path / "out" / "batch.parquet").to_pylist()
    assert {row["name"]: row["state"] for row in rows} == {"p0": "done", "p1": "failed", "lonely": "failed"}
    assert read_outcomes(tmp_path / "out") == [*summary.outcomes]
    models = load_quality_models()
    assert summary.models.startswith("Quick Gram distance by untrained network, sha256 ")
    assert summary.models.endswith(f", BRISQUE by {models.brisque.name}, NIQE by {models.niqe.name}")
    assert summary.models in (tmp_path / "out" / "gallery.html").read_text()
    with Image.open(tmp_path / "out" / "contact.png") as sheet:
        assert sheet.width > 600
    assert {path.name for path in (tmp_path / "out" / "p0").iterdir()} == {
        "result.png", "report.json", "losses.parquet", "losses.png", "regions.png",
    }  # fmt: skip
    computed.clear()
    (source / "content" / "lonely.png").unlink()
    (source / "content" / "p1.png").write_bytes((source / "content" / "p0.png").read_bytes())
    state, summary = run_folder(source, tmp_path / "out")
    assert state.is_completed() and summary.counts == {"cached": 1, "done": 1}
    assert not (tmp_path / "out" / "failed.jsonl").exists()


def test_a_pairs_run_stands_under_its_batchs_and_says_what_it_was_given(tmp_path):
    source, out = make_folder(tmp_path / "in", 2), tmp_path / "out"
    Image.new("RGB", (50, 40)).save(source / "content_maps" / "p1.png")
    order = BatchOrder(source=source, out=out, settings=QUICK)
    summary = run_batch(order, check_order(order))
    assert summary.counts == {"done": 1, "failed": 1} and summary.sentence == "2 pairs: 1 done, 1 failed"
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=50, sort=FlowRunSort.START_TIME_DESC)
        batch = next(run for run in runs if run.parameters.get("order", {}).get("out") == str(out))
        steps = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [batch.id]}))
        flows = {run.name: client.request("GET", f"/flows/{run.flow_id}").json()["name"] for run in runs}
    pairs = {run.name: run for run in runs if run.parent_task_run_id in [step.id for step in steps]}
    assert (batch.name, batch.state_name, flows[batch.name]) == ("in default", "Failed", "stylize-folder")
    assert {name: run.state_name for name, run in pairs.items()} == {"p0": "Completed", "p1": "Failed"}
    assert flows["p0"] == flows["p1"] == "stylize-pair"
    given = pairs["p0"].parameters["plan"]
    assert given["order"]["pair"]["content"] == str(source / "content" / "p0.png")
    assert given["order"]["config"]["size"] == QUICK["size"] and len(given["files"]["style"]["sha256"]) == 64


def test_the_list_of_failures_is_a_manifest(tmp_path):
    source = make_folder(tmp_path / "in", 2)
    good = (source / "style" / "p1.png").read_bytes()
    (source / "style" / "p1.png").write_bytes(good[:100])
    run_folder(source, tmp_path / "out")
    (source / "style" / "p1.png").write_bytes(good)
    state, summary = run_folder(tmp_path / "out" / "failed.jsonl", tmp_path / "out", allow_outside=True)
    assert state.is_completed() and [outcome.name for outcome in summary.outcomes] == ["p1"]
    assert (tmp_path / "out" / "p1" / "result.png").exists()


def test_a_fault_that_passes_is_retried_and_bad_input_never(tmp_path, monkeypatch):
    attempts = []
    work = filtering.filter_image.fn

    @functools.wraps(work)
    def stalls(**inputs):
        attempts.append("filter")
        if len(attempts) == 2:
            raise OutputError("the disk stalled") from OSError(errno.EIO, "Input/output error")
        return work(**inputs)

    monkeypatch.setattr(filtering.filter_image, "fn", stalls)
    monkeypatch.setattr(filtering.filter_image, "retry_delay_seconds", [0.01] * 3)
    folder = make_folder(tmp_path / "in", 1)
    assert run_pair(folder, tmp_path / "out").state == "done"
    assert len(attempts) == 5  # four filters, one of them twice
    bad = []
    reading = segmentation.segment.fn

    @functools.wraps(reading)
    def counted(**inputs):
        bad.append(1)
        return reading(**inputs)

    monkeypatch.setattr(segmentation.segment, "fn", counted)
    Image.new("RGB", (50, 40)).save(folder / "content_maps" / "p0.png")
    state, summary = run_folder(folder, tmp_path / "out")
    assert state.is_failed() and "50x40" in summary.failed[0].error and len(bad) == 1


def test_out_of_memory_leads_to_a_smaller_plan_that_the_report_states(tmp_path, monkeypatch):
    work = optimisation.optimise.fn
    tried = []

    @functools.wraps(work)
    def hungry(**inputs):
        tried.append(inputs["stage"].size)
        if inputs["stage"].size > 80:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return work(**inputs)

    monkeypatch.setattr(optimisation.optimise, "fn", hungry)
    folder = make_folder(tmp_path / "in", 1, height=90, width=120)
    outcome = run_pair(folder, tmp_path / "out", size=110)
    assert tried[:2] == [110, 77] and outcome.state == "done"
    report = json.loads((tmp_path / "out" / "p0" / "report.json").read_text())
    assert "The memory was not enough: made with size 77 in place of 110." in report["notes"]
    assert report["settings"]["size"] == 77
    monkeypatch.setattr(optimisation.optimise, "fn", work)  # there is enough of it now
    again = run_pair(folder, tmp_path / "out", size=110)
    report = json.loads((tmp_path / "out" / "p0" / "report.json").read_text())
    assert (
        again.state == "done" and report["settings"]["size"] == 110 and report["notes"] == again_notes(report)
    )


def again_notes(report):
    return [note for note in report["notes"] if "memory" not in note]


@pytest.mark.parametrize(("policy", "changed", "foreign"), [
    ("changed", "replaced", "failed"),
    ("skip", "left", "left"),
    ("overwrite", "replaced", "replaced"),
    ("unique", "beside", "beside"),
    ("fail", "failed", "failed"),
])  # fmt: skip
def test_conflicts_end_as_the_policy_says(tmp_path, policy, changed, foreign):
    source, out = make_folder(tmp_path / "in", 1), tmp_path / "out"

    def make_foreign():
        (out / "p0" / "report.json").unlink()
        Image.new("RGB", (80, 60)).save(out / "p0" / "result.png")

    run_folder(source, out)
    for expected, prepare in (
        (changed, lambda: None),
        (foreign, make_foreign),
    ):
        prepare()
        before = (out / "p0" / "result.png").read_bytes()
        shutil.rmtree(out / "p0-2", ignore_errors=True)
        _, summary = run_folder(source, out, settings=QUICK | {"seed": 3, "detail": 0.2}, on_conflict=policy)
        after = (out / "p0" / "result.png").read_bytes()
        assert (out / "p0-2" / "result.png").exists() == (expected == "beside")
        assert (before != after) == (expected == "replaced"), expected
        assert bool(summary.failed) == (expected == "failed")
        shutil.rmtree(out / "p0")
        run_folder(source, out)


def test_a_result_that_appears_meanwhile_is_left_under_skip(tmp_path, computed, monkeypatch):
    source, out = make_folder(tmp_path / "in", 1), tmp_path / "out"
    foreign, work = out / "p0" / "result.png", rendering.render.fn

    @functools.wraps(work)
    def overtaken(**inputs):
        foreign.parent.mkdir(parents=True, exist_ok=True)
        foreign.write_bytes(b"somebody else's")
        return work(**inputs)

    monkeypatch.setattr(rendering.render, "fn", overtaken)
    _, summary = run_folder(source, out, on_conflict="skip")
    assert [(each.state, each.folder) for each in summary.outcomes] == [("skipped", str(out / "p0"))]
    assert [path.name for path in foreign.parent.iterdir()] == ["result.png"]
    assert foreign.read_bytes() == b"somebody else's"
    computed.clear()
    _, summary = run_folder(source, out, on_conflict="overwrite")  # what was computed is kept
    assert (summary.counts, computed, summary.outcomes[0].steps_cached) == ({"cached": 1}, [], 14)
    assert foreign.read_bytes() != b"somebody else's"


def test_results_that_were_lost_or_altered_are_put_back_without_computing(tmp_path, computed):
    source, out = make_folder(tmp_path / "in", 1), tmp_path / "out"
    run_folder(source, out)
    wanted = finals(out)
    computed.clear()
    (out / "p0" / "result.png").unlink()
    (out / "p0" / "losses.png").write_bytes(b"altered")
    _, summary = run_folder(source, out)
    assert (summary.counts, computed, finals(out)) == ({"cached": 1}, [], wanted)
    (out / "p0" / "report.json").write_text("{")  # the picture's recipe tells whose it is
    _, summary = run_folder(source, out)
    assert (summary.counts, computed, finals(out)) == ({"cached": 1}, [], wanted)
    shutil.rmtree(out)
    run_folder(source, out)
    assert (computed, finals(out)) == ([], wanted)


def test_pairs_that_took_no_work_are_counted_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(batch, "get_run_logger", lambda: logging.getLogger("run"))
    monkeypatch.setattr(batch, "log_outcome", lambda outcome: logging.getLogger("run").error(outcome.name))
    monkeypatch.setattr(batch, "PASSED_TOGETHER", 3)
    caplog.set_level("INFO", "run")
    states = ["cached", "skipped", "done", "failed", "cached", "cached", "cached", "cached"]
    log = batch._Log()
    for place, state in enumerate(states):
        log.tell(PairOutcome(name=f"p{place}", state=state))
    log.tell_passed()
    log.tell_passed()
    assert caplog.messages == [
        "2 pairs: 1 cached, 1 skipped",
        "p2",
        "p3",
        "3 pairs: 3 cached",
        "1 pair: 1 cached",
    ]


def standings(order):
    return find_standings(order, find_orders(order))


def test_standings_tell_what_is_done_and_why_not(tmp_path):
    source, out = make_folder(tmp_path / "in", 3), tmp_path / "out"
    order = BatchOrder(source=source, out=out, settings=QUICK)
    assert [(each.state, each.steps_kept) for each in standings(order)] == [("new", 0)] * 3
    run_folder(source, out)
    assert [each.state for each in standings(order)] == ["done"] * 3
    (out / "p1" / "result.png").unlink()
    shutil.copy(source / "style" / "p0.png", source / "style" / "p2.png")
    found = {each.name: each for each in standings(order)}
    assert (found["p0"].state, found["p1"].state) == ("done", "kept")
    assert found["p2"].state == "new" and found["p2"].why.endswith("made: style")
    changed = order.model_copy(update={"settings": QUICK | {"filter_radius": 2}})
    first = next(iter(standings(changed)))
    assert (first.state, first.steps_kept) == ("partly", 3) and "filter_radius" in first.why


def test_pruning_keeps_what_standing_results_need(tmp_path, computed):
    source, out = make_folder(tmp_path / "in", 2), tmp_path / "out"
    run_folder(source, out)
    shutil.rmtree(out / "p1")
    gone = prune(open_store(), grace_seconds=0)
    assert gone.receipts == 1 and gone.records > 0 and gone.objects > 0
    computed.clear()
    _, summary = run_folder(source, out)
    assert summary.counts == {"cached": 1, "done": 1} and not verify(open_store())


def meddle(task, photograph, monkeypatch):
    """Let a photograph be another one by the time that a step begins."""
    work = task.fn

    @functools.wraps(work)
    def late(**inputs):
        Image.new("RGB", (80, 60), (9, 9, 9)).save(photograph)
        return work(**inputs)

    monkeypatch.setattr(task, "fn", late)


def test_input_that_changes_before_it_is_read_is_refused(tmp_path, monkeypatch):
    source = make_folder(tmp_path / "in", 1)

    def settle(*planned):
        found = finished.settle(*planned)
        Image.new("RGB", (80, 60), (9, 9, 9)).save(source / "content" / "p0.png")
        return found

    monkeypatch.setattr(shard, "settle", settle)
    _, summary = run_folder(source, tmp_path / "out")
    assert "changed while it was worked on" in summary.failed[0].error


def test_input_that_changes_after_it_was_read_is_as_it_was_planned(tmp_path, monkeypatch):
    source = make_folder(tmp_path / "in", 1)
    expected = stylize(
        *(source / sub / "p0.png" for sub in ("content", "style", "content_maps", "style_maps")),
        config=Config(**QUICK),
    ).image
    meddle(rendering.render, source / "content" / "p0.png", monkeypatch)
    _, summary = run_folder(source, tmp_path / "out")
    found = read_photograph(tmp_path / "out" / "p0" / "result.png").pixels
    assert not summary.failed
    np.testing.assert_array_equal(np.rint(found * 255), np.rint(expected * 255))
    assert run_folder(source, tmp_path / "out")[1].counts == {"done": 1}


def test_secrets_of_the_environment_are_nowhere(tmp_path, pst_home, monkeypatch):
    monkeypatch.setenv("A_SECRET", "canary-81723")
    run_folder(make_folder(tmp_path / "in", 1), tmp_path / "out")
    for folder in (pst_home, tmp_path / "out"):
        for path in Path(folder).rglob("*"):
            assert not path.is_file() or b"canary-81723" not in path.read_bytes()
