"""Pairs that are finished: found without computing anything, brought to their folders, and told of."""

from typing import Any

from flows.layout import Place
from flows.orders.planning import PairOrder, Plan, Prober, plan_pair
from flows.results.outcomes import PairOutcome
from flows.results.publication import choose_place, notes_on, publish
from pst_core.store import Receipt, StoreMiss, open_store
from tasks.pair import Made, pair_key


def find_made(plan: Plan) -> tuple[Made, Receipt] | None:
    """A pair that is finished already, every artifact of it as it was written; None otherwise."""
    try:
        receipt = open_store().read_receipt(plan.key)
        made = Made.model_validate_json(receipt.content)
    except (StoreMiss, ValueError):
        return None
    return None if plan.order.look and made.fitted is None else (made, receipt)


def find_done(plan: Plan) -> PairOutcome | None:
    """How a pair ends that needs no computing, its folder brought up to date; None if it needs some.

    Raises
    ------
    OutputError
        Its folder cannot be written, or what is there is not to be replaced.
    """
    if choose_place(plan) is None:
        return skipped(plan)
    found = find_made(plan)
    if found is None:
        return None
    made, receipt = found
    try:
        place = publish(plan, made, plan.key)
    except StoreMiss:
        return None
    if place is None:
        return skipped(plan)
    report = str(place.report.absolute())
    if report not in receipt.outputs:
        open_store().write_receipt(plan.key, receipt.model_copy(update={"outputs": (report,)}))
    steps = len(receipt.records)
    return describe_outcome(plan, made, place, state="cached", steps=steps, steps_cached=steps)


def settle(order: PairOrder, prober: Prober) -> PairOutcome | Plan:
    """How a pair ends that needs no computing; of any other the plan.

    Raises
    ------
    PstError, OSError
        Its files cannot be read, or its folder cannot be written.
    """
    if order.pair.problem is not None:
        return failed(order, order.pair.problem)
    plan = plan_pair(order, prober)
    return find_done(plan) or plan


def failed(order: PairOrder, sentence: str) -> PairOutcome:
    """How a pair ends that cannot be done."""
    files = {role: str(path) for role, path in order.paths.items()}
    return PairOutcome(
        name=order.name, state="failed", error=sentence, files=files, settings=dict(order.pair.given)
    )


def keep(plan: Plan, made: Made, keys: tuple[str, ...]) -> Place | None:
    """Publish a pair that was made, then write its receipt: first the files, then what vouches for them.

    Returns
    -------
    Place or None
        Where it lies; None if another result is there by now that is to be left: the work is kept.
    """
    key = plan.key
    if made.config != plan.config:  # a cheaper plan's result is never kept under the full plan's key
        key = pair_key(plan.files, made.config, plan.network.under(made.config))
    place = publish(plan, made, key)
    outputs = () if place is None else (str(place.report.absolute()),)
    receipt = Receipt(records=keys, outputs=outputs, content=made.model_dump_json())
    open_store().write_receipt(key, receipt)
    return place


def skipped(plan: Plan) -> PairOutcome:
    """How a pair ends whose folder holds another result, which is to be left."""
    place = plan.order.place
    return PairOutcome(
        name=plan.order.name, state="skipped", folder=str(place.folder), picture=str(place.picture)
    )


def describe_outcome(plan: Plan, made: Made, place: Place, **figures: Any) -> PairOutcome:  # noqa: ANN401
    """How a pair ended that has a result.

    Parameters
    ----------
    figures
        ``state``, ``seconds``, ``steps`` and ``steps_cached``.
    """
    return PairOutcome(
        name=plan.order.name, folder=str(place.folder), picture=str(place.picture),
        notes=notes_on(plan, made),
        scores=made.scored.scores, models=made.scored.models, previews=made.scored.previews,
        strength=made.config.strength,
        files={role: str(path) for role, path in plan.order.paths.items()},
        **figures,
    )  # fmt: skip
