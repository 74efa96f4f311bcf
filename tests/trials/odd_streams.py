"""Every command of `pst` with streams that are closed, full, or whose reader goes away: all is done, exit 0.

    PYTHONPATH=tests python tests/trials/odd_streams.py [--only WORDS]

Prints a line a case. Exit status 1 if a command ended otherwise than in peace, or lost what it had made.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import ROOT, make_folder, settings_file
from picture_runs import QUICK, save_photograph

from flows.runtime.server import prefect_server

PROGRAM = [sys.executable, "-c", "from flows.cli.app import main; main()"]
STREAMS = {
    "all closed": "<&- >&- 2>&-",
    "output closed": ">&-",
    "errors closed": "2>&-",
    "disk full": ">/dev/full 2>&1",
    "reader gone": "2>&1 | true",
    "reader of one line": "2>&1 | head -1 >/dev/null",
}
# Command, and the files that it must leave. In this order: some take what others made.
COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("--help", ()), ("--version", ()), ("presets", ()), ("methods", ()), ("doctor", ()),
    ("doctor --json", ()),
    ("stylize content.png style.png -o OUT/one.png {quick}", ("one.png", "one.json")),
    ("stylize content.png style.png -o OUT/two.png --json {quick}", ("two.png", "two.json")),
    ("run in --out OUT/batch --settings quick.toml",
     ("batch/p0/report.json", "batch/p1/report.json", "batch/gallery.html")),
    ("run in --out OUT/json --settings quick.toml --method reinhard --json",
     ("json/p0/report.json", "json/p1/report.json", "json/batch.parquet")),
    ("run in --out OUT/new --settings quick.toml --dry-run", ()),
    ("status OUT/batch", ()), ("status OUT/batch --json", ()),
    ("resume OUT/batch", ("batch/batch.parquet",)),
    ("evaluate in --out OUT/evaluated --methods yang,reinhard --settings quick.toml",
     ("evaluated/table.md", "evaluated/table.parquet")),
    ("study build one=OUT/batch other=OUT/json --count 2 -o OUT/study.html",
     ("study.html", "study.key.json")),
    ("store", ()), ("store --json", ()), ("store verify", ()), ("store prune", ()),
)  # fmt: skip


def run_case(command: str, redirections: str, folder: Path, address: str) -> tuple[int, str]:
    """Exit status of a command under redirections, and what it left on the standard error of the shell."""
    # The command's own status, whatever stands behind its pipe; bash, for its PIPESTATUS.
    script = f'"$@" {redirections}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *PROGRAM, *command.split()], cwd=folder, check=False,
        env=os.environ | {
            "PYTHONPATH": str(ROOT), "PST_HOME": str(folder / "home"), "PREFECT_API_URL": address,
            "PST_VGG19_WEIGHTS": "untrained",
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.returncode, done.stderr


def try_all(folder: Path, address: str, only: str) -> Iterator[tuple[str, str]]:
    """Each case, and what is wrong with it, if anything."""
    save_photograph(folder / "content.png")
    save_photograph(folder / "style.png", seed=1)
    make_folder(folder / "in", 2)
    settings_file(folder)
    for number, (name, redirections) in enumerate(STREAMS.items()):
        for template, files in COMMANDS:
            out = f"out{number}"
            command = template.format(quick=" ".join(QUICK)).replace("OUT", out)
            if only not in f"{name}: {command}":
                continue
            status, errors = run_case(command, redirections, folder, address)
            missing = [file for file in files if not (folder / out / file).is_file()]
            wrong = [f"exit status {status}"] if status else []
            wrong += [f"{', '.join(missing)} missing"] if missing else []
            wrong += ["noise"] if "Exception ignored" in errors or "Traceback" in errors else []
            yield f"{name}: pst {template.replace(' {quick}', '')}", "; ".join(wrong)


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases that have these words alone")
    only = parser.parse_args().only
    failed = 0
    with tempfile.TemporaryDirectory() as name, prefect_server(own=True) as address:
        for case, wrong in try_all(Path(name), f"{address}/api", only):
            failed += bool(wrong)
            print(f"{case}: {wrong or 'done, exit 0'}", flush=True)
    print(f"{failed} cases WRONG" if failed else "all cases right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
