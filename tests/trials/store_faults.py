"""Kill and fail the system calls of a publish and of a prune one by one, and race many writers of one key.

Run as ``python tests/trials/store_faults.py [--writers 16] [--rounds 200] [--every 1]``. Needs strace for the
sweep. Prints what happened and ends with a status other than 0 if the store broke a promise anywhere.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))

from pst_core.errors import PstError  # noqa: E402
from pst_core.store import Receipt, Reference, Store, StoreMiss  # noqa: E402
from pst_core.store.upkeep import prune, verify  # noqa: E402

# What each call can be made to do. EMFILE only where a descriptor is made.
FAULTS = {
    "rename": ("KILL", "EIO", "ENOSPC"),
    "link": ("KILL", "EIO", "ENOSPC"),
    "write": ("KILL", "EIO", "ENOSPC"),
    "fsync": ("KILL", "EIO", "ENOSPC"),
    "mkdir": ("KILL", "EIO", "ENOSPC"),
    "unlink": ("KILL", "EIO"),
    "openat": ("KILL", "EIO", "EMFILE"),
    "read": ("KILL", "EIO"),
    "flock": ("KILL", "ENOLCK"),
    "close": ("KILL",),
    "getdents64": ("KILL", "EIO"),
}
# "new" publishes into no store at all, "replace" over an older result under the same keys whose object was
# lost, "heal" over a damaged object, "prune" removes the leftovers of an older result.
SCENARIOS = ("new", "replace", "heal", "prune")
FAILED_PROPERLY = 3

RECORD, RECEIPT, OLD_RECORD, OLD_RECEIPT = (
    hashlib.sha256(name.encode()).hexdigest() for name in ("record", "receipt", "old record", "old receipt")
)
BYSTANDER = b"acknowledged long ago"
OLD, NEW = b"old value " * 300, b"new value " * 300


@contextlib.contextmanager
def locked(store, key):
    """Hold a key's lock."""
    descriptor = store.acquire(key)
    try:
        yield
    finally:
        store.release(descriptor)


def publish(root, value, output, record=RECORD, receipt=RECEIPT):
    """Publish one result: an object, a record that names it, a receipt that names the record."""
    store = Store(root)
    with store.in_use(), locked(store, receipt):
        reference = store.put(value, "image", "png")
        store.write_record(record, json.dumps({"size": len(value)}).encode(), [reference])
        outputs = (str(output / "report.json"),)
        made = Receipt(records=(record,), outputs=outputs, content=reference.model_dump_json())
        store.write_receipt(receipt, made)
    return reference


def published(root, record=RECORD, receipt=RECEIPT):
    """Return the value that is found under the keys, or None for a miss."""
    store = Store(root)
    try:
        found = store.read_receipt(receipt)
        store.read_record(record)
        return store.read(Reference.model_validate_json(found.content))
    except StoreMiss:
        return None


def stand(output, key):
    output.mkdir(parents=True)
    (output / "report.json").write_text(json.dumps({"key": key}))


def prepare(folder, scenario):
    """Make the store in which a child will be disturbed."""
    root, output = folder / "store", folder / "out"
    stand(output, RECEIPT)
    if scenario == "new":
        return
    stand(folder / "older", OLD_RECEIPT)
    publish(root, BYSTANDER, folder / "older", OLD_RECORD, OLD_RECEIPT)
    if scenario == "replace":
        store = Store(root)
        store.path_of(publish(root, OLD, output)).unlink()
    if scenario == "heal":
        store = Store(root)
        path = store.path_of(store.put(NEW, "image", "png"))
        path.write_bytes(NEW[:-1] + b"!")
    if scenario == "prune":
        publish(root, NEW, output)
        gone = [hashlib.sha256(bytes([i])).hexdigest() for i in range(2)]
        publish(root, OLD, folder / "removed", *gone)
        (root / "objects" / ".pst-stale.tmp").write_bytes(b"half")


def act(folder, scenario):
    """Do what is disturbed."""
    if scenario == "prune":
        prune(Store(folder / "store"), grace_seconds=0)
    else:
        publish(folder / "store", NEW, folder / "out")


def child(folder, scenario):
    """Act between two marks in the trace, and end without a single call more than needed."""
    os.kill(os.getpid(), 0)
    try:
        act(folder, scenario)
    except PstError:
        os._exit(FAILED_PROPERLY)
    os.kill(os.getpid(), 0)
    os._exit(0)


