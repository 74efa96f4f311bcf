"""A result's folder: whole, and never in the place of what another run put there meanwhile."""

import functools
import hashlib
import json
import shutil

import pytest
from batch_runs import FINAL, QUICK, make_folder, overrides_of
from PIL import Image

from flows.layout import Place, place_of
from flows.orders.planning import PairOrder, Prober, plan_pair
from flows.pair import stylize_pair
from flows.pairs.pair import Pair
from flows.results import publication
from flows.results.publication import choose_place, is_published, publish, read_report
from pst_core.errors import OutputError
from pst_core.images.embedding import read_recipe
from pst_core.quality.measures import REPORTED
from pst_core.report import Report, check_recipe
from pst_core.settings.config import Config
from pst_core.store import open_store
from tasks import scoring
from tasks.pair import Made

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")

SUBS = {"content": "content", "style": "style", "content_map": "content_maps", "style_map": "style_maps"}


def make_pair(folder):
    """Paths of a pair's files, by their roles."""
    make_folder(folder, 1)
    return {role: folder / sub / "p0.png" for role, sub in SUBS.items()}


def run(paths, out, **order):
    return stylize_pair(**paths, out=out, name="p0", settings=overrides_of(QUICK), **order)


@pytest.fixture(scope="module")
def stylized(prefect_server_for_tests, tmp_path_factory):
    """A pair, and the store in which it was stylized: tests have copies of that."""
    folder = tmp_path_factory.mktemp("stylized")
    paths, home = make_pair(folder / "in"), folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PST_HOME", str(home))
        patch.delenv("PST_QUALITY_MODELS", raising=False)
        run(paths, folder / "out")
    return paths, home


@pytest.fixture
def finished(stylized, pst_home, tmp_path):
    """Return a function that plans the pair anew under a policy, and what was made of it."""
    paths, home = stylized
    shutil.copytree(home, pst_home)

    def planned(policy="changed", picture=None):
        pair, out = Pair("p0", **paths), tmp_path / "out"
        order = PairOrder(pair, out, Config.make(**QUICK), on_conflict=policy, picture=picture)
        return plan_pair(order, Prober())

    made = Made.model_validate_json(open_store().read_receipt(planned().key).content)
    return planned, made


def place_at(folder):
    return place_of(folder.parent, folder.name, None)


def put_foreign(folder):
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(folder / "result.png")


def is_foreign(folder):
    with Image.open(folder / "result.png") as picture:
        return picture.size == (8, 8)


def meanwhile(monkeypatch, happens):
    """Let something happen once, after the place was chosen and before anything is written."""
    waiting, files = [happens], publication._files

    @functools.wraps(files)
    def late(*arguments):
        made = files(*arguments)
        while waiting:
            waiting.pop()()
        return made

    monkeypatch.setattr(publication, "_files", late)


