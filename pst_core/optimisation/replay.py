"""Work that is done again and again, captured once as a CUDA graph: hundreds of launches become one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock, local
from typing import Any

import torch

from pst_core.streams import own_stream

WARM_UP = 1  # times before a thread's first capture, in which libraries make what must not be made in one
LEAST_REPLAYS = 2  # a capture takes about as long as doing its work once: fewer do not pay for it

_one_at_a_time = Lock()  # to begin, end or drop a graph: the GPU's generator of random numbers knows them all


def repeated(advance: Callable[[], None], count: int, device: torch.device) -> Iterator[None]:
    """Do something on a GPU again and again; the host may look at what came out in between.

    It is done as replays of a graph, if it can be captured, and otherwise one operation after another, which
    is told once. A thread's first capture comes after a time that is done without one.

    Parameters
    ----------
    advance
        The same operations on the same memory every time, without anything that the host would have to see.
        While it is captured it is called, but has no effect.
    count
        How often.

    Yields
    ------
    None
        After each time, as soon as the device was told, not when it is done.
    """
    warm_up = WARM_UP if _last.is_to_warm_up(device) else 0
    before = warm_up if count >= warm_up + LEAST_REPLAYS else count
    for _ in range(before):
        with own_stream(device):
            advance()
        yield
    if count == before:
        return
    again = advance
    try:
        again = captured(advance, device)
    except RuntimeError as error:  # an old driver, too little memory, an operation that cannot be captured
        if not (before or isinstance(error, torch.cuda.OutOfMemoryError)):
            # Or a library that this thread has not used yet: with a warm-up, which comes now, it can be.
            yield from repeated(advance, count, device)
            return
        _tell_once(str(error).partition("\n")[0])
    for _ in range(count - before):
        again()
        yield


def captured(advance: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A graph's replay, which has the effect of `advance`.

    It may be called until this thread captures something else.

    Raises
    ------
    RuntimeError
        If none can be captured.
    """
    try:
        with own_stream(device), _recorded(device) as graph:
            advance()
    except RuntimeError:
        _last.drop(device)
        raise
    replay: Callable[[], None] = graph.replay
    return replay


class _LastGraph(local):
    """The graph of a device that a thread captured last: the next one takes over its memory.

    Memory that is given back and asked for anew makes all lanes wait for the whole GPU.
    """

    def __init__(self) -> None:
        self.graphs: dict[torch.device, torch.cuda.CUDAGraph] = {}
        self.refused: set[torch.device] = set()

    def is_to_warm_up(self, device: torch.device) -> bool:
        """Whether what this thread captures next is to be done once before: always, after a refusal."""
        return device not in self.graphs or device in self.refused

    def memory(self, device: torch.device) -> Any:  # noqa: ANN401 - torch has no public name for it
        return self.graphs[device].pool() if device in self.graphs else None

    def drop(self, device: torch.device) -> None:
        """Give its memory back: a capture was refused."""
        self.refused.add(device)
        with _one_at_a_time:
            self.graphs.pop(device, None)


_last = _LastGraph()


@contextmanager
def _recorded(device: torch.device) -> Iterator[torch.cuda.CUDAGraph]:
    """A graph of the block's operations in the current stream.

    `torch.cuda.graph` does as much, but waits for the whole GPU first and gives all free memory back, for
    which every other lane would wait. Other lanes may ask for memory meanwhile: a mistake is what this
    thread alone must not do.
    """
    graph = torch.cuda.CUDAGraph()
    with _one_at_a_time:
        graph.capture_begin(_last.memory(device), capture_error_mode="thread_local")
    try:
        yield graph
    except BaseException:
        with suppress(RuntimeError), _one_at_a_time:  # says once more that the capture failed
            graph.capture_end()
        raise
    with _one_at_a_time:
        graph.capture_end()
        _last.graphs[device] = graph


@cache
def _tell_once(reason: str) -> None:
    """Log it, each reason once in a process: every stage would say the same again."""
    logging.getLogger(__name__).warning(
        "Stages run without CUDA graphs, which takes longer and changes no result: %s", reason
    )
