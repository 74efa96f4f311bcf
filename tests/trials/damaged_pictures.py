"""Damage pictures of every format at random, and read them: only sentences may come out, in time and memory.

    python tests/trials/damaged_pictures.py [--rounds 1000] [--seed 0] [--only NAME]

Each kind of file is read in a process of its own, so that a decoder's crash is counted, too. Prints, for
each, how many damaged ones were read and refused, the longest that reading one in every way took, and the
memory that the process took. What is raised besides sentences, takes too long or too much is told, and its
file kept; exits with 1 if there was any.
"""

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.queues import Queue
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from damaged_pictures import mutate_and_read, specimens

MOST_SECONDS, MOST_MEGABYTES = 10, 800


def read_many(path: Path, folder: Path, rounds: int, seed: int, said: Queue) -> None:
    """Read a file's damaged copies, and say what became of them."""
    rng, outcomes, longest, fault = random.Random(f"{seed} {path.name}"), Counter(), 0.0, None
    try:
        for _ in range(rounds):
            start = time.perf_counter()
            outcomes += mutate_and_read(path, folder, rng, rounds=1)
            longest = max(longest, time.perf_counter() - start)
            if longest > MOST_SECONDS:
                fault = f"took {longest:.0f} s"
                break
    except Exception:  # noqa: BLE001 - what is raised is what is looked for
        fault = traceback.format_exc()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if memory > MOST_MEGABYTES:
        fault = fault or f"took {memory} MB"
    told = f"read {outcomes['read']:6} refused {outcomes['refused']:6}"
    said.put((f"{told} longest {longest:5.2f} s memory {memory:4} MB", fault))


def main() -> int:
    """Try all kinds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one kind of file, by its name here")
    asked, context, faults = parser.parse_args(), multiprocessing.get_context("spawn"), 0
    with tempfile.TemporaryDirectory() as good:
        for path in specimens(Path(good)):
            if asked.only not in (None, path.name):
                continue
            folder, said = Path(tempfile.mkdtemp()), context.Queue()
            reader = context.Process(target=read_many, args=(path, folder, asked.rounds, asked.seed, said))
            reader.start()
            while reader.is_alive() and said.empty():
                reader.join(0.2)
            reader.join(2)
            told, fault = ("", f"crashed ({reader.exitcode})") if said.empty() else said.get()
            reader.join()
            print(f"{path.name:16} {told}", flush=True)
            if fault:
                print(f"  {fault}, reading {folder}/bad{path.suffix}", flush=True)
                faults += 1
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
