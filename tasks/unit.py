"""What all units of work have in common: kept by content, one at a time per key, retried with back-off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.results import ResultRecord  # type: ignore[attr-defined]  # where Prefect has it from, too
from prefect.tasks import exponential_backoff
from prefect.transactions import IsolationLevel

from pst_core.faults import is_transient
from tasks.keys import key_of
from tasks.records import StoreLocks

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class ByContent(CachePolicy):
    """Keys made of what a step is given and of the code that computes it, see `tasks.keys`."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> str:
        """The key of a task run."""
        return key_of(task_ctx.task.name, inputs)


BY_CONTENT = ByContent(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=StoreLocks())


def retry_what_may_pass(task: Any, task_run: Any, state: Any) -> bool:  # noqa: ANN401, ARG001 - Prefect's signature
    """Retry a stalled mount or a busy device; never bad input, and never what was too large."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


def unit(name: str, run_name: str, *, retries: int = 3) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a unit of work.

    Parameters
    ----------
    name
        Of the step; part of its cache key.
    run_name
        What a run of it is called, with the arguments' names in braces.
    retries
        How often a fault that may pass is tried again, after 2, 4, 8 seconds and so on.
    """
    return task(
        name=name,
        task_run_name=run_name,
        cache_policy=BY_CONTENT,
        persist_result=True,
        result_serializer="json",  # no pickle is ever read
        cache_result_in_memory=False,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.5,
        retry_condition_fn=retry_what_may_pass,
        log_prints=False,
    )


def returned(state: State[R]) -> R:
    """What a unit's run returned that was called directly, or found done; raises what it raised.

    Prefect would hand it over through another thread's event loop: a third of what a run takes.
    """
    if state.is_completed() and isinstance(state.data, ResultRecord):
        found: R = state.data.result
        return found
    return state.result()
