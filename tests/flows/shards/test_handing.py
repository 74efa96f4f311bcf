"""Handing out and taking back, with workers that are played: who dies, gives back or ends, and what then."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from batch_runs import QUICK, make_folder

from flows.display.watching import Watcher, watched_by
from flows.orders.batch_order import BatchOrder, find_orders
from flows.orders.planning import Prober
from flows.results.outcomes import PairOutcome
from flows.shards import handing
from flows.shards.handing import MOST_DEATHS, MOST_RETURNS, _Handing
from flows.shards.ledger import keeping_ledger
from flows.shards.pace import Pace
from flows.shards.runs import Ending, ShardRun
from flows.shards.sizes import LEAST_SECONDS

pytestmark = pytest.mark.usefixtures("pst_home")

DIED = Ending(died=True, message="Process exited with status code: -9.")
DONE = Ending(died=False, message="")


@dataclass
class PlayedRuns:
    """Shards that are done by a function, at once, in place of workers.

    It is called with the names of a shard's pairs and yields what happens: a name as that pair begins
    or ends, at last how the shard's run ended; a text before it is what it was given back with.
    """

    play: object
    workers: int = 1
    away: int = 0
    out: dict = field(default_factory=dict)
    shards: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    def start(self, folder, name):
        self.asked.append(folder.name)
        if self.away:
            self.away -= 1
            return False
        names = [pair.order.name for pair in folder.read().pairs]
        self.shards.append(names)
        run = ShardRun(folder, uuid4())
        begun = set()
        for event in self.play(names):
            if isinstance(event, Ending):
                run.ending = event
            elif event in names and event not in begun:
                begun.add(event)
                assert folder.begin(names.index(event))
            elif event in names:
                folder.end(names.index(event), PairOutcome(name=event, state="done", seconds=0.1))
            else:
                folder.give_back(event)
        self.out[run.id] = run
        return True

    def look(self):
        return [*self.out.values()]

    def forget(self, run):
        del self.out[run.id]


def does_all(names):
    for name in names:
        yield name
        yield name
    yield DONE


def run(tmp_path, monkeypatch, play, pairs=6, *, known=0.1, deaths=None, away=0, watcher=None):
    """What became of every pair, in the order in which it was told, and the shards."""
    runs = PlayedRuns(play, away=away)
    outcomes = work_through(tmp_path, monkeypatch, runs, pairs, known=known, deaths=deaths, watcher=watcher)
    assert len(set(runs.asked)) == len(runs.shards), "what is asked for again is the same shard"
    return outcomes, runs.shards


def work_through(tmp_path, monkeypatch, runs, pairs, *, known, deaths=None, watcher=None):
    """What became of every pair, in the order in which it was told."""
    monkeypatch.setattr(handing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(handing, "REST_SECONDS", 0.0)
    source = make_folder(tmp_path / "in", pairs)
    order = BatchOrder(source=source, out=tmp_path / "out", settings=QUICK)
    orders, told = find_orders(order).pairs, []
    with keeping_ledger(Path(tmp_path / "out"), deaths or {}) as ledger, watched_by(watcher or Watcher()):
        work = _Handing(
            orders, Prober(), lambda place, outcome: told.append((place, outcome)), runs, ledger, Pace(known)
        )
        while work.step():
            pass
    assert all(orders[place].name == outcome.name for place, outcome in told)
    assert sorted(place for place, _ in told) == list(range(pairs)), "each pair is told of once"
    return {outcome.name: outcome for _, outcome in told}


def test_every_pair_is_handed_out_and_told_of_once(tmp_path, monkeypatch):
    outcomes, shards = run(tmp_path, monkeypatch, does_all)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    assert sorted(name for names in shards for name in names) == sorted(outcomes)


def test_as_long_as_no_time_is_known_workers_get_equal_shares(tmp_path, monkeypatch):
    _, shards = run(tmp_path, monkeypatch, does_all, known=None)
    assert len(shards[0]) == 6


def test_a_pair_that_ends_its_process_every_time_is_found_by_itself_and_harms_no_other(tmp_path, monkeypatch):
    def play(names):
        for name in names:
            yield name
            if name == "p3":
                yield DIED
                return
            yield name
        yield DONE

    outcomes, shards = run(tmp_path, monkeypatch, play)
    assert [name for name, outcome in outcomes.items() if outcome.state == "failed"] == ["p3"]
    assert "died 3 times" in outcomes["p3"].error and "status code: -9" in outcomes["p3"].error
    with_it = [names for names in shards if "p3" in names]
    assert len(with_it) == MOST_DEATHS and with_it[1:] == [["p3"]] * (MOST_DEATHS - 1)
    others = [name for names in shards for name in names if name > "p3"]
    assert sorted(others) == ["p4", "p4", "p5", "p5"], "those behind it were handed out once more, together"


def test_deaths_under_earlier_runs_of_the_batch_count(tmp_path, monkeypatch):
    def play(names):
        yield names[0]
        yield DIED if names[0] == "p0" else names[0]
        yield from [] if names[0] == "p0" else [DONE]

    outcomes, shards = run(tmp_path, monkeypatch, play, pairs=1, deaths={"p0": MOST_DEATHS - 1})
    assert outcomes["p0"].state == "failed" and len(shards) == 1


def test_a_process_that_was_ended_in_order_is_no_pairs_fault(tmp_path, monkeypatch):
    turns = iter(range(100))

    def play(names):
        if next(turns) < 2 * MOST_DEATHS:
            yield names[0]
            yield "its worker was stopped"
            yield DIED
        else:
            yield from does_all(names)

    outcomes, _ = run(tmp_path, monkeypatch, play)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}


def test_a_process_that_dies_before_any_pair_is_none_of_theirs_fault(tmp_path, monkeypatch):
    turns = iter(range(100))

    def play(names):
        yield from [DIED] if next(turns) < MOST_DEATHS else does_all(names)

    outcomes, _ = run(tmp_path, monkeypatch, play)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}


def test_what_no_worker_can_do_fails_with_what_they_said(tmp_path, monkeypatch):
    def play(names):
        yield "host7 does not see /photos"
        yield DONE

    outcomes, shards = run(tmp_path, monkeypatch, play, pairs=2)
    assert {outcome.state for outcome in outcomes.values()} == {"failed"}
    assert all("host7 does not see /photos" in outcome.error for outcome in outcomes.values())
    assert sum("p0" in names for names in shards) == MOST_RETURNS


def test_a_pair_that_no_worker_can_do_harms_no_other(tmp_path, monkeypatch):
    def play(names):
        if "p2" in names:
            yield "host7 lacks the weights that p2 asks for"
            yield DONE
        else:
            yield from does_all(names)

    outcomes, _ = run(tmp_path, monkeypatch, play)
    assert {name for name, outcome in outcomes.items() if outcome.state == "failed"} == {"p2"}
    assert "lacks the weights" in outcomes["p2"].error


def test_a_photograph_that_is_gone_meanwhile_is_its_pairs_failure_alone(tmp_path, monkeypatch):
    def play(names):
        if "p2" in names:
            (tmp_path / "in" / "style" / "p2.png").unlink()
            yield "host7 does not see p2.png"
            yield DONE
        else:
            yield from does_all(names)

    outcomes, shards = run(tmp_path, monkeypatch, play)
    assert {name for name, outcome in outcomes.items() if outcome.state == "failed"} == {"p2"}
    assert "p2.png" in outcomes["p2"].error and "host7" not in outcomes["p2"].error
    assert sum("p2" in names for names in shards) == 1


def test_pairs_that_a_shard_left_out_are_handed_out_again(tmp_path, monkeypatch):
    turns = iter(range(100))

    def play(names):
        yield from does_all(names[:1] if next(turns) == 0 else names)

    outcomes, _ = run(tmp_path, monkeypatch, play)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}


def test_a_pair_that_two_shards_did_is_told_of_once(tmp_path, monkeypatch):
    """A worker that was thought dead ends its pair after all."""
    turns = iter(range(100))

    def play(names):
        if next(turns) == 0:
            yield names[0]
            yield names[0]
            yield DIED
        else:
            yield from does_all(names)

    outcomes, _ = run(tmp_path, monkeypatch, play)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}


def test_a_server_that_is_away_for_a_while_is_asked_again(tmp_path, monkeypatch):
    outcomes, shards = run(tmp_path, monkeypatch, does_all, away=5)
    assert sorted(name for names in shards for name in names) == sorted(outcomes)


def test_pairs_with_a_problem_are_not_handed_out(tmp_path, monkeypatch):
    source = make_folder(tmp_path / "in", 3)
    (source / "content_maps" / "p1.png").unlink()
    (source / "style" / "p2.png").write_bytes(b"no picture")
    monkeypatch.setattr(handing, "LOOK_SECONDS", 0.0)
    order = BatchOrder(source=source, out=tmp_path / "out", settings=QUICK)
    told, runs = {}, PlayedRuns(does_all)
    with keeping_ledger(tmp_path / "out", {}) as ledger:
        work = _Handing(
            find_orders(order).pairs, Prober(), lambda place, outcome: told.update({outcome.name: outcome}),
            runs, ledger, Pace(0.1),
        )  # fmt: skip
        while work.step():
            pass
    assert {name: outcome.state for name, outcome in told.items()} == {
        "p0": "done", "p1": "failed", "p2": "failed",
    }  # fmt: skip
    assert runs.shards == [["p0"]]


def test_begun_pairs_are_told_of_once(tmp_path, monkeypatch):
    class Hears(Watcher):
        begun = ()

        def pair_begun_elsewhere(self, name, stages):
            assert stages
            self.begun = (*self.begun, name)

    hears = Hears()
    outcomes, _ = run(tmp_path, monkeypatch, does_all, watcher=hears)
    assert sorted(hears.begun) == sorted(outcomes)


START = 5  # ticks until a shard's first pair is begun


class TickedRuns(PlayedRuns):
    """Shards that are done by some workers as time goes by: a second each time one looks."""

    def __init__(self, each, workers):
        super().__init__(None, workers=workers)
        self.each, self.ticks, self.starts = each, 0, 0
        self.queue, self.busy = [], {}

    def start(self, folder, name):
        run = ShardRun(folder, uuid4())
        self.out[run.id] = run
        self.queue.append(run)
        return True

    def look(self):
        self.ticks += 1
        while self.queue and len(self.busy) < self.workers:
            run = self.queue.pop(0)
            self.starts += 1
            self.busy[run.id] = self._work(run)
        for work in [*self.busy.values()]:
            next(work, None)
        return [*self.out.values()]

    def _work(self, run):
        yield from range(START)
        for index, pair in enumerate(run.folder.read().pairs):
            if not run.folder.begin(index):
                continue
            seconds = self.each(pair.order.name)
            yield from range(seconds)
            done = PairOutcome(name=pair.order.name, state="done", seconds=float(seconds))
            run.folder.end(index, done)
        run.ending = DONE
        del self.busy[run.id]


@pytest.mark.parametrize(("seconds", "pairs", "workers", "most_starts"), [
    (10, 48, 4, 4),  # a share each, though nobody knew how long a pair takes
    (30, 41, 4, 25),
    (60, 13, 8, 13),
    (2, 60, 3, 6),
])  # fmt: skip
def test_workers_start_seldom_and_end_together(tmp_path, monkeypatch, seconds, pairs, workers, most_starts):
    runs = TickedRuns(lambda name: seconds, workers)
    outcomes = work_through(tmp_path, monkeypatch, runs, pairs, known=None)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    assert runs.starts <= most_starts
    ideal = pairs * seconds / workers + START
    assert runs.ticks <= ideal + seconds + 4 * START + LEAST_SECONDS


def test_who_has_nothing_to_do_helps_one_who_is_late(tmp_path, monkeypatch):
    late = {f"p{number}" for number in range(12)}  # the first worker's share, each of which takes long
    runs = TickedRuns(lambda name: 40 if name in late else 10, 4)
    work_through(tmp_path, monkeypatch, runs, 48, known=10.0)
    assert runs.ticks < 300, "alone it would have taken 480"
