"""One `PST_HOME` for several users, without locks, and behind a mount that forgets handles.

    PYTHONPATH=tests python tests/trials/shared_store.py

Prints a line a case. Exit status 1 if a case went wrong. Other users need root, `setpriv` and `unshare`,
locks and handles that fail need a C compiler: without these the cases are left out, and that is said.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import ROOT, make_folder, settings_file
from other_users import ANNA, BEN, GROUP

PROGRAM = [sys.executable, "-c", "from flows.cli.app import main; main()"]
# Where Python lies in a folder that others may not enter, as below /root, they get a view in which they may.
_OTHER = """
set -e
if [ -n "$CLOSED" ]; then
    mount --bind "$PREFIX" "$KEPT"; mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    mkdir -p "$PREFIX"; mount --bind "$KEPT" "$PREFIX"
fi
umask "$MASK"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --groups "$GROUPS_OF" "$@"
"""
_NO_LOCKS = """
#include <errno.h>
int flock(int descriptor, int operation) { errno = ENOLCK; return -1; }
"""
_STALE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int reads;
ssize_t read(int descriptor, void *bytes, size_t size) {
    static ssize_t (*next)(int, void *, size_t);
    char link[40], path[4096] = "";
    if (!next) next = dlsym(RTLD_NEXT, "read");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, getenv("STALE_PATH"))
        && ++reads % atoi(getenv("STALE_EVERY")) == 0) { errno = ESTALE; return -1; }
    return next(descriptor, bytes, size);
}
"""


class Place:
    """A folder with pairs, quick settings and a home for everything that is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        make_folder(folder / "in", 2)
        settings_file(folder)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o1777)

    def pst(self, *arguments: str, before: Sequence[str] = (), **environment: str) -> tuple[int, str]:
        """Exit status of a command, and all that it printed, in one line."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("PST_", "PREFECT_"))
        }
        done = subprocess.run(
            [*before, *PROGRAM, *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
            env=variables | {
                "PYTHONPATH": str(ROOT), "PST_HOME": str(self.home), "HOME": str(self.folder / "nobody"),
                "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            } | environment,
        )  # fmt: skip
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def run(
        self, out: str, *options: str, user: int = 0, umask: str = "022", **environment: str
    ) -> tuple[int, str]:
        """Run the batch as a user."""
        arguments = ["run", "in", "--out", f"out/{out}", "--settings", "quick.toml", *options]
        if user == 0:
            before = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
            return self.pst(*arguments, before=before, **environment)
        who = {"MASK": umask, "USER_ID": str(user), "GROUPS_OF": f"{user},{GROUP}"}
        before = ["unshare", "-m", "sh", "-c", _OTHER, "sh"]
        return self.pst(*arguments, before=before, **environment, **who, **_closed(self.folder))


def _closed(folder: Path) -> dict[str, str]:
    """Which folder above Python others may not enter, if there is one, and where Python is kept meanwhile."""
    prefix = Path(sys.base_prefix)
    closed = next((str(above) for above in reversed(prefix.parents) if not above.stat().st_mode & 1), "")
    kept = folder / "kept"
    kept.mkdir(exist_ok=True)
    return {"CLOSED": closed, "PREFIX": str(prefix), "KEPT": str(kept)}


@contextmanager
def new_place() -> Iterator[Place]:
    """A place of its own for a case, which everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Place(Path(name))


def share(home: Path) -> None:
    """Make a home one that a group shares."""
    home.mkdir(exist_ok=True)
    subprocess.run(["chgrp", "-R", str(GROUP), str(home)], check=True)
    subprocess.run(["chmod", "-R", "g+rwXs", str(home)], check=True)


def users() -> Iterator[tuple[str, str, bool]]:
    """Several users: each case, what was seen, and whether that is right."""
    with new_place() as place:
        share(place.home)
        runs = (
            ("anna", ANNA, ()), ("ben", BEN, ()), ("ben-too", BEN, ("--seed", "2")),
            ("root", 0, ("--seed", "3")), ("anna-again", ANNA, ("--seed", "3")),
        )  # fmt: skip
        for out, user, options in runs:
            status, said = place.run(out, *options, user=user, umask="002")
            wanted = "2 cached" if out in ("ben", "anna-again") else "2 done"
            yield f"a group's store, umask 002: {out}", said[-70:], status == 0 and wanted in said
        status, said = place.run("other", user=BEN + 1, umask="002")
        yield "a group's store: a third user in the group", said[-70:], status == 0 and "2 cached" in said
    with new_place() as place:
        place.run("root", umask="022")
        status, said = place.run("ben", user=BEN, umask="022")
        told = all(
            part in said for part in ("belongs to root", f"user {BEN} may not use it", "chgrp", "umask 002")
        )
        yield "root's store, umask 022: ben", said, status == 1 and told and "[1/2]" not in said
        share(place.home)
        status, said = place.run("ben", user=BEN, umask="002")
        yield "root's store after what was advised: ben", said[-70:], status == 0 and "2 cached" in said
        status, said = place.run("root", "--seed", "2", user=BEN, umask="002")
        whose = "belongs to root" in said and "you may not write there" in said
        yield "root's output folder: ben", said, status == 1 and whose


def faults(libraries: Path) -> Iterator[tuple[str, str, bool]]:
    """Locks and handles that fail: each case, what was seen, and whether that is right."""
    with new_place() as place:
        place.run("before")
        no_locks = {"LD_PRELOAD": str(libraries / "no_locks.so")}
        for arguments in (("run", "in", "--out", "out/a", "--settings", "quick.toml"), ("store", "prune"),
                          ("evaluate", "in", "--out", "out/e", "--settings", "quick.toml")):  # fmt: skip
            status, said = place.pst(*arguments, **no_locks)
            told = "its file system has no locks; set PST_HOME to a folder on a local disk." in said
            yield f"no locks: pst {arguments[0]}", said, status == 1 and told
        stale = {"LD_PRELOAD": str(libraries / "stale.so")}
        seed = 0
        for part in ("/in/", "/home/store/", "/out/", "quick.toml"):
            for every in ("2", "3"):
                seed += part != "/out/"  # to find results there, other than to make them
                status, said = place.run(
                    "stale", "--seed", str(seed), **stale, STALE_PATH=part, STALE_EVERY=every
                )
                right = status == 0 and ("2 done" in said or "2 cached" in said)
                yield f"every {every}. read below {part} stale", said[-70:], right
        status, said = place.run("stale", "--seed", "99", **stale, STALE_PATH="/in/style/p1", STALE_EVERY="1")
        yield (
            "a file that stays stale",
            said,
            status == 3 and "1 done, 1 failed" in said and "Stale file" in said,
        )


def compiled(libraries: Path) -> bool:
    """Whether what lets calls fail could be compiled."""
    if shutil.which("cc") is None:
        return False
    for name, text in (("no_locks", _NO_LOCKS), ("stale", _STALE)):
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(libraries / f"{name}.so"), "-ldl"]
        if subprocess.run(command, input=text, text=True, check=False).returncode:
            return False
    return True


def main() -> int:
    """Run the trial from the command line."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        cases: list[Iterator[tuple[str, str, bool]]] = []
        if os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("unshare"):
            cases.append(users())
        else:
            print("left out: other users, which need root, setpriv and unshare")
        if compiled(Path(name)):
            cases.append(faults(Path(name)))
        else:
            print("left out: locks and handles that fail, which need a C compiler")
        for case, seen, right in (each for group in cases for each in group):
            failed += not right
            print(f"{'right' if right else 'WRONG'}  {case}: {seen}", flush=True)
    print(f"{failed} cases WRONG" if failed else "all cases right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
