"""How long photographs take to be read, by this tree and by another, in turns in one process each.

    python tests/benchmarks/decoding.py OTHER_TREE [ROUNDS]

Both trees read the same JPEGs and PNG of 12 megapixels; printed are the least times of the processor, to
which a machine's other work adds least, and the ratio of this tree's to the other's.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

HERE = Path(__file__).resolve().parents[2]
ONCE = """
import json, sys, time
from pst_core.images.reading import read_photograph
for path in sys.argv[1:]:
    read_photograph(path)
for line in sys.stdin:
    taken = []
    for path in sys.argv[1:]:
        start = time.process_time()
        read_photograph(path)
        taken.append(time.process_time() - start)
    print(json.dumps(taken), flush=True)
"""


def pictures(folder: Path) -> list[Path]:
    """Write pictures of a photograph's statistics."""
    grain = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    image = Image.fromarray(grain).filter(ImageFilter.GaussianBlur(2))
    made = []
    for name, options in {
        "baseline.jpg": {"quality": 92},
        "progressive.jpg": {"quality": 92, "progressive": True},
        "plain.png": {"compress_level": 4},
    }.items():
        buffer = io.BytesIO()
        image.save(buffer, Path(name).suffix[1:].replace("jpg", "jpeg"), **options)
        (folder / name).write_bytes(buffer.getvalue())
        made.append(folder / name)
    return made


def reader(tree: Path, paths: list[Path]) -> subprocess.Popen[str]:
    """A process that reads all pictures once for each line it is sent."""
    others = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place != str(HERE)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tree), *others])}
    return subprocess.Popen(
        [sys.executable, "-c", ONCE, *map(str, paths)], env=environment, text=True, cwd=tree,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(Path(folder))
        processes = [reader(tree, paths) for tree in (HERE, Path(sys.argv[1]).resolve())]
        taken: list[list[list[float]]] = [[], []]
        for turn in range(rounds):
            for index in (0, 1) if turn % 2 else (1, 0):
                process = processes[index]
                print("go", file=process.stdin, flush=True)
                taken[index].append(json.loads(process.stdout.readline()))
        for process in processes:
            process.stdin.close()
            process.wait()
    for index, path in enumerate(paths):
        mine, other = (min(row[index] for row in rows) for rows in taken)
        print(f"{path.name:16} this {mine:6.3f} s  other {other:6.3f} s  ratio {mine / other:.3f}")


if __name__ == "__main__":
    main()
