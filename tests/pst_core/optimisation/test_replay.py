"""Work captured once and replayed, with recordings on the CPU in the place of CUDA's graphs."""

import logging
import threading
from types import SimpleNamespace

import pytest
import torch
from recorded_work import RecordedWork

from pst_core.optimisation import replay, solver
from pst_core.optimisation.losses import Losses
from pst_core.optimisation.replay import LEAST_REPLAYS, WARM_UP, repeated

HERE = torch.device("cpu")


class Graph:
    """A graph that records; it may be refused when it is begun, or when it ends."""

    def __init__(self, device):
        self.device, self.work = device, RecordedWork()

    def capture_begin(self, memory, capture_error_mode):
        self.device.events.append("begin")
        self.device.modes.append(capture_error_mode)
        self.device.memories.append(memory)
        if self.device.refusal is not None and not self.device.late:
            raise self.device.refusal
        self.work.__enter__()

    def capture_end(self):
        self.device.events.append("end")
        self.work.__exit__(None, None, None)
        if self.device.refusal is not None:
            raise self.device.refusal

    def pool(self):
        return self

    def replay(self):
        self.device.events.append("replay")
        self.work.replay()


class StandIn:
    """What the module asks of torch.cuda, on the CPU."""

    OutOfMemoryError = torch.cuda.OutOfMemoryError

    def __init__(self, refusal=None, late=False):
        self.refusal, self.late = refusal, late
        self.events, self.modes, self.memories = [], [], []

    def CUDAGraph(self):  # noqa: N802
        return Graph(self)


@pytest.fixture
def stand_in(monkeypatch):
    def put(**how):
        made = StandIn(**how)
        monkeypatch.setattr(replay, "torch", SimpleNamespace(cuda=made, device=torch.device))
        monkeypatch.setattr(replay, "_last", replay._LastGraph())
        return made

    replay._tell_once.cache_clear()
    return put


class Counter:
    """Work whose calls and effects can be told apart."""

    def __init__(self):
        self.calls, self.total = 0, torch.zeros(())

    def __call__(self):
        self.calls += 1
        self.total += 1


def test_work_is_captured_once_after_a_warm_up_and_replayed(stand_in):
    made, work = stand_in(), Counter()
    seen = [work.total.item() for _ in repeated(work, 10, HERE)]
    assert seen == list(range(1, 11))
    assert made.events == ["begin", "end"] + ["replay"] * (10 - WARM_UP) and work.calls == WARM_UP + 1
    assert made.modes == ["thread_local"]  # other lanes of the process go on


def test_a_thread_that_has_captured_before_does_not_warm_up_again(stand_in):
    made = stand_in()
    list(repeated(Counter(), 10, HERE))
    made.events.clear()
    work = Counter()
    assert [work.total.item() for _ in repeated(work, LEAST_REPLAYS, HERE)] == list(
        range(1, LEAST_REPLAYS + 1)
    )
    assert made.events == ["begin", "end"] + ["replay"] * LEAST_REPLAYS and work.calls == 1


@pytest.mark.parametrize("late", [False, True])
def test_what_a_capture_lacked_is_made_by_a_warm_up(stand_in, caplog, late):
    """A library that this thread has not used yet: nobody hears of it, and it warms up from then on."""
    made = stand_in()
    list(repeated(Counter(), 10, HERE))
    made.refusal, made.late = RuntimeError("CUDA error: initialization error"), late
    work = Counter()

    def lacking():
        work()
        if work.calls > late:  # the first call of a late refusal is the capture's
            made.refusal = None

    with caplog.at_level(logging.WARNING):
        assert [work.total.item() for _ in repeated(lacking, 6, HERE)] == [1, 2, 3, 4, 5, 6]
    assert made.events[-5:] == ["replay"] * 5 and not caplog.records
    later = Counter()
    list(repeated(later, 6, HERE))
    assert later.calls == WARM_UP + 1 and made.events[-5:] == ["replay"] * 5


def test_what_is_done_twice_is_not_tried_again(stand_in):
    made = stand_in()
    list(repeated(Counter(), 10, HERE))
    made.refusal = RuntimeError("CUDA error: operation not permitted when stream is capturing")
    made.events.clear()
    work = Counter()
    assert [work.total.item() for _ in repeated(work, 2, HERE)] == [1, 2]
    assert made.events == ["begin"]


def test_a_threads_graphs_take_over_the_memory_of_the_one_before(stand_in):
    made = stand_in()
    for _ in range(2):
        list(repeated(Counter(), 10, HERE))
    elsewhere = threading.Thread(target=lambda: list(repeated(Counter(), 10, HERE)))
    elsewhere.start()
    elsewhere.join()
    first, second, other = made.memories
    assert first is None and isinstance(second, Graph)
    assert other is None  # two threads' graphs run at once


def test_after_a_failure_memory_is_asked_for_anew(stand_in):
    made = stand_in()
    list(repeated(Counter(), 10, HERE))
    made.refusal, made.late = torch.cuda.OutOfMemoryError("CUDA out of memory."), True
    list(repeated(Counter(), 10, HERE))
    made.refusal = None
    list(repeated(Counter(), 10, HERE))
    assert [memory is None for memory in made.memories] == [True, False, True]


@pytest.mark.parametrize("count", range(WARM_UP + LEAST_REPLAYS))
def test_what_is_done_a_few_times_is_not_captured(stand_in, count):
    made, work = stand_in(), Counter()
    assert len(list(repeated(work, count, HERE))) == work.calls == work.total == count
    assert made.events == []


@pytest.mark.parametrize(
    "refusal",
    [
        RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with ..."),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_cannot_be_captured_goes_on_by_itself_and_says_so_once(stand_in, caplog, refusal, late):
    stand_in(refusal=refusal, late=late)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            work = Counter()
            assert [work.total.item() for _ in repeated(work, 6, HERE)] == [1, 2, 3, 4, 5, 6]
    (record,) = caplog.records
    assert str(refusal).splitlines()[0] in record.getMessage() and "Compile" not in record.getMessage()


def test_a_mistake_in_the_work_itself_is_not_swallowed(stand_in):
    stand_in()

    def work():
        raise ValueError("no tensor")

    with pytest.raises(ValueError, match="no tensor"):
        list(repeated(work, 10, HERE))


@pytest.mark.parametrize("again", [False, True])
def test_a_capture_ends_whatever_happens_in_it(stand_in, again):
    made, calls = stand_in(), []

    def work():
        calls.append(None)
        if len(calls) == WARM_UP + 1:
            if again:  # the end says once more that it failed
                made.refusal, made.late = RuntimeError("capture failed"), True
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    list(repeated(work, 10, HERE))
    assert made.events == ["begin", "end"] and len(calls) == 11


@pytest.mark.parametrize("refusal", [None, RuntimeError("CUDA driver version is insufficient")])
def test_stages_come_out_the_same_with_a_graph_and_without(stand_in, monkeypatch, refusal):
    image = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(2))

    def loss(x):
        total = (x - 0.4).square().sum() + 0.1 * (7 * x).cos().sum()
        return Losses(total, total / 2, total / 3)

    expected = solver.minimise(image, loss, iterations=24, history=5)
    monkeypatch.setattr(solver, "_replays", lambda image: True)
    made = stand_in(refusal=refusal)
    found = solver.minimise(image, loss, iterations=24, history=5)
    assert ("replay" in made.events) == (refusal is None)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-6, atol=1e-7)
    assert [record.total for record in found[1]] == pytest.approx([record.total for record in expected[1]])
