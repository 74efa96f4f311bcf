import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import pst_core
from pst_core.errors import ConfigError, DivergenceError, ImageError, MapError
from pst_core.images.reading import read_map, read_photograph
from pst_core.network.weights import load_weights
from pst_core.pipeline import steps
from pst_core.pipeline.stylize import Result, stylize
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.settings.config import PRESETS, Config

DAY = {"sky": (110, 160, 225), "ground": (70, 110, 40)}
DUSK = {"sky": (215, 120, 70), "ground": (45, 35, 60)}
QUICK = Config(
    weights="untrained", device="cpu", precision="float32", size=48, rounds=1,
    global_iterations=3, regional_iterations=3,
    content_layers={"conv2_2": 1.0}, style_layers={"conv1_1": 0.5, "conv2_1": 0.5},
)  # fmt: skip


def quick(**settings):
    return Config(**(QUICK.model_dump() | settings))


@pytest.fixture
def scene(landscape):
    """Content, style and their maps; the content is larger than the working size."""
    content, content_map = landscape(72, 96, **DAY, seed=1)
    style, style_map = landscape(60, 80, **DUSK, horizon=0.6, seed=2)
    return content, style, content_map, style_map


def check(result, shape=(3, 72, 96)):
    assert result.image.shape == shape and result.image.dtype == np.float32
    assert np.isfinite(result.image).all() and result.image.min() >= 0 and result.image.max() <= 1


def test_the_sky_takes_the_skys_colour_and_the_ground_the_grounds(scene):
    result = stylize(*scene, QUICK)
    check(result)
    before = np.moveaxis(scene[0], -1, 0) / 255
    wanted = np.moveaxis(scene[1], -1, 0) / 255
    labels = result.regions.content, result.regions.style
    here = color_distance(before, wanted, *labels, matched=result.regions.matched)
    there = color_distance(result.image, wanted, *labels, matched=result.regions.matched)
    assert there < 0.2 * here
    assert structural_similarity(result.image, before) > 0.5
    assert np.abs(result.image[:, :30].mean(axis=(1, 2)) - wanted[:, :30].mean(axis=(1, 2))).max() < 0.05


def test_the_default_layers_run_and_without_maps_too(scene, landscape):
    config = quick(size=40, content_layers={"conv4_2": 1.0}, style_layers=Config().style_layers)
    result = stylize(*scene[:2], config=config)
    check(result)
    assert result.regions.source == "cluster" and result.regions.count >= 2


STRIPS = [(33, 700), (700, 33)]  # beyond 20 : 1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("height", "width"), STRIPS)
def test_a_strip_keeps_as_many_pixels_across_as_the_network_needs(preset, height, width, landscape):
    settings = {"rounds": 1, "global_iterations": 1, "regional_iterations": 1}
    config = Config.make(preset, weights="untrained", device="cpu", **settings)
    result = stylize(
        landscape(height, width, **DAY)[0], landscape(60, 80, **DUSK, horizon=0.6)[0], config=config
    )
    check(result, (3, height, width))
    assert len(result.trace) == 2


@pytest.mark.parametrize(("height", "width"), STRIPS)
def test_a_strip_is_a_style_too_and_has_room_for_patches(height, width, landscape):
    style = landscape(height, width, **DUSK)[0]
    settings = {"rounds": 1, "scales": 1, "global_iterations": 1, "regional_iterations": 1, "size": 64}
    for method in ("yang", "champandard"):
        config = Config.make(method=method, weights="untrained", device="cpu", **settings)
        check(stylize(landscape(72, 96, **DAY)[0], style, config=config))


def test_the_library_is_what_the_package_offers():
    assert pst_core.stylize is stylize and pst_core.Result is Result


def test_the_same_seed_gives_the_same_bits(scene):
    for settings in ({}, {"init": "random"}):
        first, second = (stylize(*scene, quick(**settings)) for _ in range(2))
        assert np.array_equal(first.image, second.image)
        assert first.trace == second.trace


