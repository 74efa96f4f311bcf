"""The paper's Table 1 over our own results: means and medians per method, with what is missing named."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from pst_core.errors import ConfigError
from pst_core.settings.methods import METHODS

__all__ = [
    "CONTENT_METHOD", "METRICS", "NONE", "PUBLISHED", "Cell", "Measured", "Metric", "Statistics", "Table",
    "method_label", "rows_to_parquet", "tabulate", "to_parquet",
]  # fmt: skip

Key = TypeVar("Key", bound=tuple[object, ...])

CONTENT_METHOD = "content"  # the content as it is, which no method should be compared with for being best
NO_RESULT, NOT_MEASURED, NOT_FINITE = "no result", "not measured", "the measure gave no finite number"
NONE = "n/a"
NAMED_PAIRS = 6  # how many pairs a sentence names before it counts the rest


class Metric(NamedTuple):
    """A measure.

    Attributes
    ----------
    key, label : str
    digits : int
        After the decimal point.
    better : {"higher", "lower"}
    """

    key: str
    label: str
    digits: int
    better: Literal["higher", "lower"]

    @property
    def arrow(self) -> str:
        """The direction of better values."""
        return "↑" if self.better == "higher" else "↓"

    def text(self, value: float | None) -> str:
        """The value to its digits."""
        return NONE if value is None else f"{value:.{self.digits}f}"


METRICS = (
    Metric("brisque", "BRISQUE", 3, "lower"),
    Metric("niqe", "NIQE", 3, "lower"),
    Metric("ssim", "SSIM", 3, "higher"),
    Metric("color_distance", "Colour distance", 2, "lower"),
    Metric("gram_distance", "Gram distance", 3, "lower"),
)

# Yang (2019), Table 1: means over all 60 pairs, BRISQUE and NIQE by MATLAB's own models.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "content": {"brisque": 19.806, "niqe": 2.325, "ssim": 1.0},
    "gatys": {"brisque": 29.625, "niqe": 4.236, "ssim": 0.561},
    "champandard": {"brisque": 30.433, "niqe": 4.230, "ssim": 0.581},
    "li": {"brisque": 23.211, "niqe": 3.417, "ssim": 0.579},
    "luan": {"brisque": 21.121, "niqe": 3.169, "ssim": 0.588},
    "yang": {"brisque": 20.361, "niqe": 2.871, "ssim": 0.656},
}


class Measured(BaseModel):
    """What was measured of one method's result for one pair.

    Attributes
    ----------
    pair, method : str
    values : dict
        Metric -> value. A metric that is left out, or is no finite number, has none (None).
    reasons : dict
        Metric -> why it has no value; every metric without one has a reason.
    models : dict
        Metric -> the model or the network that it was measured with, where it takes one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: str
    method: str
    values: dict[str, float | None]
    reasons: dict[str, str] = {}
    models: dict[str, str] = {}

    @model_validator(mode="after")
    def _complete(self) -> "Measured":
        keys = [metric.key for metric in METRICS]
        if unknown := sorted((self.values.keys() | self.reasons.keys()) - set(keys)):
            raise ValueError(f"there is no metric {unknown[0]!r}: choose from {', '.join(keys)}")
        for key in keys:
            value = self.values.setdefault(key, None)
            if value is not None and not math.isfinite(value):
                self.values[key] = None
                self.reasons.setdefault(key, NOT_FINITE)
            if self.values[key] is None:
                self.reasons.setdefault(key, NOT_MEASURED)
        return self


@dataclass(frozen=True)
class Statistics:
    """Of one metric over several pairs; no mean and median (None) without a value."""

    mean: float | None
    median: float | None
    count: int


