"""A thousand pairs over several workers: none lost, none twice, flat memory; ten thousand handed out.

    PYTHONPATH=tests python tests/trials/thousand_pairs.py [--pairs 1000] [--workers 4] [--planned 10000]

A service on PostgreSQL with workers does small pairs whose steps compute nothing. Then a batch of more pairs
is handed out while the pool is paused, and cancelled. Exit status 1 if a pair is lost or done twice, if the
server's log tells of trouble with the database, if the memory of the batch's process grows by more than 50 MB
after its first hundred pairs, or if planning and handing out takes a minute or more.
"""

import argparse
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import settings_file
from postgres import postgres_server
from service_runs import (
    DATABASE_ERROR,
    PAIRS_POOL,
    Command,
    Place,
    Service,
    Verdict,
    names_of,
    pairs_in,
    service,
    wait_for,
)

LONGEST_RUN = 3600.0
SETTLED = 100  # pairs after which the memory is to be flat
MOST_MEGABYTES = 50.0
MOST_SECONDS = 60.0
SHARD = f"stylize-shard/{PAIRS_POOL}"


def many(serving: Service, source: Path, settings: Path, pairs: int, verdict: Verdict) -> None:
    """A batch of many pairs, its process's memory watched."""
    place = serving.place
    begun = time.monotonic()
    command = place.start(*_batch(source, place.folder / "out", settings), PREFECT_API_URL=serving.url)
    memory: list[tuple[int, float]] = []
    watching = threading.Thread(target=_watch, args=(command, memory), daemon=True)
    watching.start()
    status = command.wait(LONGEST_RUN)
    watching.join()
    took = time.monotonic() - begun
    verdict.check(f"{pairs} pairs end well", status == 0, f"status {status}, {took:.0f} s")
    if status:
        print(command.said[-3000:])
    verdict.check_table(place.folder / "out", names_of(pairs))
    verdict.check_work(place, place.folder / "out", pairs, interrupted=0)
    samples = [(ended, megabytes) for ended, megabytes in memory if ended >= min(SETTLED, pairs // 2)]
    settled = [megabytes for _, megabytes in samples]
    growth = max(settled) - settled[0]
    # The table, the sheet and the gallery are made after the last pair: the last samples tell what they take.
    course = [*samples[:: max(1, len(samples) // 10)], *samples[-3:]]
    told = ", ".join(f"{ended}: {megabytes:.0f}" for ended, megabytes in course)
    shown = f"{growth:.1f} MB over {settled[0]:.1f} MB; MB by pairs that had ended: {told}"
    verdict.check(
        f"the batch's memory is flat within {MOST_MEGABYTES:.0f} MB", growth <= MOST_MEGABYTES, shown
    )
    verdict.check_quiet(serving.api)
    trouble = DATABASE_ERROR.findall(serving.server_log)
    verdict.check("no error of the database in the server's log", not trouble, trouble[:3])


def handed_out(
    serving: Service, source: Path, settings: Path, pairs: int, verdict: Verdict, *, timed: bool = True
) -> None:
    """A batch of very many pairs, planned and handed out to a pool that does nothing yet."""
    place, out = serving.place, serving.place.folder / "planned"
    # Some pairs first, so that it is known how long one takes.
    known = pairs_in(place.folder, 8, name="known", seed=6)
    place.run(*_batch(known, out, settings), timeout=600, PREFECT_API_URL=serving.url)
    before = {run["id"] for run in serving.api.runs_of(SHARD)}
    serving.api.ask("PATCH", f"work_pools/{PAIRS_POOL}", {"is_paused": True})
    begun = time.monotonic()
    command = place.start(*_batch(source, out, settings), PREFECT_API_URL=serving.url)

    def waiting() -> int:
        runs = [run for run in serving.api.runs_of(SHARD) if run["id"] not in before]
        return sum(int(re.match(r"(\d+) pairs?\b", run["name"])[1]) for run in runs)

    try:
        wait_for(lambda: waiting() >= pairs or command.ended, 600, f"{pairs} pairs handed out", every=0.5)
        took = time.monotonic() - begun
        verdict.check(f"{pairs} pairs are handed out, each once", waiting() == pairs, waiting())
        if timed:
            verdict.check(f"that takes less than {MOST_SECONDS:.0f} s", took < MOST_SECONDS, f"{took:.1f} s")
        batch = next(run for run in serving.api.live() if run["parent_task_run_id"] is None)
        serving.api.cancel(batch["id"])
        verdict.check("cancelled, the batch ends", command.wait(120) == 4, command.said[-300:])
        verdict.check_quiet(serving.api)
    finally:
        serving.api.ask("PATCH", f"work_pools/{PAIRS_POOL}", {"is_paused": False})


def _batch(source: Path, out: Path, settings: Path) -> tuple[str, ...]:
    return (
        "run", str(source), "--out", str(out), "--settings", str(settings), "--json", "--pool", PAIRS_POOL,
    )  # fmt: skip


def _watch(command: Command, memory: list[tuple[int, float]]) -> None:
    """Note the memory of a batch's process with the pairs that have ended by then."""
    process = psutil.Process(command.process.pid)
    while not command.ended:
        try:
            megabytes = process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            return
        if megabytes:
            ended = sum(line.startswith('{"event": "pair"') for _, line in [*command.lines])
            memory.append((ended, megabytes))
        time.sleep(1.0)


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--planned", type=int, default=10_000)
    arguments, verdict = parser.parse_args(), Verdict()
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        place, settings = Place(Path(name), evaluation_seconds=0.0), settings_file(Path(name))
        source = pairs_in(Path(name), arguments.pairs)
        planned = pairs_in(Path(name), arguments.planned, name="many", seed=7) if arguments.planned else None
        with service(place, workers=arguments.workers, postgres=postgres) as serving:
            many(serving, source, settings, arguments.pairs, verdict)
            if planned is not None:
                handed_out(serving, planned, settings, arguments.planned, verdict)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
