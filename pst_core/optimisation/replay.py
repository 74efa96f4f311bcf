"""Work that is done again and again, captured once as a CUDA graph: hundreds of launches become one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import torch

WARM_UP = 2  # times before a capture, in which libraries make what must not be made in one
LEAST_REPLAYS = 3  # a capture takes about as long as doing its work once: fewer do not pay for it

_one_capture = Lock()  # a process may have one at a time, though it has several lanes


def repeated(advance: Callable[[], None], count: int, device: torch.device) -> Iterator[None]:
    """Do something on a GPU again and again; the host may look at what came out in between.

    The first times are done one operation after another, the others as replays of a graph, if it can be
    captured; otherwise they go on as before, which is told once.

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
    before = WARM_UP if count >= WARM_UP + LEAST_REPLAYS else count
    for _ in range(before):
        with _beside(device):
            advance()
        yield
    if count > before:
        again = captured(advance, device)
        for _ in range(count - before):
            again()
            yield


def captured(advance: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """What has the effect of `advance`: a graph's replay, or itself where none can be captured."""
    try:
        graph = torch.cuda.CUDAGraph()
        # Other lanes may ask for memory meanwhile: a mistake is what this thread alone must not do.
        with (
            _one_capture,
            _beside(device) as stream,
            torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
        ):
            advance()
    except RuntimeError as error:  # an old driver, too little memory, an operation that cannot be captured
        _tell_once(str(error).partition("\n")[0])
        return advance
    replay: Callable[[], None] = graph.replay
    return replay


@contextmanager
def _beside(device: torch.device) -> Iterator[torch.cuda.Stream]:
    """A stream of its own, as captures need one: after what was queued before, before what comes after."""
    here = torch.cuda.current_stream(device)
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        yield stream
    here.wait_stream(stream)


@cache
def _tell_once(reason: str) -> None:
    """Log it, each reason once in a process: every stage would say the same again."""
    logging.getLogger(__name__).warning(
        "Stages run without CUDA graphs, which takes longer and changes no result: %s", reason
    )
