"""Lanes of one process on a GPU: each has a stream of its own, and few tell it what to do at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

TURNS = 3  # threads that tell GPUs what to do at once: more wait for Python's lock at each operation


class _OfThread(threading.local):
    """What a thread keeps of each GPU: libraries hold memory for every stream that they have seen."""

    def __init__(self) -> None:
        self.streams: dict[torch.device, torch.cuda.Stream] = {}


_of_thread = _OfThread()
_first_use = threading.Lock()
_turns = threading.BoundedSemaphore(TURNS)


@contextmanager
def turn(device: torch.device) -> Iterator[None]:
    """Wait, before the block tells a GPU what to do, until few other threads do; on other devices do not.

    Threads that read, write or find regions meanwhile are not counted.
    """
    if device.type != "cuda":
        yield
        return
    with _turns:
        yield


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Do what the block tells a GPU in this thread's own stream; on other devices the block is as it was.

    The stream comes after what was queued before the block, and what is queued later comes after it. Within
    another such block it changes nothing.
    """
    if device.type != "cuda":
        yield
        return
    here, own = torch.cuda.current_stream(device), _stream(device)
    if here == own:
        yield
        return
    own.wait_stream(here)
    try:
        with torch.cuda.stream(own):
            yield
    finally:
        here.wait_stream(own)


def _stream(device: torch.device) -> torch.cuda.Stream:
    if device not in _of_thread.streams:
        _of_thread.streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _of_thread.streams[device]


def settle(device: torch.device) -> None:
    """Wait until what was told so far is done: what other threads' streams read must be there."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def prepare_device(device: torch.device) -> None:
    """Let threads compute on a device: torch loads its linear algebra once, by one of them."""
    if device.type == "cuda":
        with _first_use:
            _load_linear_algebra(device)


@cache
def _load_linear_algebra(device: torch.device) -> None:
    torch.linalg.inv_ex(torch.eye(3, device=device, dtype=torch.float64))
    torch.linalg.svd(torch.eye(3, device=device, dtype=torch.float64))
