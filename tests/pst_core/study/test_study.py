"""The user study: what its page holds and hides, how strictly answers are read, and what they add up to."""

import base64
import hashlib
import io
import json
import os
import re
from html import unescape

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from scipy.stats import norm

from flows import layout
from flows.cli.study import build_page, tally_answers
from flows.pairs import elsewhere as external
from flows.pairs.elsewhere import find_pictures, list_names
from flows.pairs.find import PairingError
from pst_core.errors import ConfigError, ImageError, OutputError, PstError
from pst_core.study.answers import MOST_ANSWERS_BYTES, read_answers
from pst_core.study.building import build_study
from pst_core.study.charts import draw_figure
from pst_core.study.key import StudyError, read_key
from pst_core.study.tally import tally_study

METHODS = ("ours", "luan", "gatys")


def paint(path, size=(96, 64), seed=0, **save):
    """A soft coloured picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize(size, Image.Resampling.BICUBIC).save(path, **save)
    return path


@pytest.fixture
def pairs(tmp_path):
    """Two pairs, three methods."""
    return {
        name: {
            method: paint(tmp_path / method / f"{name}.png", seed=10 * row + column)
            for column, method in enumerate(METHODS)
        }
        for row, name in enumerate(("meadow", "harbour"))
    }


@pytest.fixture
def study(pairs):
    return build_study(pairs, title="Which is real?", seed=1)


def refusal(kind, function, *arguments, **options):
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    assert isinstance(caught.value, PstError)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def data_of(page):
    """What the page's script is given."""
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.S)[1])


def pictures_of(page):
    """Option's id -> decoded picture."""
    return {
        option["id"]: Image.open(io.BytesIO(base64.b64decode(option["picture"].partition(",")[2])))
        for pair in data_of(page)["pairs"]
        for option in pair["options"]
    }


# --- the page


def test_the_page_tells_nobody_whose_pictures_it_shows(pairs, tmp_path):
    methods = ("Quixote", "Rocinante", "Dulcinea")  # found in no other word
    named = {name: dict(zip(methods, each.values(), strict=True)) for name, each in pairs.items()}
    study = build_study(named, title="Which is real?", seed=1)
    assert "Which is real?" in study.page and study.key.methods == methods
    for name in (*pairs, *methods, str(tmp_path), ".png"):
        assert name not in study.page
    for picture in pictures_of(study.page).values():
        assert picture.format == "JPEG"
        assert not {"exif", "icc_profile", "comment", "xmp"} & picture.info.keys()


def test_metadata_stays_behind_and_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Jane Photographer"  # turned by a quarter; the artist
    turned = paint(tmp_path / "a.jpg", (96, 64), exif=exif)
    upright = paint(tmp_path / "b.jpg", (64, 96), seed=1)
    page = build_study({"p": {"a": turned, "b": upright}}, title="t", seed=0).page
    assert b"Jane" in turned.read_bytes()
    for picture in pictures_of(page).values():
        assert picture.size == (64, 96)
        assert not picture.getexif()


def test_nothing_but_the_pages_own_script_and_style_may_run(study):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', study.page)[1])
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind in ("script", "style"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", study.page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"""(src|href)=["']?(?!data:)|https?:|@import| style=| on[a-z]+=""", study.page)


def test_the_title_is_nothing_but_text(pairs):
    title = """</title><script>alert("1")</script>{{ 7 * 7 }}"""
    page = build_study(pairs, title=title, seed=1).page
    assert title not in page
    assert unescape(re.search("<title>(.*?)</title>", page)[1]) == title
    assert page.count("<script") == 2


def test_the_key_leads_from_each_picture_back_to_its_method(pairs, study):
    shown = pictures_of(study.page)
    assert {pair.name for pair in study.key.pairs} == set(pairs)
    assert study.key.methods == METHODS
    for pair in study.key.pairs:
        for option, method in pair.options.items():
            original = np.asarray(Image.open(pairs[pair.name][method]), float)
            assert np.abs(np.asarray(shown[option], float) - original).mean() < 3  # JPEG; others differ by 50


def test_the_pages_order_is_that_of_its_ids(study):
    data = data_of(study.page)
    for things in (data["pairs"], *(pair["options"] for pair in data["pairs"])):
        ids = [thing["id"] for thing in things]
        assert ids == sorted(ids)
        assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)


