"""A study's outcome as tables: Parquet for machines, Markdown for people."""

from collections.abc import Sequence
from dataclasses import asdict

from pst_core.markdown import escape_markdown
from pst_core.parquet import pack_rows
from pst_core.study.tally import Share, Tally


def choices_table(tally: Tally) -> bytes:
    """One row for each choice, the fields of `Choice`; Parquet."""
    import pyarrow as pa

    schema = pa.schema([
        ("respondent", pa.string()), ("pair", pa.string()), ("method", pa.string()), ("turn", pa.int32()),
        ("position", pa.int32()), ("shown", pa.list_(pa.string())), ("seconds", pa.float64()),
    ])  # fmt: skip
    return pack_rows([asdict(choice) for choice in tally.choices], schema)


def shares_table(tally: Tally) -> bytes:
    """One row for each method and pair, and one a method for all pairs (no pair), as in `Share`; Parquet."""
    import pyarrow as pa

    schema = pa.schema([
        ("method", pa.string()), ("pair", pa.string()), ("count", pa.int64()), ("responses", pa.int64()),
        ("share", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("interval", pa.string()),
    ])  # fmt: skip
    return pack_rows([asdict(share) for share in (*tally.by_pair, *tally.overall)], schema)


def describe_tally(tally: Tally) -> str:
    """Write the outcome as Markdown: a row a method, a column a pair, and the shares of all responses."""
    counts = {(share.method, share.pair): str(share.count) for share in tally.by_pair}
    rows = [
        [share.method, *(counts.get((share.method, pair), "–") for pair in tally.pairs), *_overall(share)]
        for share in tally.overall
    ]
    header = ["method", *tally.pairs, "all", "share", "95 % interval"]
    lines = [
        f"# {escape_markdown(tally.title)}", "",
        f"{tally.sentence}: how many chose each method as the most realistic.", "",
        _line(header), _line(["---", *["--:"] * (len(header) - 1)], escape=False), *map(_line, rows), "",
        *_notes(tally),
    ]  # fmt: skip
    return "\n".join(lines)


def _overall(share: Share) -> list[str]:
    bounds = f"{100 * share.low:.1f}–{100 * share.high:.1f} %"
    mark = "" if share.interval == "bootstrap" else " (Wilson)"
    return [str(share.count), f"{100 * share.share:.1f} %", bounds + mark]


def _notes(tally: Tally) -> list[str]:
    notes = [
        "Intervals are bootstrapped over respondents, whose own choices are not independent; Wilson's, over "
        "responses, where there is nothing to draw from.",
        "",
    ]
    return notes + [f"- Not counted: {escape_markdown(problem)}" for problem in tally.problems]


def _line(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(escape_markdown(cell) if escape else cell for cell in cells)} |"
