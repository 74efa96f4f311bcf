"""A look's regions in other photographs, and what these become there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pst_core.errors import LookError, MapError
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.writing import to_levels
from pst_core.looks.lattice import Lattice
from pst_core.network.identity import Network
from pst_core.pipeline import applying, placing
from pst_core.pipeline.applying import LEAST_SHARE, Placement, levels_of, strips_of
from pst_core.pipeline.artifacts import CPU, LOOK
from pst_core.pipeline.look import Finding, Look, told_of
from pst_core.pipeline.placing import place
from pst_core.regions.labels import Regions, display_colors, one_region
from pst_core.settings.config import Config, FoundRegionSettings

RANDOM = np.random.default_rng(7)
DARKER, LIGHTER = (Lattice(Lattice.identity().values * 0.5 + offset) for offset in (0, np.float32(0.5)))
SIDES = np.zeros((2, 40, 60), np.float32)
SIDES[0, :, :30], SIDES[1, :, 30:] = 1, 1


def photograph(height=40, width=60, edge=30):
    """Dark on the left and light on the right of an edge."""
    pixels = RANDOM.uniform(0.1, 0.3, (3, height, width)).astype(np.float32)
    pixels[:, :, edge:] += 0.6
    return Photograph(pixels, None, "", Path("new.png"), 8)


@pytest.fixture
def look():
    """What is on the left gets darker, on the right lighter, and as a whole all stays."""
    whole = Lattice.identity()
    return Look(whole, (DARKER, LIGHTER), ("#FF0000", "#0000FF"), SIDES, photograph().pixels)


def semantic_map(edge, width=60):
    colors = np.zeros((40, width, 3), np.uint8)
    colors[:, :edge, 0], colors[:, edge:, 2] = 255, 255
    return SemanticMap(colors, "", Path("map.png"))


def looked(look, given, placement):
    return np.concatenate(
        [strip for _, strip in strips_of((*look.regions, look.whole), given.filled, placement)], axis=1
    )


def test_by_its_own_map_each_region_takes_its_look_to_the_very_edge(look):
    given = photograph(edge=42)
    placement, _ = place(look, given, semantic_map(42), None, None)
    expected = given.pixels * 0.5
    expected[:, :, 42:] += 0.5
    assert np.abs(looked(look, given, placement) - expected).max() < 0.02


def test_what_no_region_marks_takes_the_whole_look(look):
    given = photograph()
    semantic = semantic_map(30)
    semantic.colors[:, 30:] = (0, 255, 0)
    placement, _ = place(look, given, semantic, None, None)
    assert np.abs(looked(look, given, placement) - given.pixels)[:, :, 30:].max() < 0.02


def test_a_map_of_other_things_is_refused(look):
    semantic = semantic_map(30)
    semantic.colors[:] = (0, 255, 0)
    with pytest.raises(MapError, match=r"map\.png marks none of the look's regions \(#FF0000, #0000FF\)"):
        place(look, photograph(), semantic, None, None)


@pytest.fixture
def settings():
    return Config(weights="untrained", segmentation="cluster")


def found(monkeypatch, look, settings, confidence):
    """A photograph placed where finding says that its left part is like the look's right one."""
    given = photograph()
    left = np.zeros((40, 60), np.int16)
    left[:, :30] = 1
    common = Regions(left, 1 - left, display_colors(2), "cluster", confidence=(confidence,) * 2)
    monkeypatch.setattr(placing, "find_regions", lambda *_: common)
    monkeypatch.setattr(placing, "open_encoder", lambda *_: (None, None))
    network = Network.of(settings, has_maps=False)
    placement, _ = place(look, given, None, settings.section(FoundRegionSettings), network)
    return given, looked(look, given, placement)


def test_found_regions_take_the_look_of_what_they_are_like(monkeypatch, look, settings):
    """The style's labels are of the look's own photograph: its left is region 0, as the right is here."""
    given, result = found(monkeypatch, look, settings, 1.0)
    expected = given.pixels * 0.5
    expected[:, :, :30] += 0.5
    assert np.abs(result - expected).max() < 0.03


def test_regions_that_are_not_trusted_take_the_whole_look(monkeypatch, look, settings):
    given, result = found(monkeypatch, look, settings, 0.0)
    assert np.abs(result - given.pixels).max() < 1e-5


