"""Cancelling a batch in Prefect's UI: every worker's pair stops soon, and the next run goes on.

    PYTHONPATH=tests python tests/trials/cancel_batch.py [--pairs 8] [--workers 4] [--times 3]

A service's workers are in the middle of long optimisation stages when the batch is cancelled, as the UI does
it. Exit status 1 if a unit of work still runs after half a minute, if the store is damaged, if anything says
Running or holds a slot, or if the next run does not finish, or does finished work again.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import repeats, units
from postgres import postgres_server
from service_runs import (
    BATCH,
    Place,
    Service,
    Verdict,
    names_of,
    order_of,
    pairs_in,
    service,
    wait_for,
)

MOST_SECONDS = 30.0
LONGEST_BATCH = 1200.0
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Cancelling:
    """A batch that is cancelled in the midst of its pairs, and run again.

    Attributes
    ----------
    evaluations : int
        Of the one stage that a pair has; between two of them a run may stop.
    """

    serving: Service
    pairs: int
    evaluations: int
    chance: random.Random
    verdict: Verdict

    def run(self, number: int) -> float:
        """Cancel and go on, for the n-th time; how many seconds it took until all stopped."""
        place, verdict, api = self.serving.place, self.verdict, self.serving.api
        source = pairs_in(place.folder, self.pairs, name=f"long-{number}", seed=100 + number)
        out, already = place.folder / f"long-out-{number}", repeats(place.log)
        order = order_of(
            source, out, rounds=1, global_iterations=self.evaluations, regional_iterations=0
        )  # fmt: skip
        took = self._cancel(order)
        verdict.check("no pair was finished meanwhile", place.vouched_for(out) == 0, place.vouched_for(out))
        checked = place.run("store", "verify")
        verdict.check("the store is clean", checked.process.returncode == 0, checked.said.strip())
        run = api.start(BATCH, order)
        wait_for(lambda: api.state(run) in ENDED, LONGEST_BATCH, "an end of the next run")
        verdict.check("the next run ends well", api.state(run) == "COMPLETED", api.state(run))
        verdict.check_table(out, names_of(self.pairs))
        verdict.check_work(place, out, self.pairs, self.serving.workers, already)
        return took

    def _cancel(self, order: dict[str, object]) -> float:
        place, api = self.serving.place, self.serving.api
        run, begun = api.start(BATCH, order), len(self._optimising())
        wait_for(lambda: len(self._optimising()) == begun + self.serving.workers, 240, "all workers at work")
        time.sleep(self.chance.uniform(0.0, 10.0))
        api.cancel(run)
        cancelled = time.monotonic()
        wait_for(lambda: not place.of_role("shard"), 240, "all workers' pairs stopped", every=0.2)
        took = time.monotonic() - cancelled
        self.verdict.check_quiet(api)
        self.verdict.check("the batch is cancelled", api.state(run) == "CANCELLED", api.state(run))
        return took

    def _optimising(self) -> list[str]:
        return [unit for unit in units(self.serving.place.log) if unit.endswith("optimise")]


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--evaluations", type=int, default=160)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments, verdict = parser.parse_args(), Verdict()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        place = Place(Path(name), evaluation_seconds=0.5)
        with service(place, workers=arguments.workers, postgres=postgres) as serving:
            cancelling = Cancelling(serving, arguments.pairs, arguments.evaluations, chance, verdict)
            for number in range(arguments.times):
                took = cancelling.run(number)
                verdict.check(f"all stop within {MOST_SECONDS:.0f} s", took <= MOST_SECONDS, f"{took:.1f} s")
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
