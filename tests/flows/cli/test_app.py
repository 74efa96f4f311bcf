"""The command line: what it writes, what it refuses, and how it ends."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pyarrow import parquet

from flows.cli import app as cli
from pst_core.images.embedding import read_recipe
from pst_core.settings.config import Config

ROOT = Path(__file__).resolve().parent.parent
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


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Pictures this small gain nothing from threads, which on a busy machine wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def pair(tmp_path):
    save_photograph(tmp_path / "content.png")
    save_photograph(tmp_path / "style.png", 56, 56, seed=1)
    save_map(tmp_path / "content_map.png")
    save_map(tmp_path / "style_map.png", 56, 56)
    return ["content.png", "style.png", "--content-map", "content_map.png", "--style-map", "style_map.png"]


def stylize(*arguments):
    return cli.run(["stylize", *map(str, arguments)])


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


# --- what is written


def test_result_report_losses_and_recipe_are_written(pair, capfd):
    assert stylize(*pair, "-o", "out/result.png", *QUICK) == 0
    captured = capfd.readouterr()
    assert captured.out == "out/result.png\n"
    assert "untrained network" in captured.err
    report = json.loads(Path("out/result.json").read_text())
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "result.json", "result.losses.parquet", "result.png",
    ]  # fmt: skip
    assert set(report["settings"]) == set(Config.model_fields)
    assert report["settings"]["size"] == 48
    assert report["regions"]["count"] == 2
    assert report["weights"]["trained"] is False
    assert [stage["evaluations"] for stage in report["losses"]] == [2, 2]
    assert len(parquet.read_table("out/result.losses.parquet")) == 4
    recipe = read_recipe("out/result.png")
    assert recipe["inputs"]["content"]["path"] == "content.png"
    assert recipe["inputs"]["content"]["beside"] == "../content.png"
    assert {key: report[key] for key in recipe if key != "inputs"} == {
        key: recipe[key] for key in recipe if key != "inputs"
    }


def test_equal_runs_give_equal_bytes_and_the_recipe_names_no_place_of_this_machine(pair, tmp_path):
    here = [str(tmp_path / part) if part.endswith(".png") else part for part in pair]
    for name in ("a.png", "b.png"):
        assert stylize(*here, "-o", tmp_path / name, *QUICK, "--quiet") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert str(tmp_path) not in json.dumps(read_recipe("a.png"))


def test_recipe_and_report_can_be_left_out(pair):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--no-recipe", "--no-report") == 0
    assert read_recipe("result.png") is None
    assert not Path("result.json").exists()


def test_quiet_prints_nothing(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_json_prints_an_event_a_line_and_the_report_last(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--json") == 0
    captured = capfd.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert captured.err == ""
    kinds = [event["event"] for event in events]
    assert (kinds[0], {*kinds[1:-1]}, kinds[-1]) == ("start", {"progress"}, "report")
    assert (
        events[0]["evaluations"] == 4 <= len(events) - 2
    )  # more where a stage began again, at a smaller step
    assert events[-2]["share_done"] == 1
    assert events[-1]["output"] == "result.png"


@pytest.mark.parametrize("name", ["result.jpg", "result.webp", "result.tif"])
def test_other_formats_carry_the_recipe_too(pair, name):
    assert stylize(*pair, "-o", name, *QUICK, "--quiet") == 0
    assert read_recipe(name)["settings"]["rounds"] == 1


def test_depth_is_the_contents_where_the_format_can(pair):
    tifffile.imwrite(
        "deep.tif", np.random.default_rng(0).integers(0, 65536, (48, 64, 3), np.uint16), photometric="rgb"
    )
    assert stylize("deep.tif", "style.png", "-o", "deep_result.tif", *QUICK, "--regions", "1") == 0
    assert tifffile.imread("deep_result.tif").dtype == np.uint16
    assert stylize("deep.tif", "style.png", "-o", "result.jpg", *QUICK, "--regions", "1") == 0


def test_transparency_that_the_format_cannot_hold_is_noted(pair, capfd):
    with Image.open("content.png") as photograph:
        photograph.putalpha(128)
        photograph.save("clear.png")
    inputs = ["clear.png", *pair[1:]]
    assert stylize(*inputs, "-o", "result.jpg", *QUICK) == 0
    assert "transparency" in capfd.readouterr().err + "".join(
        json.loads(Path("result.json").read_text())["notes"]
    )
    assert stylize(*inputs, "-o", "kept.png", *QUICK) == 0
    assert pixels_of("kept.png").shape[2] == 4
    assert "transparency" not in "".join(json.loads(Path("kept.json").read_text())["notes"])


def test_start_picture_is_used_and_recorded(pair):
    save_photograph(Path("start.png"), seed=5)
    assert stylize(*pair, "-o", "plain.png", *QUICK) == 0
    assert stylize(*pair, "-o", "started.png", *QUICK, "--start", "start.png") == 0
    assert (pixels_of("plain.png") != pixels_of("started.png")).any()
    assert stylize("--from", "started.png") == 0
    assert (pixels_of("started-again.png") == pixels_of("started.png")).all()


def test_overwrite_replaces_picture_and_report(pair):
    for seed in ("1", "2"):
        assert stylize(*pair, "-o", "result.png", *QUICK, "--overwrite", "--seed", seed) == 0
    assert json.loads(Path("result.json").read_text())["settings"]["seed"] == 2


# --- made again


@pytest.mark.parametrize("source", ["result.png", "result.json"])
def test_result_is_made_again_to_the_bit(pair, source, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--init", "random", "--seed", "7") == 0
    capfd.readouterr()
    assert stylize("--from", source) == 0
    assert capfd.readouterr().out == "result-again.png\n"
    assert (pixels_of("result-again.png") == pixels_of("result.png")).all()
    assert stylize("--from", source, "--quiet") == 0
    assert Path("result-again-2.png").exists()


def test_jpeg_is_made_again_from_its_own_recipe(pair):
    assert stylize(*pair, "-o", "result.jpg", *QUICK, "--no-report") == 0
    assert stylize("--from", "result.jpg", "--no-report") == 0
    assert Path("result-again.jpg").read_bytes() == Path("result.jpg").read_bytes()


def test_made_again_with_other_settings_from_another_folder(pair, tmp_path, monkeypatch):
    assert stylize(*pair, "-o", "result.png", *QUICK) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("PST_SIZE", "32")  # today's environment has no part in yesterday's result
    assert stylize("--from", "../result.png", "--seed", "3", "-o", "other.png") == 0
    settings = json.loads(Path("other.json").read_text())["settings"]
    assert (settings["seed"], settings["size"]) == (3, 48)


def test_made_again_refuses_an_input_that_changed(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    kept = Path("style.png").read_bytes()
    save_photograph(Path("style.png"), 56, 56, seed=9)
    before = everything()
    assert stylize("--from", "result.png") == 1
    assert "sha256" in refused(capfd, before, "style.png")
    Path("style.png").unlink()
    before = everything()
    assert stylize("--from", "result.png") == 1
    assert "CONTENT and STYLE" in refused(capfd, before, "style.png")
    Path("moved.png").write_bytes(kept)
    assert stylize("--from", "result.png", "content.png", "moved.png", "--quiet") == 0
    before = everything()
    assert stylize("--from", "result.png", "content.png", "content_map.png") == 1
    refused(capfd, before, "content_map.png")


def test_made_again_refuses_other_weights_and_a_picture_without_recipe(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    for part in ("result.json",):
        recipe = json.loads(Path(part).read_text())
        recipe["weights"]["sha256"] = "0" * 64
        Path("forged.json").write_text(json.dumps(recipe))
    before = everything()
    assert stylize("--from", "forged.json") == 1
    assert "--weights" in refused(capfd, before, "0" * 64)
    assert stylize("--from", "content.png") == 1
    refused(capfd, before, "content.png")


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"inputs": {}}, {"program": "x"}, {"weights": {"name": 3}}]
)
def test_made_again_refuses_a_damaged_recipe(pair, capfd, change):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    recipe = json.loads(Path("result.json").read_text()) | change
    Path("forged.json").write_text(json.dumps(recipe))
    before = everything()
    assert stylize("--from", "forged.json", "-o", "new.png") == 1
    refused(capfd, before, "forged.json")


# --- settings


def settings_used(pair, *arguments):
    assert stylize(*pair, "-o", "s.png", "--overwrite", "--quiet", *QUICK, *arguments) == 0
    return json.loads(Path("s.json").read_text())


def test_command_line_over_environment_over_file_over_preset(pair, monkeypatch):
    Path("s.toml").write_text('preset = "quality"\nfilter-radius = 5\nhistory = 5\nstep = 0.5\nseed = 5\n')
    monkeypatch.setenv("PST_HISTORY", "6")
    monkeypatch.setenv("PST_SEED", "6")
    report = settings_used(pair, "--settings", "s.toml", "--seed", "7")
    used = report["settings"]
    assert report["preset"] == "quality"
    assert [used[name] for name in ("seed", "history", "step", "filter_radius", "scales")] == [
        7,
        6,
        0.5,
        5,
        2,
    ]
    monkeypatch.setenv("PST_PRESET", "fast")
    assert settings_used(pair, "--settings", "s.toml")["preset"] == "fast"
    assert settings_used(pair, "--settings", "s.toml", "--preset", "default")["preset"] == "default"


def test_every_field_has_an_option_with_its_own_words(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    cli.run(["stylize", "--help"])
    text = capfd.readouterr().out
    for name in Config.model_fields:
        assert f"--{name.replace('_', '-')} " in text
    assert "Long side" in text or "long side" in text


def test_size_none_is_the_contents_and_layers_may_be_repeated(pair):
    layers = ["--no-report", "--no-recipe"]
    assert stylize(*pair, "-o", "n.png", *QUICK[:2], *QUICK[4:], "--size", "none", "--quiet", *layers) == 0
    used = settings_used(pair)["settings"]
    assert used["content_layers"] == {"conv2_1": 1.0}


# --- what is refused

PAIR = ["content.png", "style.png"]
BAD = {
    "missing": (lambda: None, ["gone.png", "style.png"], "gone.png"),
    "zero bytes": (lambda: Path("bad.png").write_bytes(b""), ["bad.png", "style.png"], "bad.png"),
    "truncated": (
        lambda: Path("bad.png").write_bytes(Path("content.png").read_bytes()[:2000]),
        ["content.png", "bad.png"],
        "bad.png",
    ),
    "tiny": (lambda: save_photograph(Path("bad.png"), 4, 4), ["bad.png", "style.png"], "bad.png"),
    "folder": (lambda: Path("bad.png").mkdir(), ["bad.png", "style.png"], "bad.png"),
    "map of another shape": (
        lambda: save_map(Path("bad.png"), 64, 20),
        [*PAIR, "--content-map", "bad.png", "--style-map", "style_map.png"],
        "bad.png",
    ),
    "one map": (lambda: None, [*PAIR, "--content-map", "content_map.png"], "style map"),
    "value out of range": (lambda: None, [*PAIR, "--filter-radius", "0"], "filter_radius"),
    "value of no kind": (lambda: None, [*PAIR, "--step", "much"], "step"),
    "value not offered": (lambda: None, [*PAIR, "--gram", "x"], "--gram"),
    "layer": (lambda: None, [*PAIR, "--style-layers", "conv9_9=1"], "style_layers"),
    "layer without weight": (lambda: None, [*PAIR, "--style-layers", "conv1_1"], "style_layers"),
    "preset": (lambda: None, [*PAIR, "--preset", "best"], "best"),
    "option": (lambda: None, [*PAIR, "--sise", "3"], "--sise"),
    "one photograph": (lambda: None, ["content.png"], "CONTENT STYLE"),
    "three photographs": (lambda: None, [*PAIR, "third.png"], "third.png"),
    "weights missing": (lambda: None, [*PAIR, "--weights", "gone.pth"], "gone.pth"),
    "settings missing": (lambda: None, [*PAIR, "--settings", "gone.toml"], "gone.toml"),
    "settings broken": (
        lambda: Path("bad.toml").write_text("size = = 3"),
        [*PAIR, "--settings", "bad.toml"],
        "bad.toml",
    ),
    "setting in file": (
        lambda: Path("bad.toml").write_text("sise = 3"),
        [*PAIR, "--settings", "bad.toml"],
        "bad.toml",
    ),
    "start of another shape": (
        lambda: save_photograph(Path("bad.png"), 64, 20),
        [*PAIR, "--start", "bad.png"],
        "bad.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(pair, capfd, case):
    prepare, arguments, name = BAD[case]
    prepare()
    quick = QUICK if "--weights" not in arguments else QUICK[2:]
    if "--style-layers" in arguments:
        quick = [part for part in QUICK if part not in ("--style-layers", "conv1_1=1")]
    before = everything()
    assert stylize(*arguments, "-o", "out/result.png", *quick) == 1
    refused(capfd, before, name)
    assert not Path("out").exists() or not list(Path("out").iterdir())


class Code:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("kind", ["pickle", "misshapen", "garbage"])
def test_bad_weights_are_refused_and_nothing_in_them_runs(pair, capfd, kind):
    import torch

    weights = Path("bad.pth")
    if kind == "pickle":
        torch.save({"features.0.weight": Code()}, weights)
    elif kind == "misshapen":
        torch.save({"features.0.weight": torch.zeros(2, 2), "features.0.bias": torch.zeros(2)}, weights)
    else:
        weights.write_bytes(pickle.dumps([1]) + b"garbage")
    before = everything()
    assert stylize(*pair, "-o", "result.png", *QUICK[2:], "--weights", "bad.pth") == 1
    refused(capfd, before, "bad.pth")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("output", "more", "name"),
    [
        ("content.png", [], "content.png"),
        ("content.png", ["--overwrite"], "content.png"),
        ("link.png", ["--overwrite"], "link.png"),
        ("there.png", [], "there.png"),
        ("reported.png", [], "reported.json"),
        ("reported.png", ["--overwrite"], "reported.json"),
        ("result.gif", [], "result.gif"),
        ("result.jpg", ["--bit-depth", "16"], "result.jpg"),
        ("folder.png", ["--overwrite"], "folder.png"),
        ("content.png/result.png", [], "content.png"),
    ],
)
def test_output_that_would_do_harm_is_refused(pair, capfd, output, more, name):
    Path("link.png").hardlink_to("style.png")
    Path("there.png").write_bytes(b"precious")
    Path("reported.json").write_text('{"name": "another program\'s"}')
    Path("folder.png").mkdir()
    before = everything()
    assert stylize(*pair, "-o", output, *QUICK, *more) == 1
    refused(capfd, before, name)


def test_no_output_named(pair, capfd):
    before = everything()
    assert stylize(*pair, *QUICK) == 1
    refused(capfd, before, "--output")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written(pair, capfd):
    Path("locked").mkdir(mode=0o555)
    before = everything()
    assert stylize(*pair, "-o", "locked/result.png", *QUICK) == 1
    refused(capfd, before, "locked")


def test_pseudo_folder_that_cannot_be_written(pair, capfd):
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    before = everything()
    assert stylize(*pair, "-o", "/proc/nowhere/result.png", *QUICK) == 1
    refused(capfd, before, "/proc/nowhere")


def test_full_disk_leaves_nothing(pair, capfd, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        before = everything()
        assert stylize(*pair, "-o", "small/result.png", *QUICK, "--quiet") == 1
        assert "full" in refused(capfd, before, "small/result")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_error_is_an_event_in_json(capfd):
    assert stylize("gone.png", "gone.png", "-o", "x.png", "--json") == 1
    assert json.loads(capfd.readouterr().out)["event"] == "error"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MemoryError(), 1, "--size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "--size"),
        (OSError(28, "No space left on device", "x.png"), 1, "x.png"),
        (ImportError("libGL.so.1: cannot open shared object file"), 1, "libgl1"),
        (ZeroDivisionError("two\nlines"), 1, "PST_DEBUG=1"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_end_is_one_sentence(pair, capfd, monkeypatch, error, status, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("pst_core.pipeline.stylize.stylize", fail)
    before = everything()
    assert stylize(*pair, "-o", "result.png", *QUICK) == status
    assert words in refused(capfd, before, "")


# --- in a process of its own


def begin(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_whole_program(pair):
    with begin("stylize", *pair, "-o", "result.png", *QUICK) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "result.png\n"), err
    assert "Warning" not in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_it_with_nothing_half_written(pair, number, status):
    endless = [part.replace("2", "100000") if part == "2" else part for part in QUICK]
    with begin("stylize", *pair, "-o", "out/result.png", *endless, "--json") as process:
        events = [json.loads(process.stdout.readline())["event"] for _ in range(2)]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert events == ["start", "progress"]
    assert process.returncode == status
    assert err.startswith("pst: ")
    assert len(err.splitlines()) == 1
    assert not list(Path("out").iterdir())


@pytest.mark.parametrize("arguments", [["--help"], ["stylize", "--help"], ["presets"]])
def test_help_does_not_load_the_engine(arguments):
    program = (
        "import sys\nfrom flows.cli.app import run\n"
        f"status = run({arguments!r})\n"
        "heavy = {'torch', 'pst_core.pipeline.steps', 'cv2', 'numpy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- the other commands


def test_presets_are_listed(capfd):
    assert cli.run(["presets"]) == 0
    assert "size = none (default: 192)" in capfd.readouterr().out


def test_doctor_says_what_is_there_and_what_is_missing(capfd, monkeypatch):
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "gone.safetensors")
    assert cli.run(["doctor", "--json"]) == 1
    answer = json.loads(capfd.readouterr().out)
    states = {finding["name"]: finding["state"] for finding in answer["findings"]}
    assert answer["able"] is False
    assert (states["VGG-19 weights"], states["libraries"]) == ("missing", "ok")
    assert cli.run(["doctor"]) == 1
    assert "MISSING  VGG-19 weights" in capfd.readouterr().out


def test_doctor_names_the_quality_models_or_what_is_wrong_with_them(capfd, monkeypatch, tmp_path):
    def finding():
        cli.run(["doctor", "--json"])
        found = json.loads(capfd.readouterr().out)["findings"]
        return next(each for each in found if each["name"] == "quality models")

    assert finding()["state"] == "ok" and "NIQE by " in finding()["text"]
    (tmp_path / "niqe.json").write_text("{}")
    monkeypatch.setenv("PST_QUALITY_MODELS", str(tmp_path))
    assert finding()["state"] == "missing" and "niqe.json" in finding()["text"]
