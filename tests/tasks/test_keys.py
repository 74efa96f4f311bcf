import contextlib
import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pst_core.images.input_files import InputFiles, probe
from pst_core.network.finder import MODEL_ENVIRONMENT, Finder
from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage, plan_stages
from pst_core.provenance import versions
from pst_core.sequences.footage import PictureFrames
from pst_core.sequences.video import Coding, VideoFrames
from pst_core.settings.config import (
    Config,
    EncoderSettings,
    FilterSettings,
    FinishSettings,
    FoundRegionSettings,
    GuidedFilterSettings,
    MapRegionSettings,
    PrecomputationSettings,
    SeriesSettings,
    StageSettings,
    StartSettings,
)
from pst_core.store import Reference
from tasks import keys
from tasks.keys import canonical, key_of

NETWORK = Network(
    settings=EncoderSettings(weights="w.pth", precision="auto", device="cpu"), identity="a" * 64,
    finder=Finder(way="semantic", place="here", identity="b" * 64, merges={"water": ("pond",)}),
)  # fmt: skip
OTHER = {  # another valid value for every setting
    "regions": 3, "unmatched": "leave", "segmentation": "deeplab", "segmentation_model": "folder",
    "segmentation_merges": "merges.toml", "onnx_size": "640x512", "onnx_mean": (0.5, 0.5, 0.5),
    "onnx_deviation": (0.5, 0.5, 0.5), "onnx_classes": "classes.txt", "min_region_share": 0.006,
    "mask_softness": 5, "shares": (1.0, 2.0), "exposure_share": 0.75,
    "weights": "untrained", "weights_convention": "caffe", "device": "cuda:1",
    "common_content": "none",
    "precision": "bfloat16", "content_layers": {"conv4_1": 1.0}, "style_layers": {"conv1_1": 0.25},
    "content_weight": 1.5, "style_weight": 20.000000000000004, "gram": "paper", "layer_scale": "none",
    "size": None, "scales": 2, "rounds": 3, "global_iterations": 9, "regional_iterations": 9,
    "optimizer": "adam", "step": 0.5, "history": 21, "gradients": "exact",
    "init": "content", "filter": "tv", "filter_radius": 5,
    "filter_epsilon": 2e-4, "filter_sigma": 1.25, "filter_strength": 0.75, "tv_weight": 0.1,
    "strength": 0.5, "color_match": 1.0, "max_slope": 5.0, "rim_removal": 0.5, "upsampling_tolerance": 0.5,
    "detail": 0.5,
    "upsampling": "bicubic", "upsampling_radius": 5,
    "upsampling_epsilon": 2e-4, "bit_depth": 16, "metadata": "all", "seed": 1, "method": "gatys",
    "style_term": "patches",
    "semantic_weight": 11.0, "edge_weights": {"4": 1.0}, "matting_weight": 1.0, "matting_epsilon": 2e-7,
    "matting_from": 2, "smoothness_weight": 1.0, "colors": "content",
    "color_weight": 1.0, "evenness_weight": 1.0, "filter_inside": False,
}  # fmt: skip
NOT_CONTENT = {
    "device", "weights", "segmentation", "segmentation_model", "segmentation_merges", "onnx_classes",
}  # fmt: skip


def text(value):
    return json.dumps(canonical(value), sort_keys=True, allow_nan=False)


