"""Where every pair of a batch stands, found without computing anything."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from flows.layout import Place
from flows.orders.batch_order import BatchOrder, FoundOrders
from flows.orders.photograph_order import order_in_series
from flows.orders.planning import PairOrder, Plan, Prober, plan_pair
from flows.results.conflicts import choose
from flows.results.finished import find_made
from flows.results.publication import choose_place, is_published, read_report
from flows.results.table import failures_of, mean_seconds
from flows.results.under_look import KnownLook, UnderLook
from flows.runtime.failures import explain_failure
from pst_core.errors import PstError
from pst_core.images.roles import in_words
from pst_core.provenance import versions
from pst_core.store import StoreMiss
from tasks.keys import key_of
from tasks.pair import count_steps, make_pair
from tasks.records import look_up
from tasks.results import Applied

LEFT = "another result is there (--on-conflict skip)"
LACKS = "finished, but its folder lacks the result or holds an altered one"


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


def find_standings(order: BatchOrder, found: FoundOrders) -> Iterator[Standing]:
    """Look at each pair of a batch."""
    prober, series = Prober(), None
    failures = failures_of(order.out)
    if found.anchor is not None:
        series = _Series.of(found.pairs[found.anchor], prober)
    for place, pair_order in enumerate(found.pairs):
        failure = failures.get(pair_order.name)
        if series is None or place == found.anchor:
            yield stand(pair_order, prober, failure)
        else:
            yield _stand_in_series(pair_order, series, prober, failure)


def estimate_seconds(out: Path, waiting: int) -> float | None:
    """How long so many pairs may take, by what this folder's last batch took; None if nobody knows."""
    seconds = mean_seconds(out)
    return None if seconds is None else waiting * seconds


def stand(order: PairOrder, prober: Prober, failure: str | None) -> Standing:
    """Look at a pair; `failure` says why it failed in its folder's last batch, if it did."""
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
        return Standing(**place, state="left", steps=steps, why=LEFT)
    place["folder"] = str(chosen.folder)
    if find_made(plan) is not None:
        done = is_published(chosen, plan.key)
        why = "" if done else LACKS
        return Standing(**place, state="done" if done else "kept", steps=steps, steps_kept=steps, why=why)
    kept, why = _count_kept(plan), _why_stale(plan, chosen, failure)
    return Standing(**place, state="partly" if kept else "new", steps=steps, steps_kept=kept, why=why)


@dataclass(frozen=True)
class _Series:
    """The anchor of a series, and its look, if that is known already."""

    anchor: PairOrder
    known: KnownLook | None

    @classmethod
    def of(cls, anchor: PairOrder, prober: Prober) -> Self:
        try:
            found = find_made(plan_pair(anchor, prober))
            fitted = None if found is None else found[0].fitted
            return cls(anchor, None if fitted is None else KnownLook.of_anchor(fitted.look, anchor))
        except PstError:  # which the anchor's own standing tells
            return cls(anchor, None)


def _stand_in_series(order: PairOrder, series: _Series, prober: Prober, failure: str | None) -> Standing:
    """Where a photograph stands that takes its anchor's look: one step."""
    place: dict[str, Any] = {"name": order.name, "folder": str(order.place.picture.parent)}
    if order.pair.problem is not None:
        return Standing(**place, state="failed", why=order.pair.problem)
    why = "" if failure is None else f"failed before: {failure}"
    if series.known is None:
        return Standing(
            **place, state="new", steps=1, why=why or f"its anchor {series.anchor.name} comes first"
        )
    try:
        planned = UnderLook.planned(order_in_series(order, series.anchor), series.known, prober)
        chosen = choose(planned.wanted)
    except PstError as error:
        return Standing(**place, state="failed", why=explain_failure(error)[0])
    if chosen is None:
        return Standing(**place, state="left", steps=1, why=LEFT)
    place["folder"] = str(chosen.place.picture.parent)
    try:
        applied: Applied = look_up(planned.key)
        done = planned.is_published(applied, chosen.place)
    except StoreMiss:
        return Standing(**place, state="new", steps=1, why=why)
    return Standing(
        **place, state="done" if done else "kept", steps=1, steps_kept=1, why="" if done else LACKS
    )


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
