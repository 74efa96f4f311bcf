"""Work captured once and replayed, with recordings on the CPU in the place of CUDA's graphs."""

import contextlib
import logging
from types import SimpleNamespace

import pytest
import torch
from recorded_work import RecordedWork

from pst_core.optimisation import replay, solver
from pst_core.optimisation.losses import Losses
from pst_core.optimisation.replay import LEAST_REPLAYS, WARM_UP, repeated

HERE = torch.device("cpu")


class StandIn:
    """What the module asks of torch.cuda, on the CPU: streams that change nothing, graphs that record."""

    def __init__(self, refusal=None, late=False):
        self.refusal, self.late = refusal, late
        self.captures, self.waits, self.modes = 0, [], []

    def CUDAGraph(self):  # noqa: N802
        if self.refusal is not None and not self.late:
            raise self.refusal
        return RecordedWork()

    @contextlib.contextmanager
    def graph(self, graph, stream, capture_error_mode):
        self.modes.append(capture_error_mode)
        self.captures += 1
        with graph:
            yield
        if self.refusal is not None:
            raise self.refusal

    def Stream(self, device):  # noqa: N802
        return SimpleNamespace(wait_stream=lambda other: self.waits.append("aside"))

    def current_stream(self, device):
        return SimpleNamespace(wait_stream=lambda other: self.waits.append("here"))

    def stream(self, stream):
        return contextlib.nullcontext()


@pytest.fixture
def stand_in(monkeypatch):
    def put(**how):
        made = StandIn(**how)
        monkeypatch.setattr(replay, "torch", SimpleNamespace(cuda=made))
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
    assert made.captures == 1 and work.calls == WARM_UP + 1
    assert made.modes == ["thread_local"]  # other lanes of the process go on
    assert made.waits == ["aside", "here"] * (WARM_UP + 1)


@pytest.mark.parametrize("count", range(WARM_UP + LEAST_REPLAYS))
def test_what_is_done_a_few_times_is_not_captured(stand_in, count):
    made, work = stand_in(), Counter()
    assert len(list(repeated(work, count, HERE))) == work.calls == work.total == count
    assert made.captures == 0


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
    assert made.captures == (refusal is None)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-6, atol=1e-7)
    assert [record.total for record in found[1]] == pytest.approx([record.total for record in expected[1]])