def traced(folder, scenario, *options):
    """Run the child under strace. Returns its status: negative for a signal."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *site.getsitepackages()]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    # The real interpreter, since a virtual environment's may be a wrapper that is traced in its place.
    python = os.path.realpath(sys.executable)
    command = ["strace", "-f", "-qq", *options, python, __file__, "--child", str(folder), scenario]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    if run.returncode not in {0, FAILED_PROPERLY, -9, 128 + 9}:
        return f"ended with {run.returncode}: {run.stderr[-600:]}"
    return run.returncode if run.returncode <= FAILED_PROPERLY else -9


def can_trace():
    """Return why processes cannot be traced here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    run = subprocess.run(
        ["strace", "-qq", "-e", "inject=fsync:error=EIO:when=1", "true"], capture_output=True, check=False
    )
    return None if run.returncode == 0 else "processes may not be traced here"


def count_calls(scenario):
    """Run once undisturbed: how often each call is made before the child starts to act, and while it acts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, scenario)
        log = folder / "trace"
        status = traced(folder, scenario, "-e", f"trace=kill,{','.join(FAULTS)}", "-o", str(log))
        assert status == 0, status
        before, acting, marks = collections.Counter(), collections.Counter(), 0
        for line in log.read_text(errors="replace").splitlines():
            call = re.match(r"(?:\d+ +)?(\w+)\(", line)
            if call is None:
                continue
            if call[1] == "kill":
                marks += 1
            elif marks < 2:
                (acting if marks else before)[call[1]] += 1
        assert marks == 2, log.read_text()
        return before, acting


def disturb(scenario, call, fault, number):
    """Disturb the call of this number; returns what happened and the promises that were broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, scenario)
        what = "signal=KILL" if fault == "KILL" else f"error={fault}"
        status = traced(
            folder,
            scenario,
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:{what}:when={number}",
            "-o",
            "/dev/null",
        )
        outcome, broken = judge(folder, scenario, status)
        if fault == "KILL" and status != -9:
            broken.append(f"was not killed: {status}")
        return outcome, [f"{scenario} {call} {fault} {number}: {what}" for what in broken]


def judge(folder, scenario, status):
    """Check every promise that a disturbed store has to keep."""
    root, broken = folder / "store", []
    if isinstance(status, str):
        return "crash", [status]
    found = published(root)
    allowed = {"new": {None, NEW}, "replace": {None, NEW}, "heal": {None, NEW}, "prune": {NEW}}[scenario]
    if found not in allowed:
        broken.append(f"half a value: {found!r}")
    if status == 0 and found != NEW:
        broken.append("acknowledged and not there")
    broken += bystander(folder, scenario)
    expected = {"leftover"}
    if found is None:
        expected |= {"heal": {"damaged"}, "replace": {"missing"}}.get(scenario, set())
    broken += [f"damage: {damage}" for damage in verify(Store(root)) if damage.problem not in expected]
    broken += recover(folder, scenario)
    ended = {0: "acknowledged", FAILED_PROPERLY: "refused", -9: "killed"}[status]
    value = {None: "miss", OLD: "old", NEW: "new"}.get(found, "half")
    return f"{ended}, {value}", broken


def recover(folder, scenario):
    """Do it again undisturbed, and prune: nothing may be left but what is needed."""
    root, broken = folder / "store", []
    act(folder, scenario)
    if published(root) != NEW:
        broken.append("the repetition failed")
    pruned = prune(Store(root), grace_seconds=0)
    if pruned.failures or published(root) != NEW:
        broken.append(f"pruning failed: {pruned}")
    broken += bystander(folder, scenario)
    broken += [f"damage after all: {damage}" for damage in verify(Store(root))]
    return broken


def bystander(folder, scenario):
    if scenario == "new" or published(folder / "store", OLD_RECORD, OLD_RECEIPT) == BYSTANDER:
        return []
    return ["something acknowledged earlier was lost"]


def sweep(every=1, scenarios=SCENARIOS, calls=tuple(FAULTS), show=None):
    """Disturb each call of each scenario once per fault (or every n-th). Returns rows and broken promises."""
    rows, broken = [], []
    for scenario in scenarios:
        before, acting = count_calls(scenario)
        for call in calls:
            for fault in FAULTS[call] if acting[call] else ():
                outcomes = collections.Counter()
                for number in range(1, acting[call] + 1, every):
                    outcome, violations = disturb(scenario, call, fault, before[call] + number)
                    outcomes[outcome] += 1
                    broken += violations
                rows.append((scenario, call, fault, outcomes))
                if show is not None:
                    show(*rows[-1])
    return rows, broken


# ---- many writers of one key -------------------------------------------------------------------------------


def keys_of(number):
    return [hashlib.sha256(f"{what} {number}".encode()).hexdigest() for what in ("shared", "own", "once")]


def shared_bytes(number):
    return f"round {number} ".encode() * 5000


