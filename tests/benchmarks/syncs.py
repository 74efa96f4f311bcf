"""How often a pair has something forced to the disk: calls of the pipeline's processes, told by strace.

    python tests/benchmarks/syncs.py [--pairs 3] [--small | --pair 4] [--data ../shared/luan60]

Prints for `pst stylize`, for `pst run` in one process and for `pst run --workers 2` the calls of fsync,
fdatasync, syncfs, sync, msync and sync_file_range of all their processes: of a run of one pair, and what each
further pair adds (goal 15). What the database of Prefect's server syncs is counted apart. With --small
thumbnails are made with a network of two blocks; without, the folder's pair with the default preset.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import PST, ROOT, make_folder, settings_file

CALLS = ("fsync", "fdatasync", "syncfs", "sync", "msync", "sync_file_range")
FOLDERS = {"content": ("input", "in"), "style": ("style", "tar"), "content_maps": ("segmentation", "in"),
           "style_maps": ("segmentation", "tar")}  # fmt: skip
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((?:\d+<([^>]*)>)?")
_OURS = (
    (r"/store/", "store"), (r"/handed/", "ledger"), (r"/prefect/running", "notes of runs"),
    (r"/out/", "results"),
)  # fmt: skip


@dataclass(frozen=True)
class Count:
    """Calls by what they were for; those of the server's database apart."""

    ours: Counter[str]
    database: int

    def __str__(self) -> str:
        each = ", ".join(f"{place} {number}" for place, number in sorted(self.ours.items()))
        return f"{self.ours.total()} ({each})"


def count_calls(arguments: list[str], home: Path, trace: Path) -> Count:
    """Run `pst` with a home and a server of its own, and count what it and its children sync."""
    calls = ["-e", f"trace={','.join(CALLS)}", "-o", str(trace)]
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", *calls, *PST, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        command, env=environment | {"PST_HOME": str(home), "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"pst {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    ours, database = Counter[str](), 0
    for line in trace.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found is None or found[1] not in CALLS:
            continue
        place = found[2] or ""
        if ".db" in Path(place).name or re.search(r"/prefect/(?!running)", f"{place}/"):
            database += 1
        else:
            ours[next((name for pattern, name in _OURS if re.search(pattern, f"{place}/")), place)] += 1
    return Count(ours, database)


def copies_of(data: Path, number: int, folder: Path, pairs: int) -> Path:
    """A folder of one pair under several names, each picture with bytes of its own."""
    for index in range(pairs):
        for role, (sub, side) in FOLDERS.items():
            place = folder / role / f"p{index}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            source = data / sub / f"{side}{number}.png"
            shutil.copyfile(source, place)
            if role == "content":
                _alter(place, index)
    return folder


def _alter(picture: Path, index: int) -> None:
    """Change one pixel: a pair that was made under another name is found, and not made."""
    from PIL import Image

    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image.putpixel((index, 0), (index, 0, 0))
    image.save(picture)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pair", type=int, default=4)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "luan60")
    arguments = parser.parse_args()
    if arguments.pairs < 2:
        parser.error("what each further pair adds is told by two pairs or more")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ["--settings", str(settings_file(folder))] if arguments.small else []
        sources = {
            pairs: make_folder(folder / f"in-{pairs}", pairs)
            if arguments.small
            else copies_of(arguments.data, arguments.pair, folder / f"in-{pairs}", pairs)
            for pairs in (1, arguments.pairs)
        }
        one = sources[1]
        files = [str(one / "content" / "p0.png"), str(one / "style" / "p0.png")]
        maps = ["--content-map", str(one / "content_maps" / "p0.png")]
        maps += ["--style-map", str(one / "style_maps" / "p0.png")]
        (folder / "single").mkdir()
        output = ["--output", str(folder / "single" / "out" / "result.png")]
        stylize = ["stylize", *files, *maps, *output, *settings, "--quiet"]
        print(f"pst stylize: {count_calls(stylize, folder / 'home', folder / 'trace')}", flush=True)
        for words in ([], ["--workers", "2"]):
            counts = {}
            for pairs, source in sources.items():
                place = folder / f"{pairs}-{len(words)}"
                run = ["run", str(source), "--out", str(place / "out"), *settings, *words, "--quiet"]
                counts[pairs] = count_calls(run, place / "home", folder / "trace")
            more = counts[arguments.pairs].ours.total() - counts[1].ours.total()
            print(f"{' '.join(['pst run', *words])}, one pair: {counts[1]}; {arguments.pairs} pairs: "
                  f"{counts[arguments.pairs]}; a further pair: {more / (arguments.pairs - 1):.1f} (goal 15); "
                  f"the server's database: {counts[1].database}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
