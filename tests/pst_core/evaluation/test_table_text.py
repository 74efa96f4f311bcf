import html
import re

import pytest
from measured_rows import FACTS, METHODS, cells_of, complete, measured

from pst_core.evaluation.table import PUBLISHED, tabulate
from pst_core.evaluation.table_text import to_markdown
from pst_core.markdown import escape_markdown
from pst_core.quality.measures import TABULATED


def test_markdown_has_every_number_and_fact():
    rows = complete()
    table = tabulate(rows, [*METHODS, "ours"])
    text = to_markdown(table, FACTS)
    for method in METHODS:
        cells = cells_of(text, method)
        brisque = table.cells[method, "brisque"].own
        assert cells[1].replace("*", "") == f"{brisque.mean:.3f} / {brisque.median:.3f}"
        assert cells[2] == f"*{PUBLISHED[method]['brisque']:.3f}*"
    assert cells_of(text, "ours")[1:3] == ["n/a", ""]
    for fact in ("- Models: LIVE's", "- Network: untrained", "- Pairs: 5.", "MATLAB's models over 60 pairs"):
        assert fact in text


def test_best_means_are_bold_and_all_rows_have_as_many_cells():
    table = tabulate(complete(), METHODS)
    lines = to_markdown(table, {}).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1 and len(rows) == 5
    bold = sum(line.count("**") // 2 for line in rows)
    assert bold == sum(len(table.best(measure)) for measure in TABULATED) == len(TABULATED)
    assert "**" not in rows[2]  # the content


def test_without_a_published_method_nothing_is_said_of_published_means():
    text = to_markdown(tabulate([measured("a", "ours")], ["ours"]), {})
    assert "ublished" not in text
    assert len(cells_of(text, "ours")) == 1 + len(TABULATED)


def test_a_second_table_stands_where_methods_lack_different_pairs():
    rows = complete()
    whole, lacking = (to_markdown(tabulate(given, METHODS), {}) for given in (rows, rows[1:]))
    assert whole.count("| Luan et al. |") == 1 and lacking.count("| Luan et al. |") == 2
    assert "(4)" in lacking and "(5)" in lacking and "n/a: all measures of Content image, pair p0" in lacking


@pytest.mark.parametrize(
    "text", ["a|b", "*bold* _it_", "<b>x</b>", "[a](b)", "line\nbreak", "`code`", "a & b"]
)
def test_names_cannot_break_the_table(text):
    rows = [measured(text, text, {"ssim": None}, {"ssim": text}), measured("p", text)]
    lines = to_markdown(tabulate(rows, [text]), {text: text}).splitlines()
    unescaped = [re.sub(r"\\.", "", line) for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in unescaped}) <= 2  # two tables
    assert len({line.count("|") for line in unescaped[:3]}) == 1
    escaped = escape_markdown(text)
    assert html.unescape(re.sub(r"\\(.)", r"\1", escaped)) == text.replace("\n", " ")
    assert not re.search(r"(?<!\\)[|*_<>\[`\n]", escaped)