class Cell(NamedTuple):
    """One method by one metric.

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
    """Methods by metrics.

    Attributes
    ----------
    methods, pairs : tuple of str
    cells : mapping
        (method, metric's key) -> `Cell`.
    notes : tuple of str
        Which metrics are compared over fewer pairs than there are.
    absences : tuple of str
        Which values are missing, and why.
    """

    methods: tuple[str, ...]
    pairs: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    notes: tuple[str, ...]
    absences: tuple[str, ...]

    def best(self, metric: Metric) -> frozenset[str]:
        """The methods with the best mean as it is shown; none where there is nothing to compare."""
        means = {
            method: mean
            for method in self.methods
            if method != CONTENT_METHOD and (mean := self.cells[method, metric.key].common.mean) is not None
        }
        if len(means) < 2:
            return frozenset()
        choose = max if metric.better == "higher" else min
        best = metric.text(choose(means.values()))
        return frozenset(method for method, mean in means.items() if metric.text(mean) == best)


def method_label(method: str) -> str:
    """A method's name as it is printed: the authors of a published one, any other as it is."""
    titles = {CONTENT_METHOD: "Content image"} | {str(name): each.title for name, each in METHODS.items()}
    return titles.get(method, method)


def tabulate(rows: Sequence[Measured], methods: Sequence[str]) -> Table:
    """Gather what was measured, method by method.

    Parameters
    ----------
    rows
        In any order; those of other methods are left out.
    methods
        The table's rows, in order.

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
    for metric in METRICS:
        values = {method: _values(found, method, pairs, metric.key) for method in methods}
        common = _common(values, pairs)
        for method, own in values.items():
            shared = [own[pair] for pair in common if pair in own]
            cells[method, metric.key] = Cell(
                _statistics(own.values()), _statistics(shared), len(pairs) - len(own)
            )
        if len(common) < len(pairs) and any(values.values()):
            reduced.append(((len(common),), metric.label))
    return Table(tuple(methods), pairs, cells, _notes(reduced, len(pairs)), _absences(found, methods, pairs))


def _values(
    found: Mapping[tuple[str, str], Measured], method: str, pairs: Sequence[str], key: str
) -> dict[str, float]:
    """Pair -> value, where there is one."""
    rows = {pair: found[method, pair] for pair in pairs if (method, pair) in found}
    return {pair: value for pair, row in rows.items() if (value := row.values[key]) is not None}


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
    """Sentences on metrics that are compared over some of the pairs: how many, and which metric."""
    return tuple(
        f"{', '.join(labels)}: compared over the {count} of {pairs} pairs with a value from every method "
        "that has any."
        if count
        else f"{', '.join(labels)}: not compared, for no pair has a value from every method that has any."
        for (count,), labels in _grouped(reduced).items()
    )


def _absences(
    found: Mapping[tuple[str, str], Measured], methods: Sequence[str], pairs: Sequence[str]
) -> tuple[str, ...]:
    """Sentences; metrics and methods that lack a value for one reason in the same pairs share a sentence."""
    lacking = _grouped(
        ((NO_RESULT if row is None else row.reasons[metric.key], method, metric.label), pair)
        for method in methods
        for metric in METRICS
        for pair in pairs
        if (row := found.get((method, pair))) is None or row.values[metric.key] is None
    )
    labels = _grouped(((why, method, which), label) for (why, method, label), which in lacking.items())
    named = _grouped(
        ((why, which, what), method_label(method)) for (why, method, which), what in labels.items()
    )
    return tuple(
        f"{_listed(what, METRICS, 'all measures')} of {_listed(who, methods, 'all methods')}, "
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
    """Write the table in long form: a row for each method and metric.

    ``mean``, ``median`` and ``count`` are over the pairs a method has; those that can be compared, over the
    pairs that all methods have, begin with ``common_``. ``published`` is the paper's mean.
    """
    import pyarrow as pa

    schema = pa.schema([
        ("method", pa.string()), ("metric", pa.string()), ("mean", pa.float64()), ("median", pa.float64()),
        ("count", pa.int32()), ("missing", pa.int32()), ("common_mean", pa.float64()),
        ("common_median", pa.float64()), ("common_count", pa.int32()), ("published", pa.float64()),
    ])  # fmt: skip
    return _parquet(schema, [
        {"method": method, "metric": key, **asdict(cell.own), "missing": cell.missing,
         **{f"common_{name}": value for name, value in asdict(cell.common).items()},
         "published": PUBLISHED.get(method, {}).get(key)}
        for (method, key), cell in table.cells.items()
    ])  # fmt: skip


def rows_to_parquet(rows: Sequence[Measured]) -> bytes:
    """Write what was measured: a row a pair and method, a column a metric, reasons and models."""
    import pyarrow as pa

    texts = pa.map_(pa.string(), pa.string())
    schema = pa.schema([
        ("pair", pa.string()), ("method", pa.string()), *((metric.key, pa.float64()) for metric in METRICS),
        ("reasons", texts), ("models", texts),
    ])  # fmt: skip
    return _parquet(schema, [
        {"pair": row.pair, "method": row.method, **row.values, "reasons": list(row.reasons.items()),
         "models": list(row.models.items())}
        for row in rows
    ])  # fmt: skip


def _parquet(schema: Any, rows: list[dict[str, Any]]) -> bytes:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa
    from pyarrow import parquet

    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return bytes(buffer.getvalue())
