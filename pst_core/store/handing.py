"""What has just been kept, handed on in memory to whoever asks for it by the same reference.

The store stays the truth: what is handed on was put there first, records count only with every artifact they
name in the store as it was written, and nothing outlives the block.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pst_core.store.layout import Reference
from pst_core.store.store import open_store

MOST_HELD = 2**29
"""Bytes of artifacts, as they are in the store, that a block holds; the least recently asked for go first."""


class _Hands:
    """Artifacts that a block holds, by kind and hash."""

    def __init__(self) -> None:
        self._things: OrderedDict[tuple[str, str], tuple[int, Any]] = OrderedDict()
        self._bytes = 0

    def give(self, reference: Reference, thing: Any) -> None:  # noqa: ANN401 - of the kind's own type
        self._drop((reference.kind, reference.sha256))
        self._things[reference.kind, reference.sha256] = reference.size, thing
        self._bytes += reference.size
        while self._bytes > MOST_HELD:
            self._drop(next(iter(self._things)))

    def take(self, reference: Reference) -> Any:  # noqa: ANN401
        key = reference.kind, reference.sha256
        if key not in self._things:
            return None
        self._things.move_to_end(key)
        return self._things[key][1]

    def clear(self) -> None:
        self._things.clear()
        self._bytes = 0

    def _drop(self, key: tuple[str, str]) -> None:
        self._bytes -= self._things.pop(key, (0, None))[0]


_hands: ContextVar[_Hands | None] = ContextVar("_hands", default=None)


@contextmanager
def handing_on() -> Iterator[None]:
    """Within the block, hand on in memory what is kept or read; hold nothing beyond.

    What is handed on is shared: leave it as it is. A block within another shares the outer's.
    """
    if _hands.get() is not None:
        yield
        return
    token = _hands.set(_Hands())
    try:
        yield
    finally:
        _hands.reset(token)


def hand(reference: Reference, thing: Any) -> None:  # noqa: ANN401 - of the kind's own type
    """Hold an artifact of the store for whoever asks for it in this block; without a block do nothing."""
    if (hands := _hands.get()) is not None:
        hands.give(reference, thing)


def handed(reference: Reference) -> Any:  # noqa: ANN401
    """An artifact that was handed on in this block; None for any other."""
    return None if (hands := _hands.get()) is None else hands.take(reference)


def let_go() -> None:
    """Hold nothing of what this block has handed on so far: its memory is needed."""
    if (hands := _hands.get()) is not None:
        hands.clear()


def bytes_of(reference: Reference) -> bytes:
    """The bytes of an artifact that is a file's bytes: handed on, or read from the store, verified.

    Raises
    ------
    StoreMiss
        It was not handed on, and is not in the store as it was written.
    """
    data = handed(reference)
    return data if isinstance(data, bytes) else open_store().read(reference)
