"""Where every pair of a batch stands, found without computing anything."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from flows.layout import Place
from flows.orders.batch_order import BatchOrder
from flows.orders.planning import PairOrder, Plan, Prober, plan_pair
from flows.results.finished import find_made
from flows.results.publication import choose_place, is_published, read_report
from flows.results.table import failures_of, mean_seconds
from flows.runtime.failures import explain_failure
from pst_core.errors import PstError
from pst_core.images.roles import in_words
from pst_core.provenance import versions
from pst_core.store import StoreMiss
from tasks.keys import key_of
from tasks.pair import count_steps, make_pair
from tasks.records import look_up


class Standing(BaseModel):
    """Where one pair stands.

    Attributes
    ----------
    state : {"done", "kept", "partly", "new", "left", "failed"}
        Done: its folder holds the result. Kept: finished, and only to be put into its folder. Partly: some
        steps are finished. New: none is. Left: another result is there and is to be left. Failed: it cannot
        be done as it is.
    steps, steps_kept : int
    why : str
        Why it is not done: what changed since its folder's result was made, or what went wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: Literal["done", "kept", "partly", "new", "left", "failed"]
    folder: str
    steps: int = 0
    steps_kept: int = 0
    why: str = ""


def find_standings(order: BatchOrder, orders: Iterable[PairOrder]) -> Iterator[Standing]:
    """Look at each pair of a batch."""
    prober = Prober()
    failures = failures_of(order.out)
    for pair_order in orders:
        yield _stand(pair_order, prober, failures.get(pair_order.name))


def estimate_seconds(out: Path, waiting: int) -> float | None:
    """How long so many pairs may take, by what this folder's last batch took; None if nobody knows."""
    seconds = mean_seconds(out)
    return None if seconds is None else waiting * seconds


def _stand(order: PairOrder, prober: Prober, failure: str | None) -> Standing:
    place: dict[str, Any] = {"name": order.name, "folder": str(order.place.folder)}
    if order.pair.problem is not None:
        return Standing(**place, state="failed", why=order.pair.problem)
    try:
        plan = plan_pair(order, prober)
        chosen = choose_place(plan)
    except PstError as error:
        return Standing(**place, state="failed", why=explain_failure(error)[0])
    steps = count_steps(plan.config, plan.files, look=plan.order.look)
    if chosen is None:
        why = "another result is there (--on-conflict skip)"
        return Standing(**place, state="left", steps=steps, why=why)
    place["folder"] = str(chosen.folder)
    if find_made(plan) is not None:
        done = is_published(chosen, plan.key)
        why = "" if done else "finished, but its folder lacks the result or holds an altered one"
        return Standing(**place, state="done" if done else "kept", steps=steps, steps_kept=steps, why=why)
    kept, why = _count_kept(plan), _why_stale(plan, chosen, failure)
    return Standing(**place, state="partly" if kept else "new", steps=steps, steps_kept=kept, why=why)


def _count_kept(plan: Plan) -> int:
    """How many steps from the first one on are finished."""
    kept = 0

    def look(unit: Any, **inputs: Any) -> Any:  # noqa: ANN401
        nonlocal kept
        found = look_up(key_of(unit.name, inputs))
        kept += 1
        return found

    with contextlib.suppress(StoreMiss):  # the next step would have to be computed
        make_pair(plan.files, plan.config, plan.network, look, look=plan.order.look)
    return kept


def _why_stale(plan: Plan, place: Place, failure: str | None) -> str:
    report = read_report(place)
    if failure is not None:
        return f"failed before: {failure}"
    if not report:
        return ""
    changes = [*_changed_inputs(plan, report), *_changed_settings(plan, report)]
    if report.get("versions") != versions():
        changes.append("libraries' versions")
    return f"changed since its result was made: {', '.join(changes) or 'the program itself'}"


def _changed_inputs(plan: Plan, report: dict[str, Any]) -> Iterator[str]:
    there = report.get("inputs", {})
    here = {role: file.sha256 for role, file in plan.files.given.items()}
    for role in sorted({*here, *there}):
        if here.get(role) != there.get(role, {}).get("sha256"):
            yield in_words(role)


def _changed_settings(plan: Plan, report: dict[str, Any]) -> Iterator[str]:
    there = report.get("settings", {})
    here = plan.config.model_dump(mode="json")
    for name in sorted({*here, *there} - {"weights", "device"}):
        if here.get(name) != there.get(name):
            yield name
    weights = report.get("weights", {}).get("sha256")
    if len(plan.network.identity) == 64 and plan.network.identity != weights:
        yield "weights"
