"""The order that was last run into a folder, of whatever kind."""

from collections.abc import Callable
from pathlib import Path

from flows.orders.apply_order import ApplyOrder, load_apply_order
from flows.orders.batch_order import BatchOrder, load_batch_order
from flows.orders.evaluation_order import EvaluationOrder, load_evaluation_order
from flows.orders.saved import KeptOrder
from flows.orders.sequence_order import SequenceOrder, load_sequence_order

_LOADERS: dict[str, Callable[[Path], KeptOrder | None]] = {
    EvaluationOrder.file: load_evaluation_order,
    ApplyOrder.file: load_apply_order,
    SequenceOrder.file: load_sequence_order,
    BatchOrder.file: load_batch_order,
}
"""File that an order is kept in -> what loads it."""


def load_last_order(out: Path) -> KeptOrder:
    """The order that was last run into a folder, which may hold those of several commands.

    Raises
    ------
    ConfigError
        There is none, or it cannot be used.
    """
    newest_first = sorted(_LOADERS, key=lambda file: _saved_at(out / file), reverse=True)
    orders = (_LOADERS[file](out) for file in newest_first if (out / file).exists())
    last = next((order for order in orders if order is not None), None)
    return load_batch_order(out) if last is None else last


def _saved_at(path: Path) -> int:
    """When an order was kept, in nanoseconds; 0 if it was not."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
