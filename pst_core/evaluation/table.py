"""The paper's Table 1 over our own results: means and medians per method, with what is missing named."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeVar

from pydantic import model_validator

from pst_core.errors import ConfigError
from pst_core.parquet import pack_rows
from pst_core.quality.measures import MEASURES, TABULATED, Measure, Measures
from pst_core.settings.methods import METHODS

Key = TypeVar("Key", bound=tuple[object, ...])

CONTENT_METHOD = "content"  # the content as it is, which no method should be compared with for being best
NO_RESULT, NOT_MEASURED = "no result", "not measured"
NAMED_PAIRS = 6  # how many pairs a sentence names before it counts the rest


# Yang (2019), Table 1: means over all 60 pairs, BRISQUE and NIQE by MATLAB's own models.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "content": {"brisque": 19.806, "niqe": 2.325, "ssim": 1.0},
    "gatys": {"brisque": 29.625, "niqe": 4.236, "ssim": 0.561},
    "champandard": {"brisque": 30.433, "niqe": 4.230, "ssim": 0.581},
    "li": {"brisque": 23.211, "niqe": 3.417, "ssim": 0.579},
    "luan": {"brisque": 21.121, "niqe": 3.169, "ssim": 0.588},
    "yang": {"brisque": 20.361, "niqe": 2.871, "ssim": 0.656},
}


class Measured(Measures):
    """What was measured of one method's result for one pair.

    Attributes
    ----------
    pair, method : str
    """

    pair: str
    method: str

    @model_validator(mode="after")
    def _known(self) -> "Measured":
        if unknown := sorted((self.values.keys() | self.reasons.keys()) - set(MEASURES)):
            raise ValueError(f"there is no metric {unknown[0]!r}: choose from {', '.join(MEASURES)}")
        for key, value in self.values.items():
            if value is None:
                self.reasons.setdefault(key, NOT_MEASURED)
        return self

    def reason(self, measure: Measure) -> str:
        """Why a measure has no value."""
        return self.reasons.get(measure.key, NOT_MEASURED)

    @classmethod
    def without(cls, pair: str, method: str, reason: str) -> "Measured":
        """A row that says why it has no numbers."""
        return cls(pair=pair, method=method, values={}, reasons=dict.fromkeys(MEASURES, reason))


@dataclass(frozen=True)
class Statistics:
    """Of one measure over several pairs; no mean and median (None) without a value."""

    mean: float | None
    median: float | None
    count: int


class Cell(NamedTuple):
    """One method by one measure.

    Attributes
    ----------
    own : Statistics
        Over the pairs for which this method has a value.
    common : Statistics
        Over the pairs for which every method has one that has any: only these can be compared.
    missing : int
        Pairs without a value.
    """

    own: Statistics
    common: Statistics
    missing: int


@dataclass(frozen=True)
class Table:
    """Methods by measures.

    Attributes
    ----------
    measures : tuple of Measure
    methods, pairs : tuple of str
    cells : mapping
        (method, measure's key) -> `Cell`.
    notes : tuple of str
        Which measures are compared over fewer pairs than there are.
    absences : tuple of str
        Which values are missing, and why.
    """

    measures: tuple[Measure, ...]
    methods: tuple[str, ...]
    pairs: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    notes: tuple[str, ...]
    absences: tuple[str, ...]

    def best(self, measure: Measure) -> frozenset[str]:
        """The methods with the best mean as it is shown; none where there is nothing to compare."""
        means = {
            method: mean
            for method in self.methods
            if method != CONTENT_METHOD and (mean := self.cells[method, measure.key].common.mean) is not None
        }
        if len(means) < 2:
            return frozenset()
        choose = max if measure.better == "higher" else min
        best = measure.text(choose(means.values()))
        return frozenset(method for method, mean in means.items() if measure.text(mean) == best)


def method_label(method: str) -> str:
    """A method's name as it is printed: the authors of a published one, any other as it is."""
    titles = {CONTENT_METHOD: "Content image"} | {str(name): each.title for name, each in METHODS.items()}
    return titles.get(method, method)


def tabulate(
    rows: Sequence[Measured], methods: Sequence[str], measures: tuple[Measure, ...] = TABULATED
) -> Table:
    """Gather what was measured, method by method.

    Parameters
    ----------
    rows
        In any order; those of other methods are left out.
    methods
        The table's rows, in order.
    measures
        Its columns, in order.

    Raises
    ------
    ConfigError
        If a pair was measured twice for one method, or a method is named twice.
    """
    if len(set(methods)) < len(methods):
        raise ConfigError(f"A method is named twice among {', '.join(methods)}: name each once.")
    found: dict[tuple[str, str], Measured] = {}
    for row in rows:
        if row.method in methods and found.setdefault((row.method, row.pair), row) is not row:
            raise ConfigError(f"{row.pair!r} was measured twice for {row.method!r}: keep one of the results.")
    pairs = tuple(dict.fromkeys(pair for _, pair in found))
    cells: dict[tuple[str, str], Cell] = {}
    reduced: list[tuple[tuple[int], str]] = []
    for measure in measures:
        values = {method: _values(found, method, pairs, measure.key) for method in methods}
        common = _common(values, pairs)
        for method, own in values.items():
            shared = [own[pair] for pair in common if pair in own]
            cells[method, measure.key] = Cell(
                _statistics(own.values()), _statistics(shared), len(pairs) - len(own)
            )
        if len(common) < len(pairs) and any(values.values()):
            reduced.append(((len(common),), measure.label))
    absences = _absences(found, methods, pairs, measures)
    return Table(measures, tuple(methods), pairs, cells, _notes(reduced, len(pairs)), absences)


def _values(
    found: Mapping[tuple[str, str], Measured], method: str, pairs: Sequence[str], key: str
) -> dict[str, float]:
    """Pair -> value, where there is one."""
    rows = {pair: found[method, pair] for pair in pairs if (method, pair) in found}
    return {pair: value for pair, row in rows.items() if (value := row.values.get(key)) is not None}


def _common(values: Mapping[str, Mapping[str, float]], pairs: Sequence[str]) -> tuple[str, ...]:
    """Pairs for which every method has a value, but for methods that have none at all."""
    present = [own for own in values.values() if own]
    return tuple(pair for pair in pairs if present and all(pair in own for own in present))


def _statistics(values: Iterable[float]) -> Statistics:
    known = list(values)
    if not known:
        return Statistics(None, None, 0)
    return Statistics(statistics.fmean(known), statistics.median(known), len(known))


def _notes(reduced: Iterable[tuple[tuple[int], str]], pairs: int) -> tuple[str, ...]:
    """Sentences on measures that are compared over some of the pairs: how many, and which measure."""
    return tuple(
        f"{', '.join(labels)}: compared over the {count} of {pairs} pairs with a value from every method "
        "that has any."
        if count
        else f"{', '.join(labels)}: not compared, for no pair has a value from every method that has any."
        for (count,), labels in _grouped(reduced).items()
    )


def _absences(
    found: Mapping[tuple[str, str], Measured],
    methods: Sequence[str],
    pairs: Sequence[str],
    measures: Sequence[Measure],
) -> tuple[str, ...]:
    """Sentences; measures and methods that lack a value for one reason in the same pairs share a sentence."""
    lacking = _grouped(
        ((NO_RESULT if row is None else row.reason(measure), method, measure.label), pair)
        for method in methods
        for measure in measures
        for pair in pairs
        if (row := found.get((method, pair))) is None or row.values.get(measure.key) is None
    )
    labels = _grouped(((why, method, which), label) for (why, method, label), which in lacking.items())
    named = _grouped(
        ((why, which, what), method_label(method)) for (why, method, which), what in labels.items()
    )
    return tuple(
        f"{_listed(what, measures, 'all measures')} of {_listed(who, methods, 'all methods')}, "
        f"{_counted(which, pairs)}: {why}"
        for (why, which, what), who in named.items()
    )


def _grouped(items: Iterable[tuple[Key, str]]) -> dict[Key, tuple[str, ...]]:
    """Key -> all that came with it, in order."""
    groups: dict[Key, list[str]] = defaultdict(list)
    for key, item in items:
        groups[key].append(item)
    return {key: tuple(group) for key, group in groups.items()}


def _listed(names: Sequence[str], everything: Sequence[object], all_of_them: str) -> str:
    return all_of_them if len(names) == len(everything) > 1 else ", ".join(names)


def _counted(lacking: Sequence[str], pairs: Sequence[str]) -> str:
    if len(lacking) == len(pairs):
        return "all pairs" if len(pairs) > 1 else f"pair {lacking[0]}"
    more = f" and {len(lacking) - NAMED_PAIRS} more" if len(lacking) > NAMED_PAIRS else ""
    return f"{'pair' if len(lacking) == 1 else 'pairs'} {', '.join(lacking[:NAMED_PAIRS])}{more}"


def to_parquet(table: Table) -> bytes:
    """Write the table in long form: a row for each method and measure.

    ``mean``, ``median`` and ``count`` are over the pairs a method has; those that can be compared, over the
    pairs that all methods have, begin with ``common_``. ``published`` is the paper's mean.
    """
    import pyarrow as pa

    schema = pa.schema([
        ("method", pa.string()), ("metric", pa.string()), ("mean", pa.float64()), ("median", pa.float64()),
        ("count", pa.int32()), ("missing", pa.int32()), ("common_mean", pa.float64()),
        ("common_median", pa.float64()), ("common_count", pa.int32()), ("published", pa.float64()),
    ])  # fmt: skip
    return pack_rows([
        {"method": method, "metric": key, **asdict(cell.own), "missing": cell.missing,
         **{f"common_{name}": value for name, value in asdict(cell.common).items()},
         "published": PUBLISHED.get(method, {}).get(key)}
        for (method, key), cell in table.cells.items()
    ], schema)  # fmt: skip


def rows_to_parquet(rows: Sequence[Measured], measures: Sequence[Measure] = TABULATED) -> bytes:
    """Write what was measured: a row a pair and method, a column a measure, reasons and models."""
    import pyarrow as pa

    texts = pa.map_(pa.string(), pa.string())
    schema = pa.schema([
        ("pair", pa.string()), ("method", pa.string()), *((each.key, pa.float64()) for each in measures),
        ("reasons", texts), ("models", texts),
    ])  # fmt: skip
    return pack_rows([
        {"pair": row.pair, "method": row.method, **{each.key: row.values.get(each.key) for each in measures},
         "reasons": [(each.key, row.reason(each)) for each in measures if row.values.get(each.key) is None],
         "models": list(row.models.items())}
        for row in rows
    ], schema)  # fmt: skip
