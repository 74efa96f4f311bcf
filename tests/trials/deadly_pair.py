"""A pair that kills its process every time: it is found by itself, all others are done.

    PYTHONPATH=tests python tests/trials/deadly_pair.py [--pairs 40] [--workers 4] [--unit render]

Workers do a batch in which one pair kills its process, as a driver's fault or the kernel's want of memory
does. Exit status 1 if another pair is lost, or if that one is not named in the list of failures with why.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import settings_file
from service_runs import Place, Verdict, names_of, pairs_in, rows_of

LONGEST_RUN = 1800.0
SOME_FAILED = 3


def deadly(folder: Path, pairs: int, workers: int, unit: str, verdict: Verdict) -> None:
    """Run such a batch."""
    name, out = f"p{pairs // 3}", folder / "out"
    place = Place(folder, evaluation_seconds=0.1, variables={"PST_TEST_DEADLY": f"{unit} {name}"})
    command = place.run(
        "run", str(pairs_in(folder, pairs)), "--out", str(out), "--settings", str(settings_file(folder)),
        "--json", "--workers", str(workers), timeout=LONGEST_RUN,
    )  # fmt: skip
    verdict.check(
        "the run says that some failed", command.process.returncode == SOME_FAILED, command.said[-500:]
    )
    verdict.check_table(out, names_of(pairs), failed=frozenset({name}))
    why = next((row["error"] for row in rows_of(out) if row["name"] == name), "")
    verdict.check("the table says why", "died 3 times" in why, why)
    listed = [json.loads(line)["name"] for line in (out / "failed.jsonl").read_text().splitlines()]
    verdict.check("failed.jsonl names that pair alone", listed == [name], listed)
    begun = [line.split()[1] for line in place.log.read_text().splitlines() if line.endswith(f" {unit}")]
    verdict.check("it had three tries", len(begun) == pairs - 1 + 3, len(begun))
    verdict.check_work(place, out, pairs - 1, interrupted=3)


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--unit", default="render", choices=("segment", "precompute", "render", "score"))
    arguments, verdict = parser.parse_args(), Verdict()
    with tempfile.TemporaryDirectory() as folder:
        deadly(Path(folder), arguments.pairs, arguments.workers, arguments.unit, verdict)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
