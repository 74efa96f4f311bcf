"""Frames under looks that are known, whose mixtures have closed forms."""

from pathlib import Path

import numpy as np
import pytest
from lattices import bent
from scenes import crop, drawn

from pst_core.images.reading import Photograph, SemanticMap
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.look import Look
from pst_core.sequences.carrying import Key
from pst_core.sequences.mixing import frame_under, mix
from pst_core.sequences.motion import shrunk

SCENE = drawn(240, 480)
BORDER = 240  # column of the scene where one region ends
LEFT, RIGHT = (Lattice(np.full((33, 33, 33, 3), value, np.float32)) for value in (0.2, 0.8))
WHOLE = Lattice(np.full((33, 33, 33, 3), 0.5, np.float32))


def photograph(pixels, depth=8):
    return Photograph(pixels, None, "", Path("frame.png"), depth)


def look_at(left, lattices=(LEFT, RIGHT), whole=WHOLE):
    """A key frame's look: what the scene has left of its border takes one, the rest another."""
    content = crop(SCENE, left, 60)
    columns = np.broadcast_to(np.arange(200, dtype=np.float32) + left < BORDER, (120, 200))
    masks = np.stack([columns, ~columns]).astype(np.float32)
    return Look(whole, lattices, ("#0000FF", "#FF0000"), masks, content)


def shown(looks, distance, left, semantic=None, depth=8):
    keys = Key(looks[0]), Key(looks[1])
    levels = frame_under(keys, distance, photograph(crop(SCENE, left, 60), depth), semantic, depth)
    return levels.astype(np.float64) / np.iinfo(levels.dtype).max


def test_regions_are_carried_along_with_the_scene():
    looks = look_at(120), look_at(150)
    for left in (125, 135, 145):
        result = shown(looks, (left - 120) / 30, left)
        border = BORDER - left
        assert np.abs(result[10:-10, 8 : border - 8] - 0.2).max() < 0.02
        assert np.abs(result[10:-10, border + 8 : -8] - 0.8).max() < 0.02


def test_what_one_key_does_not_show_takes_the_regions_of_the_other():
    result = shown((look_at(60), look_at(150)), 0.05, 65)
    assert (
        np.abs(result[10:-10, 188:] - 0.8).max() < 0.05
    )  # the scene beyond column 260 is in the second alone


def test_what_no_key_shows_takes_the_whole_look():
    key = look_at(40)
    assert np.abs(shown((key, key), 0.0, 120)[10:-10, 170:] - 0.5).max() < 0.05


def test_looks_are_mixed_by_distance():
    same = look_at(120)
    other = look_at(120, lattices=(Lattice(LEFT.values + 0.4), Lattice(RIGHT.values - 0.4)))
    for distance in (0.0, 0.25, 1.0):
        result = shown((same, other), distance, 120)
        assert np.abs(result[:, :100] - (0.2 + 0.4 * distance)).max() < 0.005
        assert np.abs(result[:, 140:] - (0.8 - 0.4 * distance)).max() < 0.005


def test_looks_without_regions_are_mixed_as_lattices():
    one, other = Look.of_whole(Lattice.identity()), Look.of_whole(bent())
    frame = crop(SCENE, 100, 60)
    wanted = 0.7 * frame + 0.3 * bent().apply(frame)
    assert np.abs(shown((one, other), 0.3, 100, depth=16) - np.moveaxis(wanted, 0, -1)).max() < 1e-4


@pytest.mark.parametrize("distance", [0.0, 0.4])
def test_a_frames_own_map_goes_before_what_is_carried(distance):
    colors = np.zeros((120, 200, 3), np.uint8)
    colors[:60], colors[60:] = (0, 0, 255), (255, 0, 0)
    result = shown((look_at(120), look_at(150)), distance, 130, SemanticMap(colors, "", Path("map.png")))
    assert np.abs(result[:45] - 0.2).max() < 0.02 and np.abs(result[75:] - 0.8).max() < 0.02


def test_a_key_with_regions_beside_one_without():
    result = shown((look_at(120), Look.of_whole(WHOLE)), 0.5, 120)
    assert np.abs(result[:, :100] - 0.35).max() < 0.02 and np.abs(result[:, 140:] - 0.65).max() < 0.02


@pytest.mark.parametrize("height", [196, 197, 393, 394, 395])
def test_frames_of_any_shape_meet_their_key(height):
    """The key at 700 pixels and the frame at 350 round differently."""
    pixels = drawn(height, 701)
    content = shrunk(pixels, (round(height * 700 / 701), 700))
    masks = np.stack([content[0] > 0.5, content[0] <= 0.5]).astype(np.float32)
    key = Key(Look(WHOLE, (LEFT, RIGHT), ("a", "b"), masks, content))
    assert frame_under((key, key), 0.0, photograph(pixels), None, 8).shape == (height, 701, 3)


def test_a_mixture_is_the_mean_of_lattices():
    assert np.allclose(mix([LEFT, RIGHT], [0.25, 0.75]).values, 0.65)


def test_masks_are_shrunk_as_means():
    planes = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    assert np.allclose(shrunk(planes, (2, 2)), planes.reshape(2, 2, 2, 2, 2).mean(axis=(2, 4)))