def test_ids_hang_on_the_seed_and_the_pictures_not_on_names(pairs, study, tmp_path):
    assert build_study(pairs, title="Which is real?", seed=1) == study
    renamed = {f"other {name}": {f"other {m}": p for m, p in each.items()} for name, each in pairs.items()}
    assert build_study(renamed, title="Which is real?", seed=1).page == study.page
    others = [
        build_study(pairs, title="t", seed=2).key,
        build_study(pairs, title="t", seed=1, picture_side=200).key,
    ]
    paint(pairs["meadow"]["ours"], seed=99)
    others.append(build_study(pairs, title="t", seed=1).key)
    assert len({study.key.build, *(key.build for key in others)}) == 4
    options = {option for pair in study.key.pairs for option in pair.options}
    assert not options & {option for pair in others[0].pairs for option in pair.options}


@pytest.mark.parametrize("sizes, expected", [
    ([(300, 200), (600, 400)], (300, 200)),  # no method is known by its size
    ([(900, 600), (600, 400)], (450, 300)),
    ([(300, 200), (302, 200)], (300, 200)),  # cropped to a network's grid
    ([(200, 900), (200, 900)], (100, 450)),
])  # fmt: skip
def test_all_results_of_a_pair_get_one_size(tmp_path, sizes, expected):
    results = {str(i): paint(tmp_path / f"{i}.png", size, seed=i) for i, size in enumerate(sizes)}
    page = build_study({"p": results}, title="t", seed=0, picture_side=450).page
    assert {picture.size for picture in pictures_of(page).values()} == {expected}
    assert (data_of(page)["pairs"][0]["width"], data_of(page)["pairs"][0]["height"]) == expected


def test_what_cannot_be_asked_about_is_refused(tmp_path, pairs):
    one, wide = paint(tmp_path / "1.png"), paint(tmp_path / "2.png", (96, 48), seed=1)
    text, twin = tmp_path / "3.png", paint(tmp_path / "4.bmp")
    text.write_text("no picture")

    def refused(kind, results, **options):
        return refusal(kind, build_study, results, **{"title": "t", "seed": 0} | options)

    assert "no pair" in refused(StudyError, {})
    assert "'p' has 1 result," in refused(StudyError, {"p": {"ours": one}})
    assert "'p' has 0 results," in refused(StudyError, {**pairs, "p": {}})
    shapes = refused(StudyError, {"p": {"ours": one, "luan": wide}})
    assert str(one) in shapes and str(wide) in shapes and "96 x 48" in shapes
    assert str(text) in refused(ImageError, {"p": {"ours": one, "luan": text}})
    assert "missing.png" in refused(ImageError, {"p": {"ours": one, "luan": tmp_path / "missing.png"}})
    twins = refused(StudyError, {"p": {"ours": one, "luan": twin}})
    assert str(one) in twins and str(twin) in twins
    assert "'harbour'" in refused(StudyError, {"q": pairs["harbour"], "harbour": pairs["harbour"]})
    assert "be 10:" in refused(ConfigError, pairs, picture_side=10)
    assert "title" in refused(ConfigError, pairs, title=" ")


# --- the answers