def test_a_random_start_depends_on_the_seed_and_nothing_else_does(scene):
    first, second = (stylize(*scene, quick(init="random", seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first.image, second.image)
    assert first.trace[0].evaluations[0].total != second.trace[0].evaluations[0].total
    first, second = (stylize(*scene, quick(seed=seed)) for seed in (0, 1))
    assert np.array_equal(first.image, second.image)


def test_nobody_elses_random_numbers_are_touched(scene):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    stylize(*scene, quick(init="random"))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("name", ["guided", "gaussian", "highpass", "tv", "none"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_every_filter_with_every_optimiser(scene, name, optimizer):
    result = stylize(*scene, quick(filter=name, optimizer=optimizer))
    check(result)
    for stage in result.trace:
        totals = [record.total for record in stage.evaluations]
        assert len(totals) == 3 and all(map(math.isfinite, totals))
        assert min(totals[1:]) < totals[0]


@pytest.mark.parametrize("settings", [
    {"gram": "paper", "layer_scale": "none", "style_weight": 1.0},
    {"init": "content"},
    {"init": "random"},
    {"precision": "bfloat16"},
    {"upsampling": "bicubic"},
    {"size": None},
    {"detail": 0.0, "color_match": 0.5},
    {"rounds": 2, "global_iterations": 0},
    {"regions": 1},
])  # fmt: skip
def test_settings_run(scene, settings):
    check(stylize(*scene, quick(**settings)))


def test_working_at_full_size(scene):
    result = stylize(*scene, quick(size=None))
    assert {stage.stage.size for stage in result.trace} == {96}


def test_coarse_to_fine(scene):
    result = stylize(*scene, quick(size=80, scales=2, rounds=2))
    check(result)
    assert [(t.stage.size, t.stage.kind) for t in result.trace] == [
        (40, "global"), (40, "regional"), (80, "global"), (80, "regional"),
    ]  # fmt: skip


def test_no_rounds_leave_the_colour_transfer_alone(scene):
    result = stylize(*scene, quick(rounds=0))
    check(result)
    assert result.trace == ()
    start = stylize(
        *scene, quick(rounds=0, init="content", color_match=0.0, detail=0.0, upsampling_epsilon=1e-6)
    )
    np.testing.assert_allclose(start.image, np.moveaxis(scene[0], -1, 0) / 255, atol=0.02)
    assert start.color_match == 0
    assert np.abs(result.image - start.image).mean() > 0.1


def test_the_callback_gets_every_evaluation_in_order(scene):
    seen = []
    result = stylize(*scene, quick(rounds=2), callback=lambda *told: seen.append(told))
    walked = [(trace.stage, evaluation) for trace in result.trace for evaluation in trace.evaluations]
    assert seen == walked and len(seen) == 12
    assert [trace.stage.name for trace in result.trace] == [
        "round 1 global", "round 1 regional", "round 2 global", "round 2 regional",
    ]  # fmt: skip


def test_a_callback_changes_nothing(scene):
    told = stylize(*scene, QUICK, callback=lambda *_: None)
    assert np.array_equal(stylize(*scene, QUICK).image, told.image)


def test_what_a_result_says_about_itself(scene):
    result = stylize(*scene, QUICK)
    assert any("untrained network" in note for note in result.notes)
    assert result.config == QUICK and not result.weights.trained
    assert result.device.startswith("cpu") and result.dtype == "float32"
    assert 0 <= result.color_match <= 1 and result.peak_memory > 1e7
    assert {"read", "encoder", "regions", "targets", "round 1 global", "finish"} <= set(result.seconds)
    assert sorted(result.inputs.hashes) == ["content", "content_map", "style", "style_map"]


def test_content_that_is_its_own_style_stays_nearly_as_it_is(scene):
    content, _, content_map, _ = scene
    result = stylize(content, content, content_map, content_map, quick(upsampling_epsilon=1e-6))
    before = np.moveaxis(content, -1, 0) / 255
    assert np.abs(result.image - before).mean() < 0.02
    assert structural_similarity(result.image, before) > 0.9
    moved = stylize(*scene, QUICK)
    assert np.abs(moved.image - before).mean() > 0.1


def unmatched_scene(scene):
    """A block in the content that the style has nothing for."""
    content, style, content_map, style_map = (part.copy() for part in scene)
    content_map[10:60, 50:90] = (255, 0, 0)
    content[10:60, 50:90] = np.clip(content[10:60, 50:90] // 2 + np.array([90, 20, 60]), 0, 255)
    return content, style, content_map, style_map


@pytest.mark.parametrize(
    "settings", [{}, {"init": "random"}, {"filter": "gaussian"}, {"scales": 2, "rounds": 2, "size": 80}]
)
def test_a_region_that_is_to_be_left_keeps_its_content(scene, settings):
    content, style, content_map, style_map = unmatched_scene(scene)
    arguments = content, style, content_map, style_map
    before = np.moveaxis(content, -1, 0) / 255
    inside, outside = np.s_[:, 24:46, 64:76], np.s_[:, 5:30, 5:35]
    settings = {"upsampling_epsilon": 1e-6} | settings
    left = stylize(*arguments, quick(unmatched="leave", **settings))
    assert np.abs(left.image[inside] - before[inside]).mean() < 0.02
    assert np.abs(left.image[outside] - before[outside]).mean() > 0.1
    moved = stylize(*arguments, quick(**settings))
    assert np.abs(moved.image[inside] - before[inside]).mean() > 0.05
    for result in (left, moved):
        assert any("no counterpart in the style" in note for note in result.notes)
    assert any("keeps its content" in note for note in left.notes)
    assert any("takes the whole style's look" in note for note in moved.notes)


def test_a_given_start_is_where_the_first_stage_starts(scene, monkeypatch):
    starts = []
    run = steps.run_stage

    def watch(image, *arguments):
        starts.append(image.clone())
        return run(image, *arguments)

    monkeypatch.setattr(steps, "run_stage", watch)
    given = np.random.default_rng(0).integers(0, 256, (36, 48, 3), dtype=np.uint8)
    stylize(*scene, QUICK, start=given)
    np.testing.assert_allclose(starts[0].numpy(), np.moveaxis(given, -1, 0) / 255, atol=1e-6)
    with pytest.raises(ImageError, match=r"start image .* is 48x48 pixels, .*another shape"):
        stylize(*scene, QUICK, start=np.zeros((48, 48, 3), np.uint8))


def test_each_stage_starts_from_the_filtered_result_of_the_one_before(scene, monkeypatch):
    starts, ends = [], []
    run, smooth = steps.run_stage, steps.filter_stage

    def watch_start(image, *arguments):
        starts.append(image.clone())
        return run(image, *arguments)

    def watch_end(*arguments):
        ends.append(smooth(*arguments))
        return ends[-1]

    monkeypatch.setattr(steps, "run_stage", watch_start)
    monkeypatch.setattr(steps, "filter_stage", watch_end)
    stylize(*scene, quick(rounds=2))
    assert len(starts) == len(ends) == 4
    assert all(torch.equal(start, end) for start, end in zip(starts[1:], ends, strict=False))


def test_files_and_arrays_give_the_same_result(scene, tmp_path):
    names = ["content.png", "style.png", "content_map.png", "style_map.png"]
    paths = [tmp_path / name for name in names]
    for path, array in zip(paths, scene, strict=True):
        Image.fromarray(array).save(path)
    by_array = stylize(*scene, QUICK)
    by_path = stylize(*map(str, paths), QUICK)
    read = stylize(*map(read_photograph, paths[:2]), *map(read_map, paths[2:]), QUICK)
    assert np.array_equal(by_array.image, by_path.image) and np.array_equal(by_array.image, read.image)


def test_inputs_are_not_changed(scene):
    before = [part.copy() for part in scene]
    stylize(*scene, quick(size=None, rounds=1))
    assert all(np.array_equal(*pair) for pair in zip(scene, before, strict=True))


def test_map_errors(scene):
    content, style, content_map, style_map = scene
    with pytest.raises(MapError, match="A content map was given without a style map"):
        stylize(content, style, content_map, None, QUICK)
    with pytest.raises(MapError, match="A style map was given without a content map"):
        stylize(content, style, None, style_map, QUICK)
    with pytest.raises(MapError, match=r"\(style map array\) is 96x60 pixels, but \(style array\) is 80x60"):
        stylize(content, style, content_map, content_map[:60], QUICK)
    with pytest.raises(MapError, match="single colour"):
        stylize(content, style, content_map, np.zeros_like(style_map), QUICK)
    with pytest.raises(MapError, match="7 regions were asked for"):
        stylize(*scene, quick(regions=7))


def test_a_map_of_half_the_size_is_scaled(scene):
    content, style, content_map, style_map = scene
    result = stylize(
        content, style, np.kron(content_map, np.ones((2, 2, 1), np.uint8)), style_map[::2, ::2], QUICK
    )
    check(result)
    assert [note for note in result.notes if "was scaled" in note] == [
        "(content map array) is 192x144 pixels and was scaled to (content array)'s 96x72.",
        "(style map array) is 40x30 pixels and was scaled to (style array)'s 80x60.",
    ]
    np.testing.assert_array_equal(result.regions.content, stylize(*scene, QUICK).regions.content)


def test_a_map_one_pixel_off_is_said(scene):
    content, style, content_map, style_map = scene
    result = stylize(content, style, content_map[:-1], style_map, QUICK)
    check(result)
    assert any("it was resized" in note for note in result.notes)


def test_a_device_that_is_not_there_is_refused(scene, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(
        ConfigError, match="This machine has no device 'cuda:5': use --device auto or --device cpu"
    ):
        stylize(*scene, quick(device="cuda:5"))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no device 'mps'"):
        stylize(*scene, quick(device="mps"))


def test_divergence_names_its_stage(scene, monkeypatch):
    real = steps.regional_losses

    def broken(*arguments, **options):
        losses = real(*arguments, **options)
        return lambda image: losses(image * float("nan"))

    monkeypatch.setattr(steps, "regional_losses", broken)
    with pytest.raises(DivergenceError, match=r"^In round 1 regional: The optimisation diverged"):
        stylize(*scene, QUICK)


def test_with_the_stand_in_weights(scene, hybrid_weights):
    config = quick(
        weights=str(hybrid_weights), content_layers={"conv4_2": 1.0}, style_layers=Config().style_layers
    )
    result = stylize(*scene, config)
    check(result)
    assert result.weights.trained and not any("untrained" in note for note in result.notes)
    for trace in result.trace:
        assert min(record.total for record in trace.evaluations) < trace.evaluations[0].total


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_cpus_picture(scene):
    here, there = (stylize(*scene, quick(device=device)) for device in ("cpu", "cuda"))
    again = stylize(*scene, quick(device="cuda"))
    assert np.array_equal(there.image, again.image)
    assert np.abs(here.image - there.image).mean() < 5e-3


def test_heavy_libraries_that_a_pair_with_maps_does_not_need_are_not_loaded(scene, tmp_path):
    names = ("content.png", "style.png", "content-map.jpg", "style-map.jpg")  # blended maps take a clustering
    for name, pixels in zip(names, scene, strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    save_file(dict(load_weights("untrained", "conv2_2").state), tmp_path / "vgg19.safetensors")
    settings = QUICK.model_dump(mode="json") | {"weights": "vgg19.safetensors"}
    code = (
        "import json, sys; from pst_core import Config, stylize\n"
        "result = stylize(*sys.argv[2:], config=Config(**json.loads(sys.argv[1])))\n"
        "assert result.regions.source == 'maps' and result.weights.trained\n"
        "heavy = {'torchvision', 'transformers', 'sklearn', 'scipy.stats', 'pandas', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(pst_core.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings), *names],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr
