"""Cancelling a batch in Prefect's UI: every worker's pair stops soon, and the next run goes on.

    PYTHONPATH=tests python tests/trials/cancel_batch.py [--pairs 12] [--workers 4] [--seconds 60] [--times 3]

A service's workers are in the middle of long optimisation stages when the batch is cancelled, as the UI does
it. Exit status 1 if a unit of work still runs after half a minute, if the store is damaged, if anything says
Running or holds a slot, or if the next run does not finish, or does finished work again.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
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
EVALUATIONS = 60  # of a stage: between them a run may stop
LONGEST_BATCH = 1200.0


def cancel(serving: Service, pairs: int, number: int, chance: random.Random, verdict: Verdict) -> None:
    """Cancel a batch of long pairs in their midst."""
    place = serving.place
    source = pairs_in(place.folder, pairs, name=f"in-{number}", seed=number)
    order = _order(source, place.folder / f"out-{number}")
    run = serving.api.start(BATCH, order)
    wait_for(lambda: len(place.of_role("shard")) == serving.workers, 180, "all workers at work")
    time.sleep(chance.uniform(8.0, 30.0))
    serving.api.cancel(run)
    cancelled = time.monotonic()
    try:
        wait_for(lambda: not place.of_role("shard"), 120, "no pair at work")
    except RuntimeError as error:
        verdict.check("all pairs stop", False, error)
    took = time.monotonic() - cancelled
    verdict.check(f"all pairs stop within {MOST_SECONDS:.0f} s", took <= MOST_SECONDS, f"{took:.1f} s")
    verdict.check_quiet(serving.api)
    verdict.check("the batch is cancelled", serving.api.state(run) == "CANCELLED", serving.api.state(run))
    checked = place.run("store", "verify")
    verdict.check("the store is clean", checked.process.returncode == 0, checked.said.strip())


def go_on(serving: Service, pairs: int, number: int, verdict: Verdict) -> None:
    """Run a cancelled batch to its end."""
    place = serving.place
    out = place.folder / f"out-{number}"
    run = serving.api.start(BATCH, _order(place.folder / f"in-{number}", out))
    ended = ("COMPLETED", "FAILED", "CANCELLED")
    wait_for(lambda: serving.api.state(run) in ended, LONGEST_BATCH, "an end of the next run")
    verdict.check("the next run ends well", serving.api.state(run) == "COMPLETED", serving.api.state(run))
    verdict.check_table(out, names_of(pairs))
    verdict.check_work(place, pairs * number, serving.workers * number)


def _order(source: Path, out: Path) -> dict[str, object]:
    return order_of(
        source, out, rounds=1, global_iterations=EVALUATIONS, regional_iterations=EVALUATIONS
    )  # fmt: skip


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments, verdict = parser.parse_args(), Verdict()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        place = Place(Path(name), step_seconds=arguments.seconds)
        with service(place, workers=arguments.workers, postgres=postgres) as serving:
            for number in range(1, arguments.times + 1):
                cancel(serving, arguments.pairs, number, chance, verdict)
                go_on(serving, arguments.pairs, number, verdict)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