@pytest.fixture
def answer(study, tmp_path):
    """Return a function that writes one respondent's file: method chosen for each pair."""

    def write(number, *methods, name=None, **changes):
        answers = []
        for pair, method in zip(study.key.pairs, methods, strict=True):
            by_method = {each: option for option, each in pair.options.items()}
            shown = sorted(pair.options)
            answers.append({"pair": pair.id, "shown": shown, "choice": by_method[method], "seconds": 4.5})
        record = {
            "format": "pst-study-answers-1", "build": study.key.build, "respondent": f"{number:016x}",
            "answers": answers,
        }  # fmt: skip
        for path, value in changes.items():
            *above, last = (int(step) if step.isdecimal() else step for step in path.split("__"))
            place = record
            for step in above:
                place = place[step]
            place[last] = value
        path = tmp_path / "answers" / (name or f"answers-{number}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record))
        return path

    return write


def test_answers_are_read_and_each_respondent_counts_once(study, answer, tmp_path):
    first, second = answer(1, "ours", "luan"), answer(2, "luan", "luan")
    again = tmp_path / "pasted.json"
    again.write_text("\ufeff" + json.dumps(json.loads(first.read_text()), indent=8))  # as an editor leaves it
    read = read_answers([second, first, again], study.key)
    assert read.problems == ()
    assert [response.respondent[-1] for response in read.responses] == ["1", "2"]
    assert read == read_answers([first, second], study.key)


def test_contradicting_answers_of_one_respondent_count_for_nothing(study, answer):
    one, other, third = (
        answer(1, "ours", "luan"),
        answer(1, "ours", "ours", name="b.json"),
        answer(2, "ours", "ours"),
    )
    read = read_answers([one, other, third], study.key)
    assert [response.respondent[-1] for response in read.responses] == ["2"]
    (problem,) = read.problems
    assert str(one) in problem and str(other) in problem


@pytest.mark.parametrize("changes, told", [
    ({"build": "0" * 16}, "another study"),
    ({"format": "pst-study-answers-2"}, "format"),
    ({"respondent": "../../etc/passwd"}, "respondent"),
    ({"respondent": "0" * 16 + "\n"}, "respondent"),
    ({"person": "Jane"}, "person"),
    ({"answers": []}, "each pair once"),
    ({"answers__0__seconds": -1}, "seconds"),
    ({"answers__0__seconds": "4"}, "seconds"),
    ({"answers__0__seconds": float("nan")}, "seconds"),
    ({"answers__0__choice": "0" * 16}, "none of its pictures"),
    ({"answers__0__pair": "0" * 16}, "each pair once"),
    ({"answers__0__shown": []}, "its own pictures"),
    ({"answers__0__note": "x"}, "note"),
    ({"answers__0__choice": None}, "choice"),
])  # fmt: skip
def test_what_the_page_did_not_save_is_not_counted(study, answer, changes, told):
    bad = answer(1, "ours", "luan", **changes)
    read = read_answers([bad], study.key)
    assert read.responses == ()
    (problem,) = read.problems
    assert str(bad) in problem and told in problem and "\n" not in problem


def test_answers_for_the_same_pair_twice_or_anothers_pictures_are_not_counted(study, answer):
    record = json.loads(answer(1, "ours", "luan").read_text())
    first, second = record["answers"]
    swapped = {"answers__0__shown": second["shown"], "answers__0__choice": second["choice"]}
    for changes in ({"answers": [first, first]}, {"answers": [first, second, second]}, swapped):
        assert read_answers([answer(1, "ours", "luan", **changes)], study.key).responses == ()


def test_files_that_are_no_answers_at_all_are_each_told_of(study, tmp_path):
    contents = {
        "empty": b"", "binary": b"\xff\xd8\xff\xe0", "list": b"[]", "deep": b"[" * 100_000,
        "large": b" " * (MOST_ANSWERS_BYTES + 1),
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    files = [tmp_path / name for name in (*contents, "pipe", "folder", "missing")]
    read = read_answers(files, study.key)
    assert len(read.problems) == len(files)
    assert all(str(file) in problem for file, problem in zip(files, read.problems, strict=True))


def test_a_key_is_read_back_and_a_foreign_or_ambiguous_one_refused(study, tmp_path):
    path = tmp_path / "study.key.json"
    path.write_text(study.key.model_dump_json())
    assert read_key(path) == study.key
    told = study.key.model_dump(mode="json")
    first = told["pairs"][0]
    one, other, *_ = first["options"]
    for wrong in (
        {}, told | {"pairs": []}, told | {"pairs": [first, first]}, told | {"secret": 1},
        told | {"pairs": [first | {"options": {one: "ours"}}]},
        told | {"pairs": [first | {"options": {one: "ours", other: "ours"}}]},
    ):  # fmt: skip
        path.write_text(json.dumps(wrong))
        assert str(path) in refusal(StudyError, read_key, path)


# --- the tally


def by_hand(count, total):
    """Wilson (1927)."""
    z = norm.ppf(0.975)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return middle - reach, middle + reach


def test_votes_are_counted_by_pair_and_in_all(study, answer):
    files = [
        answer(1, "ours", "ours"),
        answer(2, "ours", "luan"),
        answer(3, "luan", "luan"),
        answer(4, "ours", "luan"),
    ]
    tally = tally_study(files, study.key)
    counts = {(share.pair, share.method): share.count for share in (*tally.by_pair, *tally.overall)}
    assert counts == {
        ("meadow", "ours"): 3, ("meadow", "luan"): 1, ("meadow", "gatys"): 0,
        ("harbour", "ours"): 1, ("harbour", "luan"): 3, ("harbour", "gatys"): 0,
        (None, "ours"): 4, (None, "luan"): 4, (None, "gatys"): 0,
    }  # fmt: skip
    assert [share.share for share in tally.overall] == [0.5, 0.5, 0.0]
    assert (tally.respondents, tally.sentence) == (4, "4 respondents, 8 responses")
    for share in tally.by_pair:
        assert (share.low, share.high) == pytest.approx(by_hand(share.count, 4), abs=1e-12)
        assert share.interval == "wilson"


def test_each_choice_is_kept_with_where_it_stood(study, answer):
    (first, _) = tally_study([answer(1, "gatys", "ours")], study.key).choices
    pair = study.key.pairs[0]
    shown = sorted(pair.options)
    assert (first.pair, first.method, first.turn, first.seconds) == ("meadow", "gatys", 1, 4.5)
    assert first.shown == tuple(pair.options[option] for option in shown)
    assert first.shown[first.position - 1] == "gatys"


def test_the_overall_interval_knows_that_a_respondents_choices_hang_together(study, answer):
    """With everyone of one mind throughout, twenty people are twenty choices, not forty."""
    loyal = [answer(n, *(("ours",) * 2 if n % 2 else ("luan",) * 2)) for n in range(20)]
    torn = [answer(100 + n, "ours", "luan") for n in range(19)] + [answer(200, "ours", "ours")]
    ours, _, gatys = tally_study(loyal, study.key).overall
    assert ours.interval == "bootstrap"
    normal = 1.96 * np.sqrt(0.25 / 20)
    assert (ours.low, ours.high) == pytest.approx((0.5 - normal, 0.5 + normal), abs=0.03)
    assert ours.high - ours.low > 1.3 * np.subtract(*by_hand(20, 40)[::-1])
    other = tally_study(torn, study.key).overall[0]
    assert other.high - other.low < 0.5 * (ours.high - ours.low)
    assert (gatys.interval, gatys.low) == ("wilson", 0.0)  # nobody's choice: nothing to draw from
    assert gatys.high == pytest.approx(by_hand(0, 40)[1], abs=1e-12)


def test_of_one_respondent_wilsons_interval_has_to_do(study, answer):
    tally = tally_study([answer(1, "ours", "luan")], study.key)
    assert {share.interval for share in tally.overall} == {"wilson"}
    assert (tally.overall[0].low, tally.overall[0].high) == pytest.approx(by_hand(1, 2), abs=1e-12)


def test_a_tally_hangs_neither_on_the_files_order_nor_on_chance(study, answer):
    files = [answer(n, METHODS[n % 3], METHODS[n % 2]) for n in range(9)]
    assert tally_study(files, study.key) == tally_study(files[::-1], study.key)


def test_without_answers_there_is_nothing_to_count(study, answer):
    assert "no answers" in refusal(StudyError, tally_study, [], study.key)
    bad = answer(1, "ours", "luan", build="x")
    assert str(bad) in refusal(StudyError, tally_study, [bad], study.key)


def test_the_figure_has_bars_as_high_as_the_votes(study, answer):
    tally = tally_study([answer(n, "ours", "luan" if n else "ours") for n in range(10)], study.key)
    pixels = np.asarray(Image.open(io.BytesIO(draw_figure(tally, dots_per_inch=60))).convert("RGB")).astype(
        int
    )
    middle = len(pixels) // 2

    def heights(rows, color):
        """Of the columns in this colour, in pixels, where there is more of it than in the legend."""
        wanted = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)])
        found = (np.abs(pixels[rows] - wanted).max(axis=-1) < 8).sum(axis=0)
        return found[found > 14]

    upper, lower = slice(0, middle), slice(middle, None)
    blue, orange = heights(upper, "#0072B2"), heights(upper, "#E69F00")
    assert orange.max() == pytest.approx(0.9 * blue.max(), rel=0.05)  # 9 votes in harbour; 10 in meadow
    assert heights(lower, "#0072B2").max() > heights(lower, "#E69F00").max()  # 55 % and 45 %
    assert draw_figure(tally) == draw_figure(tally)


