"""A series: one photograph is restyled as a pair, and all others take its look, each at its own exposure."""

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.applying import Ended, apply_to_each, look_from
from flows.orders.photograph_order import order_in_series
from flows.orders.planning import PairOrder, Prober, plan_pair
from flows.results.finished import failed, find_made
from flows.results.looks import LookSource, find_look
from flows.results.outcomes import PairOutcome
from flows.results.under_look import KnownLook
from flows.runtime.failures import explain_failure
from pst_core.errors import PstError
from tasks.records import keep_results_in_store

RunPairs = Callable[[Sequence[PairOrder], Ended], None]


def run_series(
    orders: Sequence[PairOrder], anchor: int, prober: Prober, run_pairs: RunPairs, ended: Ended
) -> None:
    """Restyle the anchor, then let the others take its look; within a flow run.

    Parameters
    ----------
    anchor
        Its place among the orders.
    run_pairs
        Does pairs, here or elsewhere.
    ended
        Called with a photograph's place and how it ended.
    """
    keep_results_in_store()
    first: list[PairOutcome] = []

    def anchor_ended(_: int, outcome: PairOutcome) -> None:
        first.append(outcome)
        ended(anchor, outcome)

    run_pairs([orders[anchor]], anchor_ended)
    places = [place for place in range(len(orders)) if place != anchor]
    known = _look_of(orders[anchor], first[0], prober)
    if isinstance(known, str):
        for place in places:
            problem = orders[place].pair.problem
            ended(place, failed(orders[place], known if problem is None else problem))
        return

    def follower_ended(index: int, outcome: PairOutcome) -> None:
        ended(places[index], _as_in_batch(orders[places[index]], outcome, first[0]))

    followers = [order_in_series(orders[place], orders[anchor]) for place in places]
    apply_to_each(known, followers, prober, follower_ended)


def _look_of(anchor: PairOrder, outcome: PairOutcome, prober: Prober) -> KnownLook | str:
    """The look of an anchor that has ended; or one sentence on why there is none."""
    if outcome.state == "failed":
        return (
            f"Its anchor {anchor.name} failed, whose look it was to take: mend what is wrong with that one, "
            "or name another with --anchor."
        )
    try:
        return KnownLook.of_anchor(look_from(_source(anchor, outcome, prober)), anchor)
    except PstError as error:
        return f"The look of its anchor {anchor.name} is not to be had: {explain_failure(error)[0]}"


def _source(anchor: PairOrder, outcome: PairOutcome, prober: Prober) -> LookSource:
    """Where the look is: with the result that was planned, or with the one that lies in its folder."""
    found = find_made(plan_pair(anchor, prober))
    if found is None or found[0].fitted is None:
        return find_look(Path(outcome.folder))
    return LookSource(kept=found[0].fitted.look)


def _as_in_batch(order: PairOrder, outcome: PairOutcome, anchor: PairOutcome) -> PairOutcome:
    """How a pair of a series ended, with what its table and its gallery show of pairs."""
    style = {role: preview for role, preview in anchor.previews.items() if role == "style"}
    return outcome.model_copy(update={
        "files": {role: str(path) for role, path in order.paths.items()},
        "settings": dict(order.pair.given),
        "previews": outcome.previews and {**style, **outcome.previews},
        "strength": anchor.strength if outcome.previews else None,
    })  # fmt: skip
