"""Many pairs that are finished: time and memory of running them again, of a dry run, and of their status.

    PYTHONPATH=. python tests/benchmarks/many_pairs.py [--pairs 1000,10000] [--only run,dry-run,status]

One small pair goes through the pipeline. The others are made of it: each has a photograph of its own, and
its steps' records, artifacts, receipt and folder are written as the pipeline writes them, with bytes of its
own, so that nothing is found under another pair's name. Only the disk is not waited for. The first of the
pairs make the smaller batches. Prints, of the command's own process and not of the server that it starts,
seconds since that was up, seconds on the processor, and the peak of resident memory; and how they grow with
the number of pairs. Needs Linux.
"""

import argparse
import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import PST, QUICK, settings_file

TRAILER = b"PAR1"
COMMANDS = {
    "run": ("run", "{source}", "--out", "{out}", "--settings", "{settings}", "--json"),
    "dry-run": ("run", "{source}", "--out", "{out}", "--settings", "{settings}", "--dry-run"),
    "status": ("status", "{out}"),
}


# --- making them


def marked(data: bytes, number: int) -> bytes:
    """The same artifact with other bytes: a mark where readers of its format look at nothing."""
    mark = f"pair {number}".encode()
    if data.startswith(b"\x89PNG"):
        chunk = b"tEXt" + b"number\0" + mark
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:-12] + chunk + data[-12:]  # before the last one, IEND
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(mark) + 2) + mark + data[2:]
    if data.startswith(TRAILER):
        footer = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
        return data[:footer] + mark + data[footer:]  # between the columns and what says where they are
    return data


class Template:
    """The pair that went through the pipeline, as what each of its steps left."""

    def __init__(self, plan: Any) -> None:
        from pst_core.store import open_store
        from tasks.keys import key_of
        from tasks.pair import make_pair
        from tasks.records import look_up, references_in

        self.records: list[dict[str, Any]] = []
        self.artifacts: dict[str, bytes] = {}

        def look(unit: Any, **inputs: Any) -> Any:
            key = key_of(unit.name, inputs)
            record = json.loads(open_store().read_record(key))
            self.records.append(record)
            for each in references_in(json.loads(record["result"])):
                self.artifacts[each.sha256] = open_store().read(each)
            return look_up(key)

        make_pair(plan.files, plan.config, plan.network, look)

    def repeat(self, plan: Any, number: int) -> None:
        """Leave of another pair what the pipeline would."""
        from prefect.serializers import JSONSerializer

        from flows.results.finished import keep
        from pst_core.store import open_store
        from tasks.keys import key_of
        from tasks.pair import make_pair
        from tasks.records import StoreRecords

        store, records = open_store(), iter(self.records)
        own: dict[str, dict[str, Any]] = {}

        def replaced(value: Any) -> Any:
            if isinstance(value, dict) and set(value) == {"kind", "path", "sha256", "size"}:
                if value["sha256"] not in own:
                    data = marked(self.artifacts[value["sha256"]], number)
                    suffix = value["path"].rpartition(".")[2]
                    own[value["sha256"]] = store.put(data, value["kind"], suffix).model_dump()
                return own[value["sha256"]]
            if isinstance(value, dict):
                return {name: replaced(item) for name, item in value.items()}
            return [*map(replaced, value)] if isinstance(value, list) else value

        def take(unit: Any, **inputs: Any) -> Any:
            record = next(records)
            text = json.dumps(replaced(json.loads(record["result"])))
            content = json.dumps(record | {"result": text}).encode()
            StoreRecords(basepath=str(store.root)).write_path(key_of(unit.name, inputs), content)
            return JSONSerializer().loads(text.encode())

        made, keys = make_pair(plan.files, plan.config, plan.network, take)
        keep(plan, made, keys)


def make_photographs(source: Path, names: list[str]) -> None:
    """A pair a name: each has a content of its own, and all have one style."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(3)
    for role, shade in (("content", 90), ("style", 170)):
        (source / role).mkdir(parents=True)
        pixels = (shade + rng.normal(0, 25, (32, 32, 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(source / f"{role}.png")
    data = (source / "content.png").read_bytes()
    for number, name in enumerate(names):
        (source / "content" / name).write_bytes(marked(data, number))
        (source / "style" / name).write_bytes((source / "style.png").read_bytes())


def make_pairs(folder: Path, count: int) -> "Batch":
    """A finished batch of so many pairs."""
    from flows.orders.batch_order import BatchOrder, check_order
    from flows.orders.planning import Prober, plan_pair

    batch = Batch(folder / "all", folder / "all-out", settings_file(folder, size=32))
    names = [f"p{number:06}.png" for number in range(count)]
    make_photographs(batch.source, names)
    first = batch.of_first(1)
    first.measure("run")
    order = BatchOrder(source=batch.source, out=batch.out, settings=QUICK | {"size": 32})
    orders, prober = check_order(order).pairs, Prober()
    template = Template(plan_pair(orders[0], prober))
    with mock.patch("os.fsync", lambda _: None):  # nothing here has to outlive a power cut
        for number, each in enumerate(orders):
            template.repeat(plan_pair(each, prober), number)
    order.save()
    return batch


# --- measuring them


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds, of which so many before a server was up; of the processor; memory."""

    seconds: float
    starting: float
    processor: float
    megabytes: float

    @property
    def working(self) -> float:
        return self.seconds - self.starting