@pytest.mark.parametrize("names", [("$x^$", "_hidden", "a|b<i>"), ("m" * 300, "ok", "é")])
def test_any_name_can_be_drawn_and_written(pairs, tmp_path, names, capsys):
    odd = {"$pair$|": dict(zip(names, pairs["meadow"].values(), strict=True))}
    key = build_study(odd, title="*t*", seed=0).key
    (pair,) = key.pairs
    shown = [*pair.options]
    record = {
        "format": "pst-study-answers-1", "build": key.build, "respondent": "0" * 16,
        "answers": [{"pair": pair.id, "shown": shown, "choice": shown[0], "seconds": 1.0}],
    }  # fmt: skip
    (tmp_path / "answers-1.json").write_text(json.dumps(record))
    (tmp_path / "key.json").write_text(key.model_dump_json())
    assert tally_answers([tmp_path], tmp_path / "key.json", tmp_path / "out") == 0
    rows = [line for line in (tmp_path / "out" / "tally.md").read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert names[0] in capsys.readouterr().out


# --- folders of results


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes empty files in a folder, which it returns."""

    def make(*names):
        for name in names:
            path = tmp_path / "folder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "folder"

    return make


def found(folder, *names):
    return {name: path.relative_to(folder).as_posix() for name, path in find_pictures(folder, names).items()}


def test_a_result_is_found_by_folder_by_name_or_by_number(folder):
    place = folder("a/result.png", "a.png", "b.JPG", "b.txt", "trip/C.tif", "trip/d/result.png")
    assert found(place, "a", "b", "trip/c", "trip/d", "e") == {
        "a": "a/result.png", "b": "b.JPG", "trip/c": "trip/C.tif", "trip/d": "trip/d/result.png",
    }  # fmt: skip


def test_luans_results_are_found_by_number(folder):
    place = folder("best4_t_1000.png", "best40_t_1000.png", "best5_t_1000.png", "4.txt", ".4.png")
    assert found(place, "in4", "pair-40", "5", "in6", "none") == {
        "in4": "best4_t_1000.png", "pair-40": "best40_t_1000.png", "5": "best5_t_1000.png",
    }  # fmt: skip


def test_a_pair_missing_among_named_ones_gets_nobody_elses_picture(folder):
    assert found(folder("day-1-a.png", "day-1-b.png"), "day-1-a", "day-1-c") == {"day-1-a": "day-1-a.png"}


@pytest.mark.parametrize("names, files", [
    (["a"], ["a.png", "a.jpg"]),
    (["4"], ["best4_a.png", "best4_b.png"]),
    (["in4", "pair-4"], ["best4.png"]),
])  # fmt: skip
def test_what_could_be_either_is_refused(folder, names, files):
    place = folder(*files)
    sentence = refusal(PairingError, find_pictures, place, names)
    assert all(str(place / file) in sentence for file in files)


def test_names_are_those_under_which_results_are_found(folder):
    place = folder(
        "a/result.png", "a/regions.png", "a/more/b.png", "c.jpg", "contact.png", "failed.jsonl", ".d.png",
        ".hidden/e.png", "notes.txt",
    )  # fmt: skip
    names = list_names(place)
    assert sorted(names) == ["a", "a/more/b", "c"]
    assert set(found(place, *names)) == set(names)
    assert "no folder" in refusal(PairingError, list_names, place / "c.jpg")


def test_results_are_called_as_they_are_published():
    assert external.RESULT == layout.RESULT


# --- the commands


@pytest.fixture
def sources(tmp_path):
    """Seven pairs of our results in folders, and of another's by number."""
    for n in range(1, 8):
        paint(tmp_path / "ours" / f"pair-{n}" / "result.png", seed=n)
        paint(tmp_path / "luan" / f"best{n}_t_1000.png", seed=100 + n)
    return [f"ours={tmp_path / 'ours'}", f"luan={tmp_path / 'luan'}"]


def test_a_study_of_five_pairs_is_built_and_tallied(sources, tmp_path, capsys):
    page = tmp_path / "out" / "study.html"
    build_page(sources, page, seed=4)
    said = capsys.readouterr().out
    key = read_key(tmp_path / "out" / "study.key.json")
    assert str(page) in said and "study.key.json" in said and "best" in said
    assert data_of(page.read_text())["build"] == key.build
    assert len(key.pairs) == 5 and key.methods == ("ours", "luan")
    for number, votes in enumerate(("luan", "ours", "ours")):
        answers = [
            {"pair": pair.id, "shown": [*pair.options], "choice": option, "seconds": 2.0}
            for pair in key.pairs for option, method in pair.options.items() if method == votes
        ]  # fmt: skip
        record = {"format": "pst-study-answers-1", "build": key.build, "respondent": f"{number:016x}"}
        (tmp_path / f"answers-{number}.json").write_text(json.dumps(record | {"answers": answers}))
    (tmp_path / "answers-bad.json").write_text("{}")
    out = tmp_path / "tally"
    for _ in range(2):  # counting again replaces what was there
        assert tally_answers([tmp_path], tmp_path / "out" / "study.key.json", out) == 3
    told = capsys.readouterr()
    assert "answers-bad.json" in told.err and "66.7 %" in told.out
    assert sorted(path.name for path in out.iterdir()) == [
        "answers.parquet",
        "figure4.png",
        "tally.md",
        "tally.parquet",
    ]
    choices, shares = (parquet.read_table(out / f"{name}.parquet") for name in ("answers", "tally"))
    assert choices.num_rows == 15
    assert choices.schema.field("shown").type == pa.list_(pa.string())
    overall = [row for row in shares.to_pylist() if row["pair"] is None]
    assert {row["method"]: (row["count"], row["responses"]) for row in overall} == {
        "ours": (10, 15),
        "luan": (5, 15),
    }
    assert "| ours | 2 | 2 | 2 | 2 | 2 | 10 | 66.7 % |" in (out / "tally.md").read_text()
    assert (
        tally_answers([tmp_path / "answers-1.json"], tmp_path / "out" / "study.key.json", out, as_json=True)
        == 0
    )
    assert json.loads(capsys.readouterr().out)["respondents"] == 1


def test_the_seed_draws_the_pairs_and_a_list_names_them(sources, tmp_path):
    def drawn(**options):
        build_page(sources, tmp_path / "s.html", overwrite=True, **options)
        return [pair.name for pair in read_key(tmp_path / "s.key.json").pairs]

    assert drawn(seed=1) == drawn(seed=1)
    assert len({tuple(drawn(seed=seed, count=2)) for seed in range(6)}) > 1
    assert drawn(pairs="pair-3, pair-1") == ["pair-3", "pair-1"]
    assert drawn(count=7) == [f"pair-{n}" for n in range(1, 8)]
    assert set(drawn(pairs="pair-1,pair-2,pair-3", count=2)) < {"pair-1", "pair-2", "pair-3"}


def test_nothing_is_overwritten_unasked(sources, tmp_path):
    page, key = tmp_path / "s.html", tmp_path / "s.key.json"
    key.write_text("mine")
    assert str(key) in refusal(OutputError, build_page, sources, page)
    assert key.read_text() == "mine" and not page.exists()
    build_page(sources, page, overwrite=True)
    assert read_key(key).build in page.read_text()


def test_sources_that_make_no_study_are_refused(sources, tmp_path):
    ours, luan = sources
    page = tmp_path / "s.html"
    (tmp_path / "none").mkdir()
    for given, options, told in (
        ([ours], {}, "two methods"),
        ([ours, "luan"], {}, "NAME=FOLDER"),
        ([ours, "=x"], {}, "NAME=FOLDER"),
        ([ours, luan.replace("luan=", "ours=")], {}, "'ours'"),
        ([ours, luan], {"count": 8}, "7 pairs have"),
        ([ours, luan], {"count": 0}, "--count"),
        ([ours, luan], {"pairs": " , "}, "--pairs"),
        ([ours, luan], {"pairs": "pair-1,pair-9"}, "'pair-9'"),
        ([ours, f"none={tmp_path / 'none'}"], {}, "No pair"),
    ):  # fmt: skip
        assert told in refusal(ConfigError, build_page, given, page, **options)
    assert "missing" in refusal(PairingError, build_page, [ours, f"x={tmp_path / 'missing'}"], page)
    assert not page.exists() and not (tmp_path / "s.key.json").exists()
