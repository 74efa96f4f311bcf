"""Small photographs, quick settings, and single pictures made of them from the command line."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from flows.cli.app import run

ROOT = Path(__file__).resolve().parents[1]
# Two shallow layers, few pixels, two evaluations a stage: the walk is the real one, and takes a second.
QUICK = [
    "--weights", "untrained", "--size", "48", "--rounds", "1", "--global-iterations", "2",
    "--regional-iterations", "2", "--content-layers", "conv2_1=1", "--style-layers", "conv1_1=1",
    "--precision", "float32",
]  # fmt: skip
BLUE, RED = (0, 0, 255), (255, 0, 0)


def save_photograph(path, width=64, height=48, seed=0, **options):
    generator = np.random.default_rng(seed)
    ramp = np.linspace(30, 220, width)[None, :, None] * np.array([1.0, 0.8, 0.5])
    pixels = ramp + generator.normal(0, 20, (height, width, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, **options)
    return path


def save_map(path, width=64, height=48):
    colors = np.empty((height, width, 3), np.uint8)
    colors[:, : width // 2], colors[:, width // 2 :] = BLUE, RED
    Image.fromarray(colors).save(path)
    return path


def stylize(*arguments):
    return run(["stylize", *map(str, arguments)])


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def refused(capfd, before, name):
    """One line on stderr that names `name`; no file is new."""
    captured = capfd.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("pst: ")
    assert name in lines[0]
    assert "Traceback" not in captured.out + captured.err
    assert everything() == before
    return lines[0]


def everything():
    return {path: path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file()}


@contextlib.contextmanager
def begin(*arguments):
    """The program at work in a process of its own, which does not outlast a test that fails."""
    with subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