def writer(root, index):
    """For each round number on standard input: write, and tell which results were agreed on.

    On a receipt under its key's lock, and on a record without any, where it also tells whether it was first.
    """
    store = Store(root)
    for line in sys.stdin:
        number = int(line)
        shared, own, once = keys_of(number)
        reference = store.put(shared_bytes(number), "image", "png")
        store.write_record(shared, reference.model_dump_json().encode(), [reference])
        mine = store.put(f"writer {index} of round {number} ".encode() * (2000 + index), "image", "png")
        stays = store.write_record(own, mine.model_dump_json().encode(), [mine])
        first = mine if stays is None else Reference.model_validate_json(stays)
        with locked(store, once):
            try:
                receipt = store.read_receipt(once)
            except StoreMiss:
                made = Receipt(records=(shared,), outputs=(), content=mine.model_dump_json())
                store.write_receipt(once, made)
                receipt = store.read_receipt(once)
        agreed = Reference.model_validate_json(receipt.content)
        print(agreed.sha256, first.sha256, int(stays is None), flush=True)


def reader(root, control):
    """For each round: read until it is done. Tells hits, misses and what was neither."""
    for line in sys.stdin:
        number, tally = int(line), collections.Counter()
        while True:
            done = (control / f"done-{number}").exists()
            look(Store(root), number, tally)
            if done:
                break
        print(json.dumps(tally), flush=True)


def named_in(store, content):
    """Bytes of the object whose reference is a record's or receipt's content."""
    return store.read(Reference.model_validate_json(content))


def look(store, number, tally):
    shared, own, once = keys_of(number)
    for what, key in (("shared", shared), ("own", own), ("once", once)):
        try:
            if what == "once":
                right = named_in(store, store.read_receipt(key).content).startswith(b"writer ")
            elif what == "shared":
                right = named_in(store, store.read_record(key)) == shared_bytes(number)
            else:  # the first writer's own, whoever that is
                right = named_in(store, store.read_record(key)).startswith(b"writer ")
            tally["hits" if right else "wrong"] += 1
        except StoreMiss:
            tally["misses"] += 1
    for path in (store.root / "objects").glob("*/[0-9a-f]*"):
        raw = path.read_bytes() if tally["raw"] < 200 else b""
        if raw:
            tally["raw"] += 1
            tally["wrong"] += hashlib.sha256(raw).hexdigest() != path.stem


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def tell(process, number):
    process.stdin.write(f"{number}\n")
    process.stdin.flush()


def race(folder, writers, rounds, readers=2):
    """Let many processes write one key at once, round by round, while others read. Returns a tally."""
    root, control = folder / "store", folder / "control"
    control.mkdir(parents=True)
    writing = [start("--writer", root, index) for index in range(writers)]
    reading = [start("--reader", root, control) for _ in range(readers)]
    tally = collections.Counter()
    try:
        for number in range(rounds):
            for process in (*reading, *writing):
                tell(process, number)
            told = [process.stdout.readline().split() for process in writing]
            (control / f"done-{number}").touch()
            for process in reading:
                tally.update(json.loads(process.stdout.readline()))
            tally["rounds"] += 1
            receipts, records, firsts = zip(*told, strict=True)
            tally["disagreements"] += (len({*receipts}), len({*records}), firsts.count("1")) != (1, 1, 1)
    except (BrokenPipeError, ValueError):
        pass  # one of them has failed, which is counted below
    finally:
        (control / f"done-{tally['rounds']}").touch()  # lets readers go where writers have failed
        for process in (*writing, *reading):
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            process.wait(60)
    tally["damages"] = len(verify(Store(root)))
    tally["objects"] = sum(1 for _ in (root / "objects").glob("*/*"))
    tally["failed processes"] = sum(process.returncode != 0 for process in (*writing, *reading))
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--every", type=int, default=1)
    for hidden in ("--child", "--writer", "--reader"):
        parser.add_argument(hidden, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(Path(asked.child[0]), asked.child[1])
    if asked.writer:
        return writer(Path(asked.writer[0]), int(asked.writer[1]))
    if asked.reader:
        return reader(Path(asked.reader[0]), Path(asked.reader[1]))
    return report(asked)


def report(asked):
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        tally = race(Path(name), asked.writers, asked.rounds)
    print(
        f"{asked.writers} writers of one key: {dict(tally)} in {time.monotonic() - began:.0f} s", flush=True
    )
    failed = [what for what in ("wrong", "disagreements", "damages", "failed processes") if tally[what]]
    why = can_trace()
    if why is not None:
        print(f"no sweep of system calls: {why}")
        return int(bool(failed))
    began = time.monotonic()
    print(f"{'scenario':<9}{'call':<11}{'fault':<8}{'points':>6}  outcomes")
    rows, broken = sweep(asked.every, show=show_row)
    points = sum(outcomes.total() for *_, outcomes in rows)
    print(f"{points} points in {time.monotonic() - began:.0f} s, {len(broken)} broken promises")
    print(*broken, sep="\n")
    return int(bool(failed or broken))


def show_row(scenario, call, fault, outcomes):
    shown = "; ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{scenario:<9}{call:<11}{fault:<8}{outcomes.total():>6}  {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