@pytest.mark.parametrize("refused", [True, False])
def test_nothing_in_common_is_the_whole_look_and_told(monkeypatch, look, settings, refused):
    def none(*_):
        if not refused:
            return one_region((photograph().pixels, look.content), (None, None))
        raise MapError("no region in common")

    monkeypatch.setattr(placing, "find_regions", none)
    monkeypatch.setattr(placing, "open_encoder", lambda *_: (None, None))
    network = Network.of(settings, has_maps=False)
    placement, notes = place(look, photograph(), None, settings.section(FoundRegionSettings), network)
    assert placement is None and "No regions are found" in notes[0]


def test_without_maps_or_a_way_to_find_it_is_the_whole_look(look):
    assert place(look, photograph(), None, None, None) == (None, ())


def test_strips_are_what_the_whole_is(monkeypatch):
    given = photograph(64, 80)
    masks = torch.rand(3, 16, 20)
    placement = Placement(masks / masks.sum(0), torch.eye(3), torch.rand(3, 16, 20))
    lattices = (DARKER, LIGHTER, Lattice.identity())
    at_once = levels_of(lattices, given, placement, 16)
    monkeypatch.setattr(
        applying, "strips", lambda height, _: (slice(top, top + 8) for top in range(0, height, 8))
    )
    assert np.array_equal(levels_of(lattices, given, placement, 16), at_once)


def test_what_is_hidden_stays_as_it_was():
    given = photograph()
    alpha = np.ones((40, 60), np.float32)
    alpha[:10], alpha[10:20] = 0, 0.5
    given = replace(given, alpha=alpha)
    levels = levels_of((LIGHTER,), given, None, 16).astype(int)
    expected = to_levels(np.where(alpha > 0, given.filled * 0.5 + 0.5, given.pixels), alpha, 16)
    assert np.abs(levels - expected).max() <= 1
    assert np.array_equal(levels[:10], expected[:10])


def test_a_look_is_kept_as_it_is(look, settings):
    finding = Finding.of(settings, network := Network.of(settings, has_maps=False))
    kept = replace(look, finding=finding)
    again = LOOK.unpack(LOOK.pack(kept), CPU)
    assert LOOK.pack(again) == LOOK.pack(kept)
    assert again.names == kept.names and again.finding == finding
    assert np.array_equal(again.masks, kept.masks) and np.array_equal(again.regions[1].values, LIGHTER.values)
    there = Config.make(**again.finding.settings, weights="untrained")
    assert (
        told_of(Network.of(there, has_maps=False))
        == finding.finder
        == told_of(network)
        == "cluster (untrained)"
    )


def test_a_look_of_another_version_is_refused(look, monkeypatch):
    monkeypatch.setattr("pst_core.pipeline.artifacts.LOOK_FORMAT", 2)
    data = LOOK.pack(look)
    monkeypatch.undo()
    with pytest.raises(LookError, match="another version"):
        LOOK.unpack(data, CPU)


def test_looks_are_mixed_as_weights_say_that_are_enlarged_bilinearly():
    """Over several tiles, some of them within one region, against the plain sum of everything."""
    rng = np.random.default_rng(2)
    image = rng.random((3, 300, 420), np.float32)
    weights = np.zeros((3, 75, 105), np.float32)
    weights[0, :, :50], weights[1, :, 60:] = 1, 0.75
    weights[0, :, 50:60] = np.linspace(1, 0, 10)
    weights[1, :, 50:60] = 0.75 * np.linspace(0, 1, 10)
    weights[2] = 1 - weights[:2].sum(axis=0)
    lattices = [Lattice(Lattice.identity().values ** power) for power in (0.5, 1.5, 2.5)]
    found = np.concatenate(
        [strip for _, strip in strips_of(lattices, image, torch.from_numpy(weights))], axis=1
    )
    size = (300, 420)
    large = functional.interpolate(torch.from_numpy(weights)[None], size, mode="bilinear")[0].numpy()
    wanted = sum(mask * lattice.apply(image) for mask, lattice in zip(large, lattices, strict=True))
    assert np.abs(found - wanted).max() < LEAST_SHARE
