import statistics

import pyarrow as pa
import pytest
from measured_rows import BRISQUE, KEYS, METHODS, SSIM, cells_of, complete, measured
from pyarrow import parquet
from pydantic import ValidationError

from pst_core.errors import ConfigError
from pst_core.evaluation.table import PUBLISHED, Measured, rows_to_parquet, tabulate, to_parquet
from pst_core.evaluation.table_text import to_markdown
from pst_core.quality.measures import TABULATED


def test_means_and_medians_are_each_methods_own():
    rows = complete()
    table = tabulate(rows[::-1], METHODS)
    assert set(table.pairs) == {f"p{n}" for n in range(5)}
    for method in METHODS:
        for key in KEYS:
            values = [row.values[key] for row in rows if row.method == method]
            cell = table.cells[method, key]
            assert cell.own.mean == pytest.approx(sum(values) / 5)
            assert cell.own.median == statistics.median(values)
            assert (cell.own.count, cell.missing, cell.common) == (5, 0, cell.own)
    assert table.notes == table.absences == ()


def test_methods_are_compared_over_the_pairs_they_share():
    rows = [measured(f"p{n}", method, base=n) for method in METHODS for n in range(4)]
    rows = [row for row in rows if (row.method, row.pair) != ("luan", "p3")]
    rows[-1] = measured("p3", "yang", {"brisque": None}, base=3)
    table = tabulate(rows, METHODS)
    luan, yang = table.cells["luan", "brisque"], table.cells["yang", "brisque"]
    assert (luan.own.mean, luan.own.count, luan.missing) == (1.0, 3, 1)
    content = table.cells["content", "brisque"]
    assert (content.own.mean, content.common.mean, content.common.count) == (1.5, 1.0, 3)
    assert yang.common.mean == luan.common.mean == 1.0
    (note,) = table.notes
    assert "3 of 4 pairs" in note and "BRISQUE" in note and "Gram distance" in note


def test_a_method_without_any_value_does_not_hinder_the_comparison_of_the_others():
    rows = complete()
    rows += [measured(f"p{n}", "gatys", {"gram_distance": None}, {"gram_distance": "untrained"})
             for n in range(5)]  # fmt: skip
    table = tabulate(rows, [*METHODS, "gatys"])
    assert table.cells["luan", "gram_distance"].common.count == 5
    assert table.cells["gatys", "gram_distance"].own.mean is None
    assert table.absences == ("Gram distance of Gatys et al., all pairs: untrained",)


def test_methods_without_a_pair_in_common_are_not_compared():
    table = tabulate([measured("a", "luan"), measured("b", "yang")], ["luan", "yang"])
    assert table.cells["luan", "ssim"].own.count == 1
    assert table.cells["luan", "ssim"].common.mean is None
    assert "not compared" in table.notes[0]
    assert cells_of(to_markdown(table, {}), "luan")[1] == "n/a"


def test_what_is_no_finite_number_is_missing():
    for value in (float("nan"), float("inf"), -float("inf"), None):
        row = measured("a", "luan", {"niqe": value})
        assert row.values["niqe"] is None and row.reasons["niqe"]
        table = tabulate([row, measured("b", "luan")], ["luan"])
        assert table.cells["luan", "niqe"].own.mean == 2.0
        for text in (to_markdown(table, {}), str(parquet.read_table(pa.BufferReader(to_parquet(table))))):
            assert "nan" not in text.replace("finite", "") and "inf " not in text
    rows = [Measured(pair="a", method="b", values={}),
            Measured(pair="c", method="b", values=dict.fromkeys(KEYS, 1.0))]  # fmt: skip
    told = parquet.read_table(pa.BufferReader(rows_to_parquet(rows))).to_pylist()
    assert dict(told[0]["reasons"]) == dict.fromkeys(KEYS, "not measured") and told[1]["reasons"] == []


def test_a_stated_reason_is_kept_and_the_callers_dictionaries_are_left_alone():
    values, reasons = {"niqe": float("nan")}, {"niqe": "too small"}
    row = Measured(pair="a", method="luan", values=values, reasons=reasons)
    assert row.reasons["niqe"] == "too small"
    assert list(values) == ["niqe"] and reasons == {"niqe": "too small"}


