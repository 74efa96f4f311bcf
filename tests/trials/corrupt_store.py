"""Every file of store and results in turn deleted, cut, altered by one byte, emptied, zeroed: a run heals it.

    python tests/trials/corrupt_store.py [--every N] [--pairs 1]

Makes a batch, then damages one file after another in each way and runs the batch again: every final file
must be the first run's to the bit, and the store must verify. Prints counts; exits with 1 if a run did not
heal.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import QUICK, finals, make_folder, overrides_of

from flows.runtime.server import prefect_server


def _delete(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _alter(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")  # of a photograph that says nothing, nothing is kept
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "deleted": _delete, "cut": _cut, "altered": _alter, "emptied": _empty, "zeroed": _zero,
}  # fmt: skip


def corrupt_store(folder: Path, pairs: int, every: int) -> Counter[str]:
    """Carry out the sweep within this process, on a server that is configured.

    Parameters
    ----------
    every
        Damage only each n-th file.
    """
    from flows.batch import stylize_folder
    from pst_core.store import open_store
    from pst_core.store.upkeep import verify

    source, out, store = make_folder(folder / "in", pairs), folder / "out", open_store()

    def run() -> None:
        stylize_folder(source=source, out=out, settings=overrides_of(QUICK))

    run()
    wanted, outcomes = finals(out), Counter[str]()
    kept = [
        path
        for name in ("objects", "records", "receipts")
        for path in sorted((store.root / name).rglob("*.*"))
    ]
    results = [out / name for name in wanted]
    for path in [*kept, *results][::every]:
        before = path.read_bytes()
        for name, damage in DAMAGES.items():
            damage(path)
            run()
            healed = finals(out) == wanted and not verify(store) and path.read_bytes() == before
            outcomes[f"{name}: {'healed' if healed else f'NOT HEALED {path.name}'}"] += 1
    return outcomes


def main() -> int:
    """Run the sweep from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PST_HOME"] = str(Path(folder) / "home")
        with prefect_server(own=True):
            outcomes = corrupt_store(Path(folder), arguments.pairs, arguments.every)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")
    return 1 if any("NOT" in outcome for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
