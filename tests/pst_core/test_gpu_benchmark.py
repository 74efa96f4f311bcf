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


def _save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_every_part_has_its_figures(benchmark, data, capsys):
    found = benchmark.main(["--device", "cpu", "--quick", "--data", str(data)])
    *lines, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == found and set(found) == set(benchmark.PARTS)
    assert not any("failed" in part for part in found.values())
    assert {line.partition(" ")[0] for line in lines} == set(found)
    assert found["machine"]["matrix_teraflops"] > 0 and found["machine"]["cores"] >= 1
    small, larger = found["evaluations"]["64"], found["evaluations"]["96"]
    assert 1.5 < larger["teraflop"] / small["teraflop"] < 3.5  # as many pixels: 2.25 times
    for size in (small, larger):
        share = size["teraflop"] * size["without_graph"] / found["machine"]["matrix_teraflops"]
        assert size["share_without_graph"] == pytest.approx(share)
    for lanes in ("threads", "processes"):
        assert found["pairs"][lanes]["pairs"] == 2 and found["pairs"][lanes]["a_second"] > 0
    for kind in ("without_maps", "with_maps"):
        assert 0 < found["large"][kind]["after_stages"] < found["large"][kind]["seconds"]
    for precision in ("float32", "bfloat16"):
        assert found["equality"][precision]["most"] == 0  # the CPU's with the CPU's
    assert found["bits"] == {"same_again": True, "same_without_graphs": True, "captured": 0, "refused": 0} | {
        "took": found["bits"]["took"]
    }
    for preset in ("quality", "luan"):
        first, after = found["presets"][preset]["last_stage"]
        assert 0 < after < first and np.isfinite(first)


def test_a_part_that_fails_says_why_and_the_others_go_on(benchmark, data, capsys, monkeypatch):
    def large(run):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setitem(benchmark.PARTS, "large", large)
    found = benchmark.main(["--device", "cpu", "--quick", "--only", "large,machine", "--data", str(data)])
    assert found["large"]["failed"] == "RuntimeError: CUDA out of memory" and "failed" not in found["machine"]
    assert "large failed: RuntimeError: CUDA out of memory" in capsys.readouterr().out


def test_a_part_that_there_is_none_of_is_refused(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--only", "machine,speed"])
    assert "there is no part speed" in capsys.readouterr().err
