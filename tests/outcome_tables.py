"""A batch's table read back, by pyarrow alone."""

import io
import json

from pyarrow import parquet

from flows.layout import OUTCOMES
from flows.results.outcomes import PairOutcome
from pst_core.quality.measures import REPORTED


def read_outcomes(out):
    """How the pairs of a folder's last batch ended, by its table; the folder's name need not be text."""
    table = parquet.read_table(io.BytesIO((out / OUTCOMES).read_bytes()))
    return [_outcome(row) for row in table.to_pylist()]


def _outcome(row):
    scores = {measure.key: row.pop(measure.key) for measure in REPORTED}
    texts = {name: json.loads(row[name]) for name in ("settings", "previews")}
    maps = {name: dict(row[name]) for name in ("models", "files")}
    return PairOutcome(**row | {"scores": scores} | texts | maps)
