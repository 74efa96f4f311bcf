"""Single pictures: what is written, and what is refused."""

import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from picture_runs import QUICK, everything, pixels_of, refused, save_map, save_photograph, stylize
from PIL import Image
from pyarrow import parquet

from flows.cli.again import load_recipe
from pst_core.errors import ImageError
from pst_core.images.embedding import read_recipe
from pst_core.settings.config import Config

pytestmark = pytest.mark.usefixtures("own_place")


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


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "webp"])
def test_where_a_photograph_was_taken_goes_along_only_if_asked_for(pair, capfd, extension):
    exif = Image.Exif()
    exif[33432], exif[34853] = "(c) Ann", {1: "N", 2: (48.0, 8.0, 0.5)}
    save_photograph("content.png", exif=exif, dpi=(300, 300))
    for policy, kept in ((None, {33432}), ("all", {33432, 34853}), ("none", set())):
        chosen = [] if policy is None else ["--metadata", policy]
        assert stylize(*pair, "-o", f"x.{extension}", *QUICK, *chosen, "--overwrite") == 0
        with Image.open(f"x.{extension}") as image:
            assert set(image.getexif()) & {33432, 34853} == kept
    assert "left out" not in capfd.readouterr().err


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


# --- several styles


@pytest.fixture
def three(pair, tmp_path):
    """A pair with maps, and two more styles with theirs, of other shapes."""
    further = []
    for number, side in ((2, 48), (3, 64)):
        save_photograph(tmp_path / f"style{number}.png", side, 56, seed=number)
        save_map(tmp_path / f"map{number}.png", side, 56)
        further += ["--style", f"style{number}.png", "--style-map", f"map{number}.png"]
    return [*pair, *further]


def test_several_styles_are_mixed_and_named_with_their_shares(three):
    assert stylize(*three, "-o", "mixed.png", *QUICK, "--shares", "2,1,1") == 0
    report = json.loads(Path("mixed.json").read_text())
    assert report["shares"] == {"style": 0.5, "style_2": 0.25, "style_3": 0.25}
    assert report["inputs"]["style_3"]["name"] == "style3.png" and len(report["further_regions"]) == 2
    assert read_recipe("mixed.png")["inputs"]["style_2_map"]["name"] == "map2.png"
    assert stylize("--from", "mixed.png", "-o", "again.png", "--quiet") == 0
    assert np.array_equal(pixels_of("mixed.png"), pixels_of("again.png"))
    Path("style3.png").rename("moved.png")
    with pytest.raises(ImageError, match=r"'style3\.png' of mixed\.png .*, STYLE and every --style\.$"):
        load_recipe(Path("mixed.png")).paths({})
    Path("moved.png").rename("style3.png")
    named = [*three[:1], "--style", three[1], *three[2:]]
    assert stylize(*named, "-o", "named.png", *QUICK, "--shares", "2,1,1", "--quiet") == 0
    assert np.array_equal(pixels_of("mixed.png"), pixels_of("named.png"))
    assert stylize(*three, "-o", "alike.png", *QUICK, "--quiet") == 0
    assert not np.array_equal(pixels_of("mixed.png"), pixels_of("alike.png"))


@pytest.mark.parametrize(("further", "sentence"), [
    (["--shares", "0.7,0.3"], "The shares 0.7,0.3 are 2 and the styles 3: give a share for each style"),
    (["--shares", "1,nan,1"], "'shares' cannot be 'nan'"),
    (["--style", "style2.png", "--style", "style2.png"], "5 styles are too many to be mixed: give 4 at most"),
    (["--style", "style2.png"], "The further styles are 3 and their maps 2: give a map of each"),
    (["--style-term", "patches"], "Patches are taken from one style"),
])  # fmt: skip
def test_styles_and_shares_that_do_not_fit_are_refused(three, capfd, further, sentence):
    before = everything()
    assert stylize(*three, "-o", "mixed.png", *QUICK, *further) != 0
    refused(capfd, before, sentence)
