"""Cancelling in Prefect's UI: a run that was started by hand has no worker to tell it, so it asks.

It asks at its safe points, every now and then, and ends there like a run that got a signal: what is finished
stays, the pair and the batch that it belongs to are Cancelled. A worker tells its run by SIGTERM, which may
mean something else as well: so the run asks then, too.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from flows.runtime.interrupts import deferring_signals
from flows.runtime.trouble import is_server_loss

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import State

Returned = TypeVar("Returned")
ASK_SECONDS = 10.0
MESSAGE = "Cancelled in Prefect's UI; what is finished is kept."


class RunCancelled(BaseException):
    """The run, or one that it belongs to, was cancelled by somebody."""


class RunAbandoned(BaseException):
    """What the run belongs to came to its end early: nobody will take what this one makes."""


class _Chain:
    """A flow run with those that it belongs to, and when the server was last asked of them.

    One thread asks, whose chain it is; those that work for it hear of it, and never wait for the server.
    """

    def __init__(self) -> None:
        self.runs: list[UUID] = []
        self.asked = time.monotonic()
        self.ending: type[BaseException] | None = None
        self.thread = threading.get_ident()

    def stop_if_cancelled(self) -> None:
        if self.ending is not None:
            raise self.ending
        if threading.get_ident() != self.thread or time.monotonic() - self.asked < ASK_SECONDS:
            return
        self.stop_if_cancelled_by_now()
        self.asked = time.monotonic()

    def stop_if_cancelled_by_now(self) -> None:
        if any(_is_cancelled(run) for run in [*self.runs]):
            raise RunCancelled


class SafePoint:
    """To be called where a run may end: raises what a noted signal stands for, or `RunCancelled`."""

    def __init__(self, chain: _Chain, stop_if_signalled: "Callable[[], None]") -> None:
        self._chain, self._stop_if_signalled = chain, stop_if_signalled

    def __call__(self) -> None:
        """End here, if the run is to end."""
        from prefect.exceptions import TerminationSignal

        try:
            self._stop_if_signalled()
        except TerminationSignal:
            self._chain.stop_if_cancelled_by_now()  # or the run would say Crashed, and be started again
            raise
        self._chain.stop_if_cancelled()

    @contextlib.contextmanager
    def ending_others(self, error: BaseException) -> "Iterator[None]":
        """While the block waits for what works for this run in other threads, let that end, too."""
        before = self._chain.ending
        self._chain.ending = RunCancelled if isinstance(error, RunCancelled) else RunAbandoned
        try:
            yield
        finally:
            self._chain.ending = before


_chain: ContextVar[_Chain | None] = ContextVar("chain", default=None)


@contextlib.contextmanager
def safe_points() -> Iterator[SafePoint]:
    """Note signals while the block runs, and cancellations of the flow run that it is part of."""
    with _following_this_run() as chain, deferring_signals() as stop_if_signalled:
        yield SafePoint(chain, stop_if_signalled)


@contextlib.contextmanager
def belonging_to(run: "UUID") -> Iterator[None]:
    """Let what runs in the block end, too, when a run is cancelled that it belongs to in another process."""
    chain = _chain.get() or _Chain()
    chain.runs.append(run)
    token = _chain.set(chain)
    try:
        yield
    finally:
        _chain.reset(token)
        chain.runs.remove(run)


@contextlib.contextmanager
def _following_this_run() -> Iterator[_Chain]:
    from prefect.context import FlowRunContext

    chain, context = _chain.get() or _Chain(), FlowRunContext.get()
    run = context.flow_run.id if context is not None and context.flow_run is not None else None
    if run is None or run in chain.runs:
        yield chain
        return
    chain.runs.append(run)
    token = _chain.set(chain)
    try:
        yield chain
    finally:
        _chain.reset(token)
        chain.runs.remove(run)


def _is_cancelled(run: "UUID") -> bool:
    """Whether somebody cancelled a flow run; what the server cannot tell now it may tell the next time."""
    import httpx
    from prefect.client.orchestration import get_client

    with contextlib.suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False


def ending_in_order(run: "Callable[[], Returned]") -> "Returned | State[Any]":
    """What a flow returns: what `run` does, or that it was cancelled; a lost server is not waited for.

    Meanwhile the run is noted as one whose process lives.
    """
    from flows.runtime.left_running import noted_as_running  # and what its notes need

    try:
        with noted_as_running():
            return run()
    except Exception as error:
        if is_server_loss(error):
            _ask_no_longer()
        raise
    except RunCancelled:
        from prefect.states import Cancelled

        return Cancelled(message=MESSAGE)


def _ask_no_longer() -> None:
    """Let what ends now not wait a minute each for a server that was waited for already.

    Prefect's client asks again only where it was connected before.
    """
    from prefect.context import SyncClientContext

    if (context := SyncClientContext.get()) is not None:
        client: Any = context.client
        client._client._has_connected = False


def result_of(state: "State[Any]") -> Any:  # noqa: ANN401 - whatever the flow returned
    """What a flow within this one returned; raises `RunCancelled` if it was cancelled, or what ended it."""
    if state.is_cancelled() or state.is_cancelling():
        raise RunCancelled
    return state.result()
