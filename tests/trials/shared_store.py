"""One `PST_HOME` for several users and machines, without locks, behind a mount that forgets handles.

    PYTHONPATH=tests python tests/trials/shared_store.py

Prints a line a case. Exit status 1 if a case went wrong. Other users need root, `setpriv` and `unshare`,
locks, handles and clocks that fail need a C compiler, machines need `bindfs` besides: without these the cases
are left out, and that is said. A machine is played by a name and a mount of its own: bindfs over the very
folder, whose locks other mounts do not see, and which tells of others' files late, as a network's mount does.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import ROOT, finals, make_folder, settings_file
from other_users import ANNA, BEN, GROUP
from trials.surroundings import lasting_server, state_of

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

_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    int status = next(clock, now);
    if (status == 0 && clock == CLOCK_REALTIME) now->tv_sec += atol(getenv("CLOCK_AHEAD"));
    return status;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    int status = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec, now->tv_usec = precise.tv_nsec / 1000;
    return status;
}
time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
"""
# A mount and a name of its own, as long as the command runs.
_MACHINE = """
hostname "$MACHINE"
bindfs -f "$FOLDER" "$FOLDER" > /dev/null 2>&1 & mounted=$!
until grep -q " $FOLDER " /proc/self/mountinfo; do sleep 0.05; done
cd "$FOLDER" && "$@"; status=$?
cd / && umount -l "$FOLDER"; wait $mounted
exit $status
"""
# Writes another result than others under the same key, through what Prefect writes its results with.
_RESULT = """
import sys
from flows.runtime.settings import import_prefect
import_prefect()
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from pst_core.store import open_store
from tasks.records import StoreRecords, look_up
storage = StoreRecords(basepath=str(open_store().root / "records"))
results = ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)
results.write(sys.argv[1], key="a" * 64)
print("stays:", look_up("a" * 64))
"""
_IDENTITY = """
from pst_core.store import pst_home
from pst_core.store.identity import store_identity
print(store_identity(pst_home()))
"""
_JOIN = """
from pst_core.store import pst_home
from pst_core.store.mounts import check_locks_reach_everybody
check_locks_reach_everybody(pst_home())
"""
# Holds a note until its input ends; tells of the notes that it sees.
_HOLD = """
import socket, sys
from uuid import UUID
from flows.runtime.notes import Note, held_note, is_running
with held_note(Note(run=UUID(int=7), attempt=1, url="", host=socket.gethostname())):
    print("here:", is_running(UUID(int=7)), flush=True)
    sys.stdin.read()
"""
_LOOK = """
from uuid import UUID
from flows.runtime.notes import dead_runs, is_running
print("there:", is_running(UUID(int=7)), len(list(dead_runs())))
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
        return ended(self.start([*before, *PROGRAM, *arguments], **environment))

    def start(self, command: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
        """Start a command."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("PST_", "PREFECT_"))
        }
        return subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
            env=variables | {
                "PYTHONPATH": str(ROOT), "PST_HOME": str(self.home), "HOME": str(self.folder / "nobody"),
                "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            } | environment,
        )  # fmt: skip

    def on_machine(self, machine: str, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command on a machine of its own, which sees the folder by its own mount."""
        before = ["unshare", "-m", "-u", "sh", "-c", _MACHINE, "sh"]
        return self.start([*before, *command], MACHINE=machine, FOLDER=str(self.folder), **environment)

    def run(self, out: str, *options: str, **how: Any) -> tuple[int, str]:
        """Run the batch as a user."""
        return ended(self.start_run(out, *options, **how))

    def start_run(
        self, out: str, *options: str, user: int = 0, umask: str = "022", **environment: str
    ) -> "subprocess.Popen[str]":
        """Start the batch as a user."""
        command = [*PROGRAM, "run", "in", "--out", f"out/{out}", "--settings", "quick.toml", *options]
        if user == 0:
            before = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
            return self.start([*before, *command], **environment)
        who = {"MASK": umask, "USER_ID": str(user), "GROUPS_OF": f"{user},{GROUP}"}
        before = ["unshare", "-m", "sh", "-c", _OTHER, "sh"]
        return self.start([*before, *command], **environment, **who, **_closed(self.folder))


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit status of a command, and all that it printed, in one line."""
    printed, _ = process.communicate()
    return process.returncode, " ".join(printed.split())


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


def runs_of_others() -> Iterator[tuple[str, str, bool]]:
    """Whom it is told of that somebody else's run died, and what of one result in two places remains."""
    with new_place() as place, lasting_server(place.folder) as url:
        share(place.home)
        killed = place.start_run(
            "killed", "--global-iterations", "4000", user=ANNA, umask="002", PREFECT_API_URL=url
        )
        notes = place.home / "prefect" / "running"
        while not notes.is_dir() or not (found := [path.name for path in notes.glob("*-*")]):
            time.sleep(0.1)
        killed.kill()
        ended(killed)
        before = state_of(url, found[0])
        status, said = place.run("ben", user=BEN, umask="002", PREFECT_API_URL=url)
        after = state_of(url, found[0])
        right = (status, before, after, list(notes.iterdir())) == (0, "Running", "Crashed", [])
        yield "anna's killed run, told of by ben's", f"{before} -> {after}; {said[-40:]}", right
    with new_place() as place:
        share(place.home)
        place.run("anna", user=ANNA, umask="002")
        others = [place.start_run(f"ben-{number}", user=BEN, umask="002") for number in range(3)]
        for other in others:
            ended(other)
        for out in ("anna", "ben-0", "ben-1"):
            shutil.rmtree(place.folder / "out" / out)
        status, said = place.pst("store", "prune", "--older-than", "0")
        yield "one result in four folders, three removed: prune", said[:70], status == 0
        status, said = place.run("ben-2", user=BEN, umask="002")
        yield "... the fourth still has all that it needs", said[-70:], status == 0 and "2 cached" in said


def machines(rounds: int) -> Iterator[tuple[str, str, bool]]:
    """Machines over one store whose locks do not reach one another."""
    python = sys.executable
    with new_place() as place:
        joining = place.on_machine("one", python, "-c", _JOIN)
        said = ended(joining)[1]
        right = (
            "cannot be shared by several machines" in said and f"{place.folder} is mounted as fuse" in said
        )
        yield "locks that stay on each machine are refused to those who join", said[-200:], right
        asking = [place.on_machine(f"m{number}", python, "-c", _IDENTITY) for number in range(8)]
        told = {ended(process) for process in asking}
        yield "8 machines ask at once which store it is", str(told), len(told) == 1 and min(told)[0] == 0
        holding = place.on_machine("one", python, "-c", _HOLD)
        here = holding.stdout.readline().strip()
        there = ended(place.on_machine("two", python, "-c", _LOOK))[1]
        holding.communicate("")
        right = (here, there) == ("here: True", "there: None 0")
        yield "a living run is not told to be dead by another machine", f"{here}, {there}", right
    with new_place() as place:
        first = ended(place.on_machine("one", python, "-c", _RESULT, "first"))[1]
        second = ended(place.on_machine("two", python, "-c", _RESULT, "second"))[1]
        told = "two made another than one, whose stays in the store" in second and "two results" not in first
        right = told and first.endswith("stays: first") and second.endswith("stays: first")
        yield "two results for one key", second, right
    with new_place() as place:
        place.run("undisturbed")
        expected = finals(place.folder / "out" / "undisturbed")
        for number in range(rounds):
            shutil.rmtree(place.home)
            arguments = [*PROGRAM, "run", "in", "--settings", "quick.toml", "--out"]
            running = [
                place.on_machine(machine, *arguments, f"out/{number}-{out}")
                for machine, out in (("one", "both"), ("two", "both"), ("three", "third"))
            ]
            told = [ended(process) for process in running]
            same = all(
                finals(place.folder / "out" / f"{number}-{out}") == expected for out in ("both", "third")
            )
            sound = place.pst("store", "verify")
            right = all(status == 0 and "two results" not in said for status, said in told) and same
            seen = f"{[said[-40:] for _, said in told]}, same bits: {same}, {sound[1][-60:]}"
            yield f"three machines at once, round {number + 1}", seen, right and sound[0] == 0


def clocks(libraries: Path) -> Iterator[tuple[str, str, bool]]:
    """Clocks that are wrong: each case, what was seen, and whether that is right."""
    with new_place() as place:
        place.run("before")
        for days in (-400, 3, 400):
            wrong = {"LD_PRELOAD": str(libraries / "clock.so"), "CLOCK_AHEAD": str(days * 86400)}
            status, said = place.run("now", **wrong)
            yield f"a clock {days} days ahead: pst run", said[-70:], status == 0 and "2 cached" in said
            shutil.rmtree(place.folder / "out", ignore_errors=True)
            (place.folder / "out").mkdir()
            status, said = place.pst("store", "prune", **wrong)
            left = place.run("again")[1]
            seen = f"{said[:60]}; {left[-40:]}"
            yield f"a clock {days} days ahead: pst store prune", seen, status == 0 and "2 cached" in left


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
    for name, text in (("no_locks", _NO_LOCKS), ("stale", _STALE), ("clock", _CLOCK)):
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(libraries / f"{name}.so"), "-ldl"]
        if subprocess.run(command, input=text, text=True, check=False).returncode:
            return False
    return True


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="of three machines at once")
    asked = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        cases: list[Iterator[tuple[str, str, bool]]] = []
        root = os.geteuid() == 0 and shutil.which("unshare")
        if root and shutil.which("setpriv"):
            cases += [users(), runs_of_others()]
        else:
            print("left out: other users, which need root, setpriv and unshare")
        if root and shutil.which("bindfs"):
            cases.append(machines(asked.rounds))
        else:
            print("left out: other machines, which need root, unshare and bindfs")
        if compiled(Path(name)):
            cases += [clocks(Path(name)), faults(Path(name))]
        else:
            print("left out: locks, handles and clocks that fail, which need a C compiler")
        for case, seen, right in (each for group in cases for each in group):
            failed += not right
            print(f"{'right' if right else 'WRONG'}  {case}: {seen}", flush=True)
    print(f"{failed} cases WRONG" if failed else "all cases right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
