"""Small batches for tests and trials: folders that take seconds, run in other processes, and compared."""

import pst_core  # noqa: F401  # isort: skip - how threads wait is said before what has them is loaded

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from pst_core.settings.overrides import NONE, Overrides

ROOT = Path(__file__).resolve().parents[1]
FINAL = ("result.png", "report.json", "losses.parquet", "losses.png", "regions.png")
# A network of two blocks at a thumbnail's size: every kind of step, in a second or two a pair.
QUICK = {
    "weights": "untrained", "size": 40, "rounds": 2, "global_iterations": 3, "regional_iterations": 3,
    "content_layers": {"conv2_2": 1.0}, "style_layers": {"conv1_1": 0.5, "conv2_1": 0.5},
}  # fmt: skip

PST = (sys.executable, "-c", "from flows.cli.app import main; main()")
# What notes every unit of work as it begins and as it is kept, in any process that is started with it.
STAND_INS = ROOT / "tests" / "standins"


def overrides_of(settings):
    """Settings as a form has them."""
    return Overrides(**{name: NONE if value is None else value for name, value in settings.items()})


def make_folder(folder: Path, pairs: int, *, height: int = 60, width: int = 80, seed: int = 5) -> Path:
    """Pairs of small photographs with maps, in the project's own layout."""
    rng = np.random.default_rng(seed)
    for index in range(pairs):
        horizon = height // 3 + index % (height // 3)
        for role, shade in (("content", 90), ("style", 170)):
            base = np.linspace(shade - 60, shade + 60, height)[:, None, None] + rng.normal(
                0, 9, (height, width, 3)
            )
            base[horizon:, :, index % 3] += 45
            semantic = np.zeros((height, width, 3), np.uint8)
            semantic[:horizon], semantic[horizon:] = (0, 0, 255), (0, 255, 0)
            for sub, pixels in ((role, base.clip(0, 255).astype(np.uint8)), (f"{role}_maps", semantic)):
                place = folder / sub / f"p{index}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place)
    return folder


def settings_file(folder: Path, **changes: object) -> Path:
    """The quick settings as a file for ``--settings``."""

    def text(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{name} = {number}" for name, number in value.items()) + "}"
        return json.dumps(value)

    path = folder / "quick.toml"
    path.write_text("".join(f"{name} = {text(value)}\n" for name, value in (QUICK | changes).items()))
    return path


def start_run(arguments: list[str], home: Path, log: Path, **environment: str) -> "subprocess.Popen[str]":
    """Start `pst` with the arguments in a process of its own that notes its units of work."""
    variables = os.environ | {
        "PST_HOME": str(home), "PST_TEST_LOG": str(log), "PYTHONPATH": f"{STAND_INS}:{ROOT}",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    } | environment  # fmt: skip
    return subprocess.Popen(
        [*PST, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finals(out: Path) -> dict[str, str]:
    """Hash of every final file of a batch, by its place in the folder."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in FINAL
        for path in sorted(out.rglob(name))
    }


def units(log: Path, event: str = "begun") -> list[str]:
    """Units of work in the order in which they began, or were kept: key and, of one that began, name."""
    told = [line.split(" ", 3)[2:] for line in log.read_text().splitlines()] if log.exists() else []
    return [unit for kind, unit in told if kind == event]


def repeats(log: Path) -> int:
    """How many units of work began more than once, each further time counted."""
    return sum(count - 1 for count in Counter(units(log)).values())


def begun_again(log: Path) -> list[str]:
    """Units of work that began although they had been kept before: finished work that was done again."""
    kept, again = set(), []
    for line in log.read_text().splitlines() if log.exists() else ():
        _, _, event, key, name = line.split(" ", 4)
        if event == "kept":
            kept.add(key)
        elif key in kept:
            again.append(name)
    return again