@pytest.mark.parametrize("wrong", [
    {"values": {"psnr": 1.0}}, {"values": {}, "reasons": {"psnr": "x"}}, {"values": {"ssim": "high"}},
    {"values": {}, "note": "x"},
])  # fmt: skip
def test_what_was_not_measured_like_this_is_refused(wrong):
    with pytest.raises(ValidationError):
        Measured(pair="a", method="b", **wrong)


def test_a_pair_or_method_named_twice_is_refused_and_other_methods_are_left_out():
    with pytest.raises(ConfigError, match="'a' was measured twice for 'luan'"):
        tabulate([measured("a", "luan"), measured("a", "luan")], ["luan"])
    with pytest.raises(ConfigError, match="twice"):
        tabulate([measured("a", "luan")], ["luan", "luan"])
    table = tabulate([measured("a", "luan"), measured("b", "li"), measured("b", "li")], ["luan"])
    assert table.pairs == ("a",) and {method for method, _ in table.cells} == {"luan"}


def test_absences_are_told_once_for_all_they_hold_for():
    rows = [measured(f"p{n}", method) for method in METHODS for n in range(9) if (method, n) != ("luan", 2)]
    rows += [measured(f"q{n}", method, {"brisque": None, "niqe": None}, dict.fromkeys(KEYS[:2], "too small"))
             for method in METHODS for n in range(8)]  # fmt: skip
    table = tabulate(rows, METHODS)
    assert set(table.absences) == {
        "all measures of Luan et al., pair p2: no result",
        "BRISQUE, NIQE of all methods, pairs q0, q1, q2, q3, q4, q5 and 2 more: too small",
    }


def test_the_best_is_by_what_is_shown_and_never_the_content():
    rows = [measured("a", "content", {"brisque": 0.0, "ssim": 9.0}),
            measured("a", "luan", {"brisque": 2.00001, "ssim": 0.5}),
            measured("a", "yang", {"brisque": 2.0, "ssim": 0.6}),
            measured("a", "li", {"brisque": 3.0, "ssim": 0.4})]  # fmt: skip
    table = tabulate(rows, [*METHODS, "li"])
    assert table.best(BRISQUE) == {"luan", "yang"}  # equal to three digits
    assert table.best(SSIM) == {"yang"}
    assert tabulate(rows[:2], METHODS[:2]).best(BRISQUE) == frozenset()


def test_published_means_show_the_papers_method_best_of_all():
    for key, choose in (("brisque", min), ("niqe", min), ("ssim", max)):
        means = {method: found[key] for method, found in PUBLISHED.items() if method != "content"}
        assert choose(means, key=means.get) == "yang"
    assert PUBLISHED["luan"] == {"brisque": 21.121, "niqe": 3.169, "ssim": 0.588}


def test_the_long_form_holds_the_table():
    rows = complete()[1:]
    table = tabulate(rows, METHODS)
    read = parquet.read_table(pa.BufferReader(to_parquet(table))).to_pylist()
    assert len(read) == len(METHODS) * len(TABULATED)
    for line in read:
        cell = table.cells[line["method"], line["metric"]]
        assert (line["mean"], line["median"], line["count"]) == (
            cell.own.mean, cell.own.median, cell.own.count)  # fmt: skip
        assert (line["common_mean"], line["common_count"]) == (cell.common.mean, cell.common.count)
        assert line["missing"] == cell.missing
        assert line["published"] == PUBLISHED[line["method"]].get(line["metric"])


def test_rows_come_back_from_parquet():
    rows = [measured("ä", "luan"), measured("b", "yang", {"niqe": None}, {"niqe": "too small"})]
    table = parquet.read_table(pa.BufferReader(rows_to_parquet(rows)))
    back = [
        Measured(pair=line["pair"], method=line["method"], values={key: line[key] for key in KEYS},
                 reasons=dict(line["reasons"]))
        for line in table.to_pylist()
    ]  # fmt: skip
    assert back == rows
    empty = parquet.read_table(pa.BufferReader(rows_to_parquet([])))
    assert empty.num_rows == 0 and empty.schema == table.schema
