"""Handing pairs out to the workers of a pool, and hearing how they end.

The batch looks at its pairs one by one: what is done is told at once, the rest is handed out in shards, a
deployment's run each. What becomes of a pair is read from the ledger, pair by pair; what becomes of a
shard's process, from Prefect's server and from the kernel's locks. Pairs of a shard that died are handed out
anew: the one at work by itself, so that a pair which ends its process each time is found, and harms no other.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flows.display.watching import watcher
from flows.orders.planning import PairOrder, Prober
from flows.results.finished import failed, settle
from flows.results.outcomes import PairOutcome
from flows.runtime.cancellation import safe_points
from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_trouble
from flows.shards.ledger import Ledger, ShardContents, ShardFolder, ShardPair, keeping_ledger
from flows.shards.pace import Pace
from flows.shards.runs import Ending, ShardRun, ShardRuns
from flows.shards.sizes import shard_size, share_for_idle, surplus
from pst_core.pipeline.plan import plan_stages
from pst_core.printing import counted
from pst_core.store import open_store
from tasks.keys import fingerprint

if TYPE_CHECKING:
    from flows.orders.planning import Plan

MOST_DEATHS = 3
"""After so many deaths of its process a pair is not tried again."""
MOST_RETURNS = 10
"""After being given back so often a pair is not tried again: no worker can do it."""
LOOK_SECONDS = 0.5
PLAN_SECONDS = 1.0
"""How long pairs are looked at before the workers are listened to again."""
REST_SECONDS = 20.0
"""How long a shard waits that was given back, and after that another worker may take it."""


class _Shard(NamedTuple):
    """Pairs that belong together, and when to hand them out at the earliest."""

    folder: ShardFolder
    pairs: "list[_Waiting]"
    since: float = 0.0


class _Waiting:
    """A pair that is to be handed out."""

    def __init__(self, place: int, plan: "Plan") -> None:
        self.place, self.order, self.network = place, plan.order, plan.network
        self.side = plan.files.content.side
        self.returns = 0


def hand_out(
    orders: Sequence[PairOrder],
    out: Path,
    pool: str,
    prober: Prober,
    ended: Callable[[int, PairOutcome], None],
) -> None:
    """Have pairs done by the workers of a pool; within a flow run.

    Parameters
    ----------
    out
        The batch's folder of results.
    ended
        Called with a pair's place and how it ended, in the order in which they end.

    Raises
    ------
    PoolError
        There is no such pool.
    """
    with open_store().in_use(), safe_points() as stop_if_asked, ShardRuns.of_pool(pool) as runs:
        deaths = runs.end_what_died(out)
        with keeping_ledger(out, deaths) as ledger:
            handing = _Handing(orders, prober, ended, runs, ledger, Pace.of_folder(out))
            try:
                while handing.step():
                    stop_if_asked()
            finally:
                runs.call_back()


class _Handing:
    """A batch's pairs on their way: not looked at yet, waiting, handed out, ended."""

    def __init__(
        self,
        orders: Sequence[PairOrder],
        prober: Prober,
        ended: Callable[[int, PairOutcome], None],
        runs: ShardRuns,
        ledger: Ledger,
        pace: Pace,
    ) -> None:
        self.orders, self.prober, self.ended = orders, prober, ended
        self.runs, self.ledger, self.pace = runs, ledger, pace
        self.next_place, self.server_away = 0, False
        self.unfinished = len(orders)
        self.waiting: deque[_Waiting] = deque()
        self.listed: deque[_Shard] = deque()
        self.out: dict[str, dict[int, _Waiting]] = {}
        self.told_begun: set[int] = set()
        self.told_ended: set[int] = set()

    def step(self) -> bool:
        """Do what there is to do now, and wait a moment; whether anything is left."""
        self._look_at_pairs()
        self._hand_out()
        at_work = [run.folder for run in self.runs.look() if self._hear(run)]
        self._even_out(at_work)
        left = bool(self.next_place < len(self.orders) or self.waiting or self.listed or self.out)
        if left and self.next_place >= len(self.orders):
            time.sleep(LOOK_SECONDS)
        return left

    def _look_at_pairs(self) -> None:
        until = time.monotonic() + PLAN_SECONDS
        while self.next_place < len(self.orders) and time.monotonic() < until:
            place, order = self.next_place, self.orders[self.next_place]
            self.next_place += 1
            settled = self._settle(order)
            if isinstance(settled, PairOutcome):
                self.unfinished -= 1
                self.ended(place, settled)
            else:
                self.waiting.append(_Waiting(place, settled))

    def _settle(self, order: PairOrder) -> "PairOutcome | Plan":
        try:
            return settle(order, self.prober)
        except Exception as error:
            if is_server_trouble(error):
                raise
            return failed(order, explain_failure(error)[0])

    def _hand_out(self) -> None:
        self._start_listed()
        while self.waiting and not self.server_away:
            if self.pace.seconds is None and len(self.out) >= self.runs.workers:
                return  # until it is known how long a pair takes
            left = len(self.waiting) + len(self.orders) - self.next_place
            size = shard_size(self.pace.seconds, left, self.unfinished, self.runs.workers)
            if size > len(self.waiting) and self.next_place < len(self.orders):
                return  # until enough of them have been looked at
            pairs = [self.waiting.popleft() for _ in range(min(size, len(self.waiting)))]
            self._list(pairs)
            self._start_listed()

    def _list(self, pairs: list[_Waiting], rest: float = 0.0) -> None:
        """Make a shard of pairs, to be handed out after a rest of so many seconds."""
        listed = tuple(ShardPair(pair.order, pair.network) for pair in pairs)
        folder = self.ledger.new_shard(ShardContents(fingerprint(), listed))
        self.listed.append(_Shard(folder, pairs, time.monotonic() + rest))

    def _start_listed(self) -> None:
        self.server_away = False
        for _ in range(len(self.listed)):
            shard = self.listed.popleft()
            name = f"{counted(len(shard.pairs), 'pair')} from {shard.pairs[0].order.name}"
            if self.server_away or time.monotonic() < shard.since:
                self.listed.append(shard)
            elif self.runs.start(shard.folder, name):
                self.out[shard.folder.name] = dict(enumerate(shard.pairs))
            else:
                self.server_away = True
                self.listed.append(shard)

    def _hear(self, run: ShardRun) -> bool:
        """Take in what is new of a shard; whether it goes on."""
        pairs, news = self.out[run.folder.name], run.folder.look()
        for index in sorted(news.begun & pairs.keys()):
            self._tell_begun(pairs[index])
        for index in sorted(news.ended & pairs.keys()):
            if pairs[index].place in self.told_ended:
                continue
            outcome = run.folder.outcome(index)
            if outcome is not None:
                self._tell_ended(pairs[index], outcome)
        if run.ending is None:
            return bool(news.begun)
        del self.out[run.folder.name]
        at_work = {pairs[index].place for index in news.at_work & pairs.keys()}
        self._see_to_rest(run.ending, news.given_back, [*pairs.values()], at_work)
        self.runs.forget(run)
        return False

    def _even_out(self, at_work: Sequence[ShardFolder]) -> None:
        """Take back what makes shards too long, and what workers without any could do meanwhile."""
        if self.pace.seconds is None:
            return
        for folder in at_work:
            self._take_back(folder, surplus(self.pace.seconds, len(self._not_begun(folder))))
        if self.waiting or self.listed or self.next_place < len(self.orders):
            return
        idle = self.runs.workers - len(self.out)
        if at_work and idle > 0:
            longest = max(at_work, key=lambda folder: len(self._not_begun(folder)))
            before = len(self._not_begun(longest))
            self._take_back(longest, share_for_idle(self.pace.seconds, before, idle))

    def _not_begun(self, folder: ShardFolder) -> list[int]:
        known = self.told_begun, self.told_ended
        pairs = self.out[folder.name].items()
        return [index for index, pair in pairs if not any(pair.place in places for places in known)]

    def _take_back(self, folder: ShardFolder, count: int) -> None:
        """Take a shard's last pairs, to be handed out anew; what it has begun meanwhile stays with it."""
        pairs = self.out[folder.name]
        for index in self._not_begun(folder)[::-1][:count]:
            if folder.take_back(index):
                self.waiting.appendleft(pairs.pop(index))

    def _tell_begun(self, pair: _Waiting) -> None:
        if pair.place not in self.told_begun:
            self.told_begun.add(pair.place)
            watcher().pair_begun_elsewhere(pair.order.name, plan_stages(pair.order.config, pair.side))

    def _tell_ended(self, pair: _Waiting, outcome: PairOutcome) -> None:
        self.told_ended.add(pair.place)
        self.unfinished -= 1
        if outcome.state == "done" and not outcome.steps_cached:
            self.pace.add(outcome.seconds)
        self.ended(pair.place, outcome)

    def _see_to_rest(self, ending: Ending, given_back: str, pairs: list[_Waiting], at_work: set[int]) -> None:
        """See to the pairs of a shard that is no more, as far as they have not ended."""
        left = [pair for pair in pairs if pair.place not in self.told_ended]
        if not left:
            return
        if ending.died and not given_back:
            suspects = [pair for pair in left if pair.place in at_work]
            for pair in suspects:
                self._count_death(pair, ending)
            rest = [pair for pair in left if pair.place not in at_work]
        else:
            suspects, rest = [], left
        if suspects and rest:
            self._list(rest)
        elif rest:
            self._count_return(rest, given_back or ending.message)

    def _count_death(self, pair: _Waiting, ending: Ending) -> None:
        deaths = self.ledger.count_death(pair.order.name)
        if deaths < MOST_DEATHS:
            self._list([pair])
            return
        self._tell_ended(pair, failed(pair.order, (
            f"Its process died {deaths} times while it was at work (the last time: {ending.message}): it is "
            "not tried again in this batch; see that the memory is enough, or try a smaller --size."
        )))  # fmt: skip

    def _count_return(self, pairs: list[_Waiting], why: str) -> None:
        again = []
        for pair in pairs:
            pair.returns += 1
            settled = self._settle(pair.order)  # its files may be gone meanwhile, here as well
            if isinstance(settled, PairOutcome):
                self._tell_ended(pair, settled)
            elif pair.returns < MOST_RETURNS:
                again.append(pair)
            else:
                sentence = f"No worker could do it, though it was handed out {pair.returns} times: {why}"
                self._tell_ended(pair, failed(pair.order, sentence))
        # The first time together: that machine may lack something. Then one by one: a single pair may.
        for group in [again] if all(pair.returns == 1 for pair in again) else [[pair] for pair in again]:
            if group:
                self._list(group, REST_SECONDS)
