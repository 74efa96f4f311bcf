"""Each thread's own stream, with a stand-in for CUDA's."""

import contextlib
import threading
from types import SimpleNamespace

import pytest
import torch

from pst_core import streams
from pst_core.streams import TURNS, own_stream, turn

GPU = torch.device("cuda:0")


class Stream:
    """A stream that knows what it waits for."""

    def __init__(self, device=GPU):
        self.waits = []

    def wait_stream(self, other):
        self.waits.append(other)


@pytest.fixture
def cuda(monkeypatch):
    """What the module asks of torch.cuda; `cuda.main` is what was current before."""
    here = threading.local()
    main = Stream()

    @contextlib.contextmanager
    def stream(chosen):
        before, here.stream = current(), chosen
        yield
        here.stream = before

    def current(device=GPU):
        return getattr(here, "stream", main)

    made = SimpleNamespace(Stream=Stream, stream=stream, current_stream=current, main=main)
    monkeypatch.setattr(streams, "torch", SimpleNamespace(cuda=made, device=torch.device))
    monkeypatch.setattr(streams, "_of_thread", streams._OfThread())
    return made


def test_a_block_comes_after_what_was_queued_and_before_what_comes(cuda):
    with own_stream(GPU):
        own = cuda.current_stream()
        assert own is not cuda.main and own.waits == [cuda.main] and cuda.main.waits == []
    assert cuda.current_stream() is cuda.main and cuda.main.waits == [own]


def test_a_block_within_a_block_waits_for_nothing(cuda):
    with own_stream(GPU):
        own = cuda.current_stream()
        with own_stream(GPU):
            assert cuda.current_stream() is own
        assert cuda.current_stream() is own and cuda.main.waits == [] and len(own.waits) == 1


def test_what_fails_is_waited_for_too(cuda):
    with pytest.raises(ValueError, match="no tensor"), own_stream(GPU):
        raise ValueError("no tensor")
    assert len(cuda.main.waits) == 1


def test_a_thread_has_one_stream_and_no_other_threads(cuda):
    seen = []

    def look():
        with own_stream(GPU):
            seen.append(cuda.current_stream())

    look()
    look()
    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert seen[0] is seen[1] and seen[2] is not seen[0]


def test_on_the_cpu_nothing_is_asked_of_cuda(monkeypatch):
    monkeypatch.setattr(streams, "torch", None)
    with own_stream(torch.device("cpu")):
        streams.settle(torch.device("cpu"))
        streams.prepare_device(torch.device("cpu"))


def test_few_threads_tell_a_gpu_what_to_do_at_once():
    entered = threading.Event()

    def lane():
        with turn(GPU):
            entered.set()

    waiting = threading.Thread(target=lane)
    with contextlib.ExitStack() as taken:
        for _ in range(TURNS):
            taken.enter_context(turn(GPU))
        assert not streams._turns.acquire(blocking=False)
        waiting.start()
        assert not entered.is_set()
    waiting.join()
    assert entered.is_set()


def test_on_the_cpu_there_are_no_turns():
    with contextlib.ExitStack() as taken:
        for _ in range(3 * TURNS):
            taken.enter_context(turn(torch.device("cpu")))
        assert streams._turns.acquire(blocking=False)
        streams._turns.release()


def test_a_turn_ends_with_a_failure():
    for _ in range(TURNS + 1):
        with pytest.raises(ZeroDivisionError), turn(GPU):
            raise ZeroDivisionError
