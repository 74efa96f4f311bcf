"""The script that measures on a GPU, on the CPU with small pictures: it runs, and its figures make sense."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "untrained")
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    spec = importlib.util.spec_from_file_location("gpu", FOLDER / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu", module)  # where dataclasses look for what they are made of
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path, landscape):
    """Two pairs in the layout of Luan et al.'s, sky above ground."""
    for folder, side in (("input", "in"), ("style", "tar")):
        for number in (4, 16):
            picture, labels = landscape(48, 64, (90, 140, 220), (60, 110, 40), 0.4, seed=number)
            _save(tmp_path / folder / f"{side}{number}.png", picture)
            _save(tmp_path / "segmentation" / f"{side}{number}.png", labels)
    return tmp_path