@dataclass(frozen=True)
class Batch:
    """A folder of photographs, its folder of results, and the settings that made these."""

    source: Path
    out: Path
    settings: Path

    def of_first(self, count: int) -> "Batch":
        """The batch of its first pairs: links to the same photographs, and folders of results of its own."""
        source, out = (place.with_name(f"{place.name}-{count}") for place in (self.source, self.out))
        for role in ("content", "style"):
            (source / role).mkdir(parents=True)
            for path in sorted((self.source / role).iterdir())[:count]:
                os.link(path, source / role / path.name)
        for path in sorted(self.source.glob("content/*"))[:count]:
            if (made := self.out / path.stem).is_dir():
                shutil.copytree(made, out / path.stem)
        if (self.out / "batch.json").is_file():
            order = json.loads((self.out / "batch.json").read_text()) | {"source": str(source)}
            (out / "batch.json").write_text(json.dumps(order))
        return Batch(source, out, self.settings)

    def measure(self, command: str) -> Measured:
        """Run a command over it in a process of its own."""
        arguments = [part.format(**vars(self)) for part in COMMANDS[command]]
        begun = time.monotonic()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*PST, *arguments], stdout=subprocess.PIPE, stderr=errors, env=os.environ, text=True
            )
            watching = _Watching(process.pid)
            starting, last = 0.0, ""
            for last in process.stdout or ():
                if '"event": "server"' in last:
                    starting = time.monotonic() - begun
            status = process.wait()
            errors.seek(0)
            if status:
                raise SystemExit(f"pst {' '.join(arguments)} ended with {status}: {last}{errors.read()!r}")
        print(f"    {last.strip()[:150]}", flush=True)
        return Measured(time.monotonic() - begun, starting, *watching.end())


class _Watching:
    """A process's seconds on the processor and the peak of its resident memory, as the kernel has them."""

    def __init__(self, pid: int) -> None:
        self._process, self._status = psutil.Process(pid), Path(f"/proc/{pid}/status")
        self._seconds, self._kilobytes = 0.0, 0
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def end(self) -> tuple[float, float]:
        """Seconds and megabytes."""
        self._watching.join()
        return self._seconds, self._kilobytes / 1024

    def _watch(self) -> None:
        with contextlib.suppress(OSError, StopIteration, psutil.Error):  # it has ended
            while True:
                lines = self._status.read_text().splitlines()
                peak = next(line for line in lines if line.startswith("VmHWM"))
                self._kilobytes = max(self._kilobytes, int(peak.split()[1]))
                times = self._process.cpu_times()
                self._seconds = max(self._seconds, times.user + times.system)
                time.sleep(0.1)


def told(measured: Mapping[int, Measured]) -> Iterator[str]:
    """A line a number of pairs, and how it grows from one to the next."""
    for pairs, each in measured.items():
        yield (
            f"  {pairs:>7} pairs: {each.working:7.1f} s, {each.processor:6.1f} s on the processor, "
            f"{each.megabytes:5.0f} MB"
        )
    for (fewer, before), (pairs, each) in pairwise(measured.items()):
        more = pairs - fewer
        yield (
            f"  {pairs / fewer:.4g} times the pairs: {each.working / before.working:.2f} times as long, "
            f"{each.processor / before.processor:.2f} times on the processor; each more takes "
            f"{1000 * (each.working - before.working) / more:.2f} ms, "
            f"{1000 * (each.processor - before.processor) / more:.2f} ms on the processor, "
            f"{1024 * (each.megabytes - before.megabytes) / more:.2f} KB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="1000,10000")
    parser.add_argument("--only", default=",".join(COMMANDS), help="commands; none only makes the pairs")
    parser.add_argument("--folder", type=Path, help="keeps what is made, and finds it there the next time")
    arguments = parser.parse_args()
    numbers = sorted(map(int, arguments.pairs.split(",")))
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        os.environ["PST_HOME"] = str(folder / "home")
        from flows.runtime.settings import import_prefect

        import_prefect()
        begun = time.monotonic()
        whole = folder / "whole.json"
        if whole.is_file():
            batches = {int(n): Batch(*map(Path, each)) for n, each in json.loads(whole.read_text()).items()}
        else:
            made = make_pairs(folder, numbers[-1])
            batches = {number: made.of_first(number) for number in numbers[:-1]} | {numbers[-1]: made}
            kept = {n: [*map(str, vars(each).values())] for n, each in batches.items()}
            whole.write_text(json.dumps(kept))
            print(f"{numbers[-1]} pairs made in {time.monotonic() - begun:.0f} s", flush=True)
        for command in filter(None, arguments.only.split(",")):
            print(f"pst {command}", flush=True)
            measured = {number: batches[number].measure(command) for number in numbers}
            print("\n".join(told(measured)), flush=True)


if __name__ == "__main__":
    main()