def save(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (36, 48, 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def reference(digest="ab" * 32, kind="image", size=9):
    return Reference(kind=kind, path=f"objects/{digest[:2]}/{digest}.png", sha256=digest, size=size)


# --- what counts -------------------------------------------------------------------------------------------


def test_a_file_counts_by_its_bytes_and_by_nothing_else(tmp_path):
    here = probe(save(tmp_path / "a" / "mountain.png"))
    there = probe(save(tmp_path / "b" / "lake.jpeg"))
    os.utime(there.path, (1, 1))
    assert here != there
    assert key_of("step", {"file": here}) == key_of("step", {"file": there})
    other = probe(save(tmp_path / "a" / "mountain.png", seed=1))
    assert key_of("step", {"file": here}) != key_of("step", {"file": other})


def test_the_files_of_a_pair_count_by_their_roles(tmp_path):
    content, style, semantic = (probe(save(tmp_path / f"{seed}.png", seed)) for seed in range(3))
    pairs = [
        InputFiles(content=content, style=style),
        InputFiles(content=style, style=content),
        InputFiles(content=content, style=content),
        InputFiles(content=content, style=style, content_map=semantic, style_map=style),
        InputFiles(content=content, style=style, content_map=style, style_map=semantic),
    ]
    assert len({key_of("step", {"files": pair}) for pair in pairs}) == len(pairs)
    moved = probe(save(tmp_path / "moved" / "x.png", 0))
    assert text(InputFiles(content=moved, style=style)) == text(pairs[0])


def test_frames_count_by_their_content_and_their_order(tmp_path):
    for name, color in (("a", "red"), ("b", "blue"), ("again", "red")):
        Image.new("RGB", (40, 40), color).save(tmp_path / f"{name}.png")
    red, blue, again = (probe(tmp_path / f"{name}.png") for name in ("a", "b", "again"))
    frames = PictureFrames(files=(red, blue))
    assert canonical(frames) == canonical(PictureFrames(files=(again, blue)))
    assert canonical(frames) != canonical(PictureFrames(files=(blue, red)))
    video = VideoFrames(
        path=tmp_path / "a.mp4", sha256="a" * 64, coding=Coding(rate="25"), size=(64, 48), first=0, count=9
    )  # fmt: skip
    assert canonical(video) == canonical(video.model_copy(update={"path": tmp_path / "b.mp4"}))
    assert canonical(video.part(0, 4)) != canonical(video.part(1, 5))


def test_an_artifact_counts_by_its_hash():
    assert text(reference()) != text(reference("cd" * 32))
    assert text(reference()) == text(reference(kind="regions"))


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_counts_but_where_it_runs_and_where_weights_lie(name):
    changed = Config(**{name: OTHER[name]})
    assert getattr(changed, name) != getattr(Config(), name)
    assert (text(changed) == text(Config())) == (name in NOT_CONTENT)


def test_settings_that_are_equal_count_the_same_however_they_were_written():
    written = Config(style_weight=20, detail=1, color_match=1, content_layers={"conv4_2": 1})
    assert text(written) == text(Config(color_match=1.0))
    layers = Config().style_layers
    assert text(Config(style_layers=dict(reversed(layers.items())))) == text(Config())


def test_a_network_counts_by_identity():
    assert text(NETWORK.model_copy(update={"identity": "something else"})) != text(NETWORK)
    assert text(NETWORK.model_copy(update={"finder": None})) != text(NETWORK)


@pytest.mark.parametrize(("name", "other"), [
    ("way", "onnx"), ("identity", "c" * 64), ("library", "transformers 0"), ("classes", ("sky",)),
    ("merges", {"water": ("lake",)}), ("place", "there"),
])  # fmt: skip
def test_what_finds_regions_counts_by_all_but_its_place(name, other):
    finder = NETWORK.finder.model_copy(update={name: other})
    changed = NETWORK.model_copy(update={"finder": finder})
    assert (text(changed) == text(NETWORK)) == (name == "place")


@pytest.mark.parametrize("name", EncoderSettings.model_fields)
def test_a_network_counts_by_its_arithmetic_but_not_by_places(name):
    changed = NETWORK.under(NETWORK.settings.model_copy(update={name: OTHER[name]}))
    assert (text(changed) == text(NETWORK)) == (name in NOT_CONTENT)


SECTIONS = [
    FilterSettings, FinishSettings, FoundRegionSettings, GuidedFilterSettings, MapRegionSettings,
    PrecomputationSettings, SeriesSettings, StageSettings, StartSettings,
]  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_step_counts_by_its_own_section_alone(section):
    for name, other in OTHER.items():
        changed = Config(**{name: other}).section(section)
        counts = name in section.model_fields and name not in NOT_CONTENT
        assert (text(changed) != text(Config().section(section))) == counts, name


def test_every_part_of_a_stage_counts():
    stage = plan_stages(Config(), 700)[0]
    others = [
        {"index": 1}, {"round": 1}, {"kind": "regional"}, {"size": 191}, {"iterations": 9},
    ]  # fmt: skip
    assert set().union(*others) == set(vars(stage))
    told = {text(stage)} | {text(Stage(**vars(stage) | other)) for other in others}
    assert len(told) == 6
    assert text(Stage(**vars(stage))) == text(stage)


def test_what_finds_regions_counts_as_what_it_comes_to_here(tmp_path, monkeypatch):
    """The setting `auto` says nothing about a result; the network that this machine has for it does."""

    def key(*, has_maps=False, **settings):
        config = Config(weights="untrained", **settings)
        network = Network.of(config, has_maps=has_maps)
        return text([config, config.section(FoundRegionSettings), network])

    bare, with_maps = key(), key(has_maps=True)
    assert bare == key(segmentation="cluster") != key(segmentation="one")
    model = tmp_path / "network.onnx"
    model.write_bytes(b"any bytes")
    monkeypatch.setenv(MODEL_ENVIRONMENT, str(model))
    found = key()
    assert found == key(segmentation="onnx") == key(segmentation_model=str(model)) != bare
    assert key(segmentation="cluster") == bare and key(has_maps=True) == with_maps
    model.write_bytes(b"other bytes")
    assert key() not in (found, bare)


def test_floats_count_to_their_last_bit():
    distinct = [
        0.1 + 0.2, 0.3, 0.0, -0.0, 1.0, 1, True, False, 0, np.nextafter(1.0, 2).item(), 5e-324, 1e308,
        float("inf"), float("-inf"), float("nan"), "1", "1.0", None, "",
    ]  # fmt: skip
    assert len({text(value) for value in distinct}) == len(distinct)
    assert text(0.5) == text(2**-1) == text(float("0.50"))


@pytest.mark.parametrize("value", [
    np.zeros(2), np.float32(1), Path("x"), object(), {1}, frozenset(), b"bytes", bytearray(), 1j, Ellipsis,
    range(3), Config, len,
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_content_of_an_unknown_kind_is_refused_however_deep_it_lies(value):
    for held in (value, [value], {"a": {"b": (value,)}}):
        with pytest.raises(TypeError, match=type(value).__name__):
            canonical(held)
        with pytest.raises(TypeError):
            key_of("step", {"x": held})


# --- structures --------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "b", "1", "null", "[]", '"', '{"a": 1}', ",", "é", "network"])
LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | TEXTS
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def told_apart(value):
    """What makes two values the same content, told without JSON."""
    if isinstance(value, dict):
        return ("dict", frozenset((name, told_apart(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(told_apart(item) for item in value))
    return (type(value).__name__, value)


@hypothesis_settings(max_examples=250)
@given(NESTED, NESTED)
def test_different_structures_are_never_told_alike(one, other):
    assert (text(one) == text(other)) == (told_apart(one) == told_apart(other))


@hypothesis_settings(max_examples=100)
@given(NESTED, st.randoms(use_true_random=False))
def test_a_change_in_one_place_is_told(value, random):
    """Small structures that differ in one leaf, which two independent draws hardly ever do."""
    spots = []

    def collect(item):
        places = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for place, inner in places:
            spots.append((item, place))
            collect(inner)

    changed = json.loads(json.dumps(value))
    collect(changed)
    assume(spots)
    holder, place = random.choice(spots)
    before = holder[place]
    holder[place] = [before]
    assert text(changed) != text(value)
    holder[place] = before
    assert text(changed) == text(value)


@hypothesis_settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), NESTED, min_size=2, max_size=5), st.data())
def test_the_order_of_names_does_not_count(value, data):
    shuffled = dict(data.draw(st.permutations(list(value.items()))))
    assert key_of("step", {"x": shuffled}) == key_of("step", {"x": value})
    assert key_of("step", shuffled) == key_of("step", value)


def test_the_order_of_a_list_counts_but_not_whether_it_is_a_tuple():
    assert text([1, 2]) != text([2, 1])
    assert text((1, (2,))) == text([1, [2]])
    assert text(OrderedDict(a=1)) == text({"a": 1})


def test_a_float_is_not_told_like_a_string():
    assert key_of("step", {"x": 0.5}) != key_of("step", {"x": (0.5).hex()})


def test_names_that_are_no_strings_are_told_apart_or_refused():
    with contextlib.suppress(TypeError):
        assert key_of("step", {"x": {1: 2}}) != key_of("step", {"x": {"1": 2}})


# --- keys --------------------------------------------------------------------------------------------------


def test_a_key_is_one_that_the_store_takes(tmp_path):
    from pst_core.store.layout import check_key

    check_key(key_of("step", {"config": Config(), "network": NETWORK, "stages": plan_stages(Config(), 700)}))
    check_key(key_of("", {}))


def test_step_names_and_arguments_do_not_run_into_each_other():
    given_ = [("a", {"b": 1}), ("ab", {}), ("a", {"b": [1]}), ("b", {"a": 1}), ("a", {"b": 1, "c": None})]
    assert len({key_of(step, inputs) for step, inputs in given_}) == len(given_)


def test_code_and_versions_count(monkeypatch):
    before = key_of("step", {"x": 1})
    assert key_of("step", {"x": 1}) == before
    monkeypatch.setattr(keys, "code_version", lambda package: "0" * 64)
    changed = key_of("step", {"x": 1})
    monkeypatch.setattr(keys, "versions", lambda: versions() | {"torch": "0.0"})
    assert len({before, changed, key_of("step", {"x": 1})}) == 3