def test_a_folder_holds_what_its_report_says(finished, tmp_path):
    planned, made = finished
    plan = planned()
    assert not is_published(plan.order.place, plan.key)
    place = publish(plan, made, plan.key)
    folder = place.folder
    assert place == choose_place(plan) and folder == tmp_path / "out" / "p0" and is_published(place, plan.key)
    assert {path.name for path in folder.iterdir()} == set(FINAL)
    report = check_recipe(folder / "report.json", json.loads((folder / "report.json").read_bytes()))
    assert isinstance(report, Report) and (report.pair, report.key) == ("p0", plan.key)
    assert report.files == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in FINAL
        if name != "report.json"
    }
    scores = read_report(place)["scores"]
    assert set(scores) == {"models", *(measure.key for measure in REPORTED)}
    assert set(scores["models"]) == {"brisque", "niqe", "gram_distance_quick"}
    recipe = read_recipe(folder / "result.png")
    assert "given" not in recipe["inputs"]["content"] and recipe["settings"] == read_report(place)["settings"]
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert publish(plan, made, plan.key) == place
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 10**5, '{"program": "another"}'])
def test_a_foreign_or_damaged_report_is_none_of_ours(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    assert read_report(place_at(tmp_path)) == {} and not is_published(place_at(tmp_path), "k")


def test_a_report_of_another_version_is_ours_all_the_same(finished):
    planned, made = finished
    plan = planned()
    place = publish(plan, made, plan.key)
    report = read_report(place) | {"version": "99.0", "warmth": 3, "key": "0" * 64}
    place.report.write_text(json.dumps(report))
    assert choose_place(plan) == place
    assert publish(plan, made, plan.key) == place and is_published(place, plan.key)


def test_a_picture_among_others_is_published_like_one_in_a_folder(finished, tmp_path):
    planned, made = finished
    plan, out = planned(picture="by style/lake.png"), tmp_path / "out"
    place = publish(plan, made, plan.key)
    assert place == Place(out / "details" / "p0", out / "by style" / "lake.png")
    assert is_published(place, plan.key)
    report = read_report(place)
    assert report["output"] == "lake.png" and "../../by style/lake.png" in report["files"]
    for role, file in report["inputs"].items():
        assert (place.folder / file["beside"]).resolve() == plan.order.paths[role]
    recipe = read_recipe(place.picture)
    assert (place.picture.parent / recipe["inputs"]["content"]["beside"]).resolve().is_file()
    place.picture.write_bytes(b"altered")
    assert not is_published(place, plan.key)
    assert publish(plan, made, plan.key) == place and is_published(place, plan.key)
    place.report.unlink()  # the recipe in the picture says whose it is
    assert publish(planned("changed", "by style/lake.png"), made, plan.key) == place


@pytest.mark.parametrize("policy", ["skip", "fail", "changed", "unique", "overwrite"])
def test_somebody_elses_picture_among_others_is_held_to_the_policy(finished, tmp_path, policy):
    planned, made = finished
    plan, picture = planned(policy, "lake.png"), tmp_path / "out" / "lake.png"
    picture.parent.mkdir()
    picture.write_bytes(b"mine")
    if policy in ("fail", "changed"):
        with pytest.raises(OutputError, match=r"lake\.png holds a result"):
            publish(plan, made, plan.key)
    else:
        out, number = tmp_path / "out", "-2" if policy == "unique" else ""
        expected = Place(out / "details" / f"p0{number}", out / f"lake{number}.png")
        assert publish(plan, made, plan.key) == (None if policy == "skip" else expected)
    assert (picture.read_bytes() == b"mine") == (policy != "overwrite")


def test_a_result_that_comes_while_the_pair_is_computed_is_left_under_skip(tmp_path, monkeypatch):
    paths, work = make_pair(tmp_path / "in"), scoring.score.fn

    @functools.wraps(work)
    def slow(**inputs):
        put_foreign(tmp_path / "out" / "p0")
        return work(**inputs)

    monkeypatch.setattr(scoring.score, "fn", slow)
    outcome = run(paths, tmp_path / "out", on_conflict="skip")
    assert outcome.state == "skipped" and is_foreign(tmp_path / "out" / "p0")
    assert [path.name for path in (tmp_path / "out" / "p0").iterdir()] == ["result.png"]
    shutil.rmtree(tmp_path / "out")
    again = run(paths, tmp_path / "out", on_conflict="skip")
    assert (again.state, again.steps_cached) == ("cached", again.steps)  # the work is not lost


@pytest.mark.parametrize(("policy", "ends"), [
    ("skip", "left"), ("fail", "of other inputs or settings"), ("changed", "not this program's"),
    ("unique", "beside"), ("overwrite", "replaced"),
])  # fmt: skip
def test_a_result_that_comes_at_the_last_moment_is_held_to_the_policy(
    finished, tmp_path, monkeypatch, policy, ends
):
    planned, made = finished
    plan, place = planned(policy), tmp_path / "out" / "p0"
    meanwhile(monkeypatch, lambda: put_foreign(place))
    if policy in ("fail", "changed"):
        with pytest.raises(OutputError, match=ends):
            publish(plan, made, plan.key)
    else:
        expected = {"left": None, "beside": tmp_path / "out" / "p0-2", "replaced": place}[ends]
        published = publish(plan, made, plan.key)
        assert published == (None if expected is None else place_at(expected))
        assert expected is None or is_published(published, plan.key)
    assert is_foreign(place) == (ends != "replaced")
    assert ends == "replaced" or [path.name for path in place.iterdir()] == ["result.png"]


@pytest.mark.parametrize("policy", ["skip", "fail", "changed", "unique", "overwrite"])
def test_the_same_result_by_another_run_is_no_conflict(finished, tmp_path, monkeypatch, policy):
    planned, made = finished
    plan, place = planned(policy), tmp_path / "out" / "p0"
    publish(planned("overwrite"), made, plan.key)
    picture = (place / "result.png").read_bytes()
    shutil.rmtree(place)

    def another_begins():
        place.mkdir(parents=True)
        (place / "result.png").write_bytes(picture)

    meanwhile(monkeypatch, another_begins)
    assert publish(plan, made, plan.key) == place_at(place) and is_published(place_at(place), plan.key)


def test_a_file_that_stands_in_the_folders_place_is_named(finished, tmp_path):
    planned, made = finished
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "p0").write_text("in the way")
    for policy in ("skip", "overwrite"):
        with pytest.raises(OutputError, match="a file stands in the place of a folder"):
            publish(planned(policy), made, planned().key)
