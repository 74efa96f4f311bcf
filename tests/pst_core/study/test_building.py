"""What the study's page holds and hides."""

import base64
import hashlib
import io
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image
from study_pages import METHODS, data_of, paint, refusal

from pst_core.errors import ConfigError, ImageError
from pst_core.study.building import build_study
from pst_core.study.key import StudyError


def pictures_of(page):
    """Option's id -> decoded picture."""
    return {
        option["id"]: Image.open(io.BytesIO(base64.b64decode(option["picture"].partition(",")[2])))
        for pair in data_of(page)["pairs"]
        for option in pair["options"]
    }


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
