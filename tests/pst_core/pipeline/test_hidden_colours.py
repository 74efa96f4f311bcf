"""Colours under full transparency have no say: results are the same whatever they are."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from pst_core.images.input_files import InputFiles, probe
from pst_core.images.inputs import load_inputs
from pst_core.images.reading import read_photograph
from pst_core.images.transparency import fill
from pst_core.network.identity import Network
from pst_core.pipeline.stylize import stylize
from pst_core.quality.measures import MEASURES, take
from pst_core.quality.models import load_quality_models
from pst_core.quality.subject import Subject
from pst_core.regions.classes import Scores, regions_of_classes
from pst_core.regions.labels import NOWHERE
from pst_core.settings.config import Config
from pst_core.store import open_store
from tasks.pair import make_pair

HIDDEN = {"black": (0, 0, 0), "green": (0, 255, 0), "white": (255, 255, 255)}
SETTINGS = {
    "weights": "untrained", "device": "cpu", "precision": "float32", "size": 48, "rounds": 1,
    "global_iterations": 2, "regional_iterations": 2, "content_layers": {"conv2_2": 1.0},
    "style_layers": {"conv1_1": 0.5, "conv2_1": 0.5},
}  # fmt: skip
VARIANTS = {
    "default": {},
    "two sizes": {"scales": 2, "rounds": 2},
    "unmatched": {"unmatched": "leave"},
    "literal": {"gram": "paper", "layer_scale": "none", "init": "random", "color_match": 0.0, "detail": 0.0},
    "luminance": {"colors": "content"},
    "reinhard": {"init": "reinhard", "rounds": 0, "color_match": 0.0},
    "histogram": {"init": "histogram", "rounds": 0, "color_match": 0.0},
    "patches": {"style_term": "patches", "smoothness_weight": 1.0},
    "image terms": {"edge_weights": {"4": 1.0}, "matting_weight": 1.0, "filter": "highpass"},
    "bicubic": {"upsampling": "bicubic", "color_match": 0.7, "strength": 0.5},
}


def cut_out(opaque, hidden, place, visible=np.s_[14:58, 20:76]):
    """A photograph of which only a part is visible, with colours hidden around it."""
    samples = np.zeros((*opaque.shape[:2], 4), np.uint8)
    samples[..., :3] = hidden
    samples[visible][..., :3], samples[visible][..., 3] = opaque[visible], 255
    samples[visible][:4, ..., 3] = 90  # a border that can be seen, and does not count
    Image.fromarray(samples).save(place)
    return place


@pytest.fixture
def scene(landscape, tmp_path):
    """Opaque content and style, their maps, and the content and style with each of the hidden colours."""
    content, content_map = landscape(72, 96, (110, 160, 225), (70, 110, 40), seed=1)
    style, style_map = landscape(64, 90, (215, 120, 70), (45, 35, 60), horizon=0.6, seed=2)
    contents = {name: cut_out(content, color, tmp_path / f"c-{name}.png") for name, color in HIDDEN.items()}
    styles = {name: cut_out(style, color, tmp_path / f"s-{name}.png") for name, color in HIDDEN.items()}
    return content, style, (content_map, style_map), contents, styles


def run(content, style, maps=(None, None), **settings):
    return stylize(content, style, *maps, config=Config(**(SETTINGS | settings)))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("with_maps", [False, True])
def test_hidden_colours_of_content_and_style_change_no_bit_of_what_is_visible(name, with_maps, scene):
    _, _, maps, contents, styles = scene
    given = maps if with_maps else (None, None)
    results = [run(contents[each], styles[each], given, **VARIANTS[name]) for each in HIDDEN]
    visible = results[0].inputs.content.alpha > 0
    for each in results:
        assert np.array_equal(each.image[:, visible], results[0].image[:, visible])
        assert each.trace == results[0].trace and each.color_match == results[0].color_match
        assert np.array_equal(each.image[:, ~visible], each.inputs.content.pixels[:, ~visible])
    assert np.abs(results[0].image - results[0].inputs.content.pixels)[:, visible].mean() > 0.005


def test_what_is_visible_of_a_style_gives_the_look_and_the_rest_of_it_none(landscape, tmp_path):
    """The style's sky alone is visible: the result has the sky's colour, as from the sky alone."""
    content, _ = landscape(72, 96, (110, 160, 225), (70, 110, 40), seed=1)
    style, _ = landscape(64, 90, (215, 120, 70), (45, 35, 60), horizon=0.6, seed=2)
    sky = style[5:30, 10:80]
    part = cut_out(style, (0, 255, 0), tmp_path / "sky.png", np.s_[1:30, 10:80])
    plain = {"init": "reinhard", "rounds": 0, "color_match": 0.0, "detail": 0.0, "size": 96}
    cut, alone = (
        run(content, each, **plain).image
        for each in (part, np.ascontiguousarray(np.pad(sky, ((0, 10), (0, 0), (0, 0)), "reflect")))
    )
    np.testing.assert_allclose(cut.mean(axis=(1, 2)), alone.mean(axis=(1, 2)), atol=0.02)
    whole = run(content, style, **plain).image
    assert np.abs(cut.mean(axis=(1, 2)) - whole.mean(axis=(1, 2))).max() > 0.1


def test_regions_are_those_of_what_counts(scene):
    _, style, (content_map, style_map), contents, _ = scene
    content_map = content_map.copy()
    content_map[:14] = (255, 255, 255)  # painted where nothing is visible
    regions = run(contents["green"], style, (content_map, style_map)).regions
    assert regions.count == 2 and not regions.notes
    counted = read_photograph(contents["green"]).counted
    assert np.array_equal(regions.content == NOWHERE, ~counted) and regions.style_counted is None
    assert regions.content_shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("factor", [2, 0.5])
def test_regions_of_maps_of_another_size_end_where_the_photograph_does(factor, scene):
    _, style, (content_map, style_map), contents, _ = scene
    coarse = Image.fromarray(content_map).resize(
        (round(factor * 96), round(factor * 72)), Image.Resampling.NEAREST
    )
    regions = run(contents["green"], style, (np.asarray(coarse), style_map)).regions
    assert np.array_equal(regions.content == NOWHERE, ~read_photograph(contents["green"]).counted)


UNKNOWN = {"answer_psnr", "answer_ssim", "answer_ciede2000"}  # where there is no right answer


def scored(result):
    inputs, models = result.inputs, load_quality_models()
    image = fill(result.image, inputs.content.alpha)
    subject = Subject(image, inputs.content.filled, inputs.style.filled, result.regions, models)
    wanted = [each for key, each in MEASURES.items() if each.model != "network" and key not in UNKNOWN]
    return take(wanted, subject).values


def test_scores_are_those_of_what_is_visible(landscape, tmp_path):
    content, _ = landscape(250, 400, (110, 160, 225), (70, 110, 40), seed=1)
    content = np.clip(content + np.random.default_rng(0).normal(0, 12, content.shape), 0, 255).astype(
        np.uint8
    )
    style, _ = landscape(64, 90, (215, 120, 70), (45, 35, 60), seed=2)
    plainly = {"rounds": 0, "regions": 2}  # how many there are is not what is asked here
    results = [
        run(cut_out(content, color, tmp_path / "c.png", np.s_[2:240, 5:390]), style, **plainly)
        for color in HIDDEN.values()
    ]
    scores = [scored(each) for each in results]
    assert scores[0] == scores[1] == scores[2]
    assert None not in scores[0].values() and len(scores[0]) == 10
    opaque = scored(run(content, style, **plainly))
    for key, value in scores[0].items():  # nearly all of it is visible
        unseen = 0.5 if key.startswith("color_distance") else 0.05  # half a CIELAB unit cannot be seen
        assert value == pytest.approx(opaque[key], rel=0.25, abs=unseen), key


def test_the_pipeline_makes_what_the_library_makes(scene, pst_home):
    """And what is shown of it beside the photographs has white paper where nothing is visible."""
    _, _, _, contents, styles = scene
    previews, scores = [], []
    for name in ("green", "white"):
        files = InputFiles(content=probe(contents[name]), style=probe(styles[name]))
        config = Config(**SETTINGS)
        made, _ = make_pair(
            files, config, Network.of(config, has_maps=False), lambda unit, **inputs: unit.fn(**inputs)
        )
        picture = read_photograph(open_store().path_of(made.rendered.picture))
        expected = run(contents[name], styles[name]).image
        np.testing.assert_allclose(picture.pixels, expected, atol=0.51 / 255)
        previews.append(made.scored.previews)
        scores.append(json.dumps(made.scored.scores))
    assert scores[0] == scores[1]
    assert previews[0] == previews[1]
    shown = read_photograph(open_store().path_of(previews[0]["result"]))
    assert shown.pixels[:, :8].min() > 0.97


def test_a_start_image_is_filled_too(scene):
    content, style, _, contents, _ = scene
    starts = [
        stylize(content, style, config=Config(**SETTINGS), start=contents[each]).image for each in HIDDEN
    ]
    assert np.array_equal(starts[0], starts[1]) and np.array_equal(starts[0], starts[2])


def test_classes_of_a_network_are_those_of_what_counts(scene):
    _, _, _, contents, styles = scene
    inputs = load_inputs(contents["black"], styles["black"])

    def segment(pixels):
        labels = torch.full(pixels.shape[1:], 2)
        labels[:20] = 1  # seen in part
        labels[:, :10] = 0  # where nothing is
        return Scores(("sky", "water", "tree"), functional.one_hot(labels, 3).permute(2, 0, 1).float())

    found = regions_of_classes(
        (inputs.content.filled, inputs.style.filled), segment, merges={}, most=None,
        counted=(inputs.content.counted, inputs.style.counted), source="onnx", model="",
    )  # fmt: skip
    assert found.names == ("greenery", "water")
    assert set(np.unique(found.content)) == set(np.unique(found.style)) == {NOWHERE, 0, 1}
