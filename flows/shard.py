"""The flow of a shard: some of a batch's pairs in a worker's process; and the road that every pair takes."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from socket import gethostname
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed

from flows.display.batch import describe
from flows.display.watching import InTurn, watched_by
from flows.orders.planning import PairOrder, Prober
from flows.pair import stylize_planned
from flows.results.finished import failed, settle
from flows.results.outcomes import PairOutcome
from flows.runtime.cancellation import (
    RunCancelled,
    SafePoint,
    belonging_to,
    ending_in_order,
    result_of,
    safe_points,
)
from flows.runtime.failures import explain_failure
from flows.runtime.lanes import Lanes, jobs_behind, seconds_waited
from flows.runtime.parameters import Parameter
from flows.runtime.trouble import is_server_trouble
from flows.shards.ledger import ShardContents, ShardFolder, ShardPair
from flows.workers.processes import REFUSAL
from pst_core.errors import PstError
from pst_core.faults import is_disk_full
from pst_core.images.roles import has_maps
from pst_core.network.finder import MODEL_ENVIRONMENT, Finder
from pst_core.network.identity import Network
from pst_core.printing import counted
from pst_core.store import open_store
from pst_core.unseen import unseen_files
from tasks.keys import fingerprint
from tasks.pair import passing_in_memory


class WorkerUnfit(PstError):  # noqa: N818 - it is the machine's state
    """What a shard needs is not there on this machine; another may have it."""


@flow(name="stylize-shard", persist_result=False)
def stylize_shard(shard: str, batch: UUID) -> State:
    """Do some of a batch's pairs; the batch hands them out by itself.

    Args:
        shard: Where its list lies, below the folder of what is handed out.
        batch: The batch's flow run, with which it is cancelled.
    """
    return ending_in_order(lambda: _run_listed(ShardFolder(shard), batch))


def _run_listed(folder: ShardFolder, batch: UUID) -> State:
    try:
        with belonging_to(batch):
            contents = folder.read()
            check_fitness(contents)
            orders = [pair.order for pair in contents.pairs]
            done_here: list[str] = []

            def ended(index: int, outcome: PairOutcome) -> None:
                folder.end(index, outcome)
                log_outcome(outcome)
                done_here.append(outcome.name)

            run_pairs(orders, Prober(), ended, begun=folder.begin, full_disk_ends=True)
    except WorkerUnfit as error:
        folder.give_back(str(error))
        _rest(str(error))
        unfit: State = Failed(message=str(error))
        return unfit
    except BaseException as error:
        if not isinstance(error, RunCancelled):  # an end in order: no pair's fault
            folder.give_back(f"{gethostname()}: {explain_failure(error)[0]}")
        raise
    taken_back = len(orders) - len(done_here)
    also = f", {taken_back} taken back for other workers" if taken_back else ""
    done: State = Completed(message=f"{counted(len(done_here), 'pair')}{also}")
    return done


def log_outcome(outcome: PairOutcome) -> None:
    """Say in the flow run's log how a pair ended."""
    log = get_run_logger()
    (log.error if outcome.state == "failed" else log.info)("%s: %s", outcome.name, describe(outcome))


def _rest(sentence: str) -> None:
    """Let whoever looks after this machine's workers know that the next shard would fare no better."""
    if (place := os.environ.get(REFUSAL)) is not None:
        Path(place).write_text(sentence, "utf-8", "replace")


def check_fitness(contents: ShardContents) -> None:
    """Make sure that this machine would do the pairs as the batch planned them.

    Raises
    ------
    WorkerUnfit
        Its code, its weights or its mounts differ.
    """
    host = gethostname()
    if contents.code != fingerprint():
        raise WorkerUnfit(
            f"{host} has another version of this program or of its libraries than the batch's machine: "
            "install the same on both."
        )
    for pair in contents.pairs:
        _check_network(pair, host)
        # The batch's folder, too: where it is not mounted, results would go where nobody looks for them.
        if unseen := unseen_files((pair.order.out, *pair.order.paths.values())):
            raise WorkerUnfit(f"{pair.order.name}: {unseen}")


def _check_network(pair: ShardPair, host: str) -> None:
    try:
        here = Network.of(pair.order.config, has_maps=has_maps(pair.order.paths))
    except PstError as error:
        raise WorkerUnfit(f"{host} lacks the weights that the batch asks for: {error}") from error
    if here.identity != pair.network.identity:
        raise WorkerUnfit(
            f"{host} has other weights ({here.identity[:12]}) than the batch asks for "
            f"({pair.network.identity[:12]}): set PST_VGG19_WEIGHTS there to the same file."
        )
    _check_finder(here.finder, pair.network.finder, host)


def _check_finder(here: Finder | None, wanted: Finder | None, host: str) -> None:
    if here is None or wanted is None or here.content == wanted.content:
        return
    raise WorkerUnfit(
        f"{host} would find regions by {here.told}, the batch's machine by {wanted.told}: give both the same "
        f"model ({MODEL_ENVIRONMENT}) and the same libraries, or run the batch with --segmentation cluster."
    )


def run_pairs(
    orders: Sequence[PairOrder],
    prober: Prober,
    ended: Callable[[int, PairOutcome], None],
    *,
    begun: Callable[[int], bool] | None = None,
    full_disk_ends: bool = False,
) -> None:
    """Do pairs in order, each by itself: the road of all of them, whoever's process it is.

    While one computes, the next one gets ready, and the last one is finished, see `flows.runtime.lanes`.

    Parameters
    ----------
    ended
        Called with a pair's place and how it ended, in their order.
    begun
        Called with a pair's place before it is looked at, which is when the one before it computes or has
        ended; False leaves the pair out.
    full_disk_ends
        Whether a full disk is the machine's trouble: another's may have room.

    Raises
    ------
    WorkerUnfit
        The disk is full, where that ends it.
    """
    # Heartbeats tell a dead run from a long one; the batch's own are enough, and a pair's cost a second each.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        open_store().in_use(),
        safe_points() as stop_if_asked,
    ):
        places = (index for index in range(len(orders)) if begun is None or begun(index))
        run = partial(_run_pair, orders, prober, full_disk_ends=full_disk_ends)
        if behind := jobs_behind():
            _overlap(places, run, ended, stop_if_asked, behind)
            return
        for index in places:
            outcome = run(index)
            stop_if_asked()
            ended(index, outcome)


def _overlap(
    places: Iterable[int],
    run: Callable[[int], PairOutcome],
    ended: Callable[[int, PairOutcome], None],
    stop_if_asked: SafePoint,
    behind: int,
) -> None:
    """Do pairs in lanes; displays hear of one at a time."""
    displays: dict[int, InTurn] = {}

    def shown() -> Iterator[int]:
        for index in places:
            displays[index] = InTurn()
            yield index

    def run_watched(index: int) -> PairOutcome:
        with watched_by(displays[index]):
            return run(index)

    def tell(index: int, outcome: PairOutcome) -> None:
        del displays[index]
        ended(index, outcome)

    Lanes(run_watched, tell, lambda index: displays[index].begin(), stop_if_asked, behind).do(shown())


def _run_pair(
    orders: Sequence[PairOrder], prober: Prober, index: int, *, full_disk_ends: bool
) -> PairOutcome:
    """One pair's outcome, be it found done or made by a flow of its own; its failure is its own."""
    order, started = orders[index], time.monotonic()
    try:
        with passing_in_memory():
            settled = settle(order, prober)
            outcome: PairOutcome = (
                settled
                if isinstance(settled, PairOutcome)
                else result_of(stylize_planned(Parameter(value=settled), return_state=True))
            )
    except Exception as error:
        if is_server_trouble(error):
            raise
        if full_disk_ends and is_disk_full(error):
            raise WorkerUnfit(f"{gethostname()}: {explain_failure(error)[0]}") from error
        outcome = failed(order, explain_failure(error)[0])
    seconds = time.monotonic() - started - seconds_waited()
    return outcome.model_copy(update={"settings": dict(order.pair.given), "seconds": seconds})
