"""The user study's commands: a page is built of folders of results, and its answers are tallied."""

import json
import re

import pyarrow as pa
import pytest
from pyarrow import parquet
from study_pages import data_of, paint, refusal

from flows.cli.study import build_page, tally_answers
from flows.pairs.find import PairingError
from pst_core.errors import ConfigError, OutputError
from pst_core.study.building import build_study
from pst_core.study.key import read_key


@pytest.fixture
def sources(tmp_path):
    """Seven pairs of our results in folders, and of another's by number."""
    for n in range(1, 8):
        paint(tmp_path / "ours" / f"pair-{n}" / "result.png", seed=n)
        paint(tmp_path / "luan" / f"best{n}_t_1000.png", seed=100 + n)
    return [f"ours={tmp_path / 'ours'}", f"luan={tmp_path / 'luan'}"]


def test_a_study_of_five_pairs_is_built_and_tallied(sources, tmp_path, capsys):
    page = tmp_path / "out" / "study.html"
    build_page(sources, out=page, seed=4)
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
        assert tally_answers([tmp_path], key=tmp_path / "out" / "study.key.json", out=out) == 3
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
        tally_answers(
            [tmp_path / "answers-1.json"], key=tmp_path / "out" / "study.key.json", out=out, as_json=True
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["respondents"] == 1


def test_the_seed_draws_the_pairs_and_a_list_names_them(sources, tmp_path):
    def drawn(**options):
        build_page(sources, out=tmp_path / "s.html", overwrite=True, **options)
        return [pair.name for pair in read_key(tmp_path / "s.key.json").pairs]

    assert drawn(seed=1) == drawn(seed=1)
    assert len({tuple(drawn(seed=seed, count=2)) for seed in range(6)}) > 1
    assert drawn(pairs="pair-3, pair-1") == ["pair-3", "pair-1"]
    assert drawn(count=7) == [f"pair-{n}" for n in range(1, 8)]
    assert set(drawn(pairs="pair-1,pair-2,pair-3", count=2)) < {"pair-1", "pair-2", "pair-3"}


def test_nothing_is_overwritten_unasked(sources, tmp_path):
    page, key = tmp_path / "s.html", tmp_path / "s.key.json"
    key.write_text("mine")
    assert str(key) in refusal(OutputError, build_page, sources, out=page)
    assert key.read_text() == "mine" and not page.exists()
    build_page(sources, out=page, overwrite=True)
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
        assert told in refusal(ConfigError, build_page, given, out=page, **options)
    assert "missing" in refusal(PairingError, build_page, [ours, f"x={tmp_path / 'missing'}"], out=page)
    assert not page.exists() and not (tmp_path / "s.key.json").exists()


@pytest.mark.parametrize("names", [("$x^$", "_hidden", "a|b<i>"), ("m" * 300, "ok", "é")])
def test_any_name_can_be_drawn_and_written(tmp_path, names, capsys):
    odd = {"$pair$|": {name: paint(tmp_path / f"{n}.png", seed=n) for n, name in enumerate(names)}}
    key = build_study(odd, title="*t*", seed=0).key
    (pair,) = key.pairs
    shown = [*pair.options]
    record = {
        "format": "pst-study-answers-1", "build": key.build, "respondent": "0" * 16,
        "answers": [{"pair": pair.id, "shown": shown, "choice": shown[0], "seconds": 1.0}],
    }  # fmt: skip
    (tmp_path / "answers-1.json").write_text(json.dumps(record))
    (tmp_path / "key.json").write_text(key.model_dump_json())
    assert tally_answers([tmp_path], key=tmp_path / "key.json", out=tmp_path / "out") == 0
    rows = [line for line in (tmp_path / "out" / "tally.md").read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert names[0] in capsys.readouterr().out
