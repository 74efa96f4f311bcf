"""A store with something in it, and what is done to one; several test modules share it."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys

from trials import store_faults

from pst_core.store import Receipt, StoreMiss

KEYS = [hashlib.sha256(bytes([index])).hexdigest() for index in range(8)]
A, B, C, D = KEYS[:4]


class Filled:
    def __init__(self, store, output=None):
        self.store = store
        self.reference = store.put(b"\x89PNG some pixels", "image", "png")
        self.other = store.put(b"other pixels", "regions", ".parquet")
        store.write_record(A, b'{"loss": 1}', [self.reference, self.other])
        store.write_record(B, b'{"loss": 2}', [self.other])
        self.output = output or store.root.parent / "out"
        self.receipt = Receipt(records=(A,), outputs=(str(self.output / "report.json"),), content='{"x": 1}')
        store.write_receipt(C, self.receipt)
        self.object = store.root / self.reference.path
        self.record = store.root / "records" / A[:2] / f"{A}.json"
        self.other_record = store.root / "records" / B[:2] / f"{B}.json"
        self.receipt_file = store.root / "receipts" / C[:2] / f"{C}.json"

    def stands(self):
        self.output.mkdir(exist_ok=True)
        (self.output / "report.json").write_text(json.dumps({"key": C}))
        return self


def misses(read, *arguments):
    try:
        read(*arguments)
    except StoreMiss:
        return True
    return False


def files_in(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def missing(path):
    path.unlink()


def link_to_a_copy(path):
    """A link to the right bytes is still not the file that was written."""
    path.rename(path.with_suffix(".copy"))
    path.symlink_to(path.with_suffix(".copy"))


def dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


HOLDER = """
import sys, time
from pathlib import Path
from pst_core.store import Store
store = Store(Path(sys.argv[1]))
held = store.acquire(sys.argv[2])
with store.in_use():
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(store, key):
    """Another process that holds a key's lock and is running a batch."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.root), key],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(store_faults.REPOSITORY)},
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
