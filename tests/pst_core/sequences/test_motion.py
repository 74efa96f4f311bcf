import numpy as np
import pytest
from scenes import crop, drawn

from pst_core.sequences.cuts import find_cuts
from pst_core.sequences.motion import Small, motion_between, trust_in

SCENE = drawn()
ROWS, COLUMNS = np.mgrid[:120, :200].astype(np.float32)


def frame(left, top, gain=1.0):
    return Small((crop(SCENE, left, top) * gain).clip(0, 1).astype(np.float32))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.4, -1.7), (40.0, 12.5), (-60.0, 0.0)])
def test_a_known_shift_is_found(shift):
    motion = motion_between(frame(70, 30), frame(70 - shift[0], 30 - shift[1]))
    inside = np.s_[40:80, 70:130]
    assert np.median(np.abs(motion.x - COLUMNS - shift[0])[inside]) < 0.3
    assert np.median(np.abs(motion.y - ROWS - shift[1])[inside]) < 0.3
    assert motion.agreement > 0.8


def test_what_is_brought_lies_where_the_frame_shows_it():
    here, there = frame(60, 30), frame(50, 34)
    brought = motion_between(here, there).bring(there.image)
    assert np.abs(brought - here.image)[:, 10:-10, 20:-20].mean() < 0.02


def trusted(here, there):
    return trust_in(here, there, motion_between(here, there), motion_between(there, here))


def test_what_the_other_frame_does_not_show_is_not_trusted():
    trust = trusted(
        frame(70, 30), frame(40, 30)
    )  # it shows 30 pixels more on the left, and less on the right
    assert trust[:, :160].mean() > 0.95 and trust[:, 185:].mean() < 0.1


def test_a_thing_that_comes_is_not_trusted_and_another_exposure_is():
    here = frame(70, 30, gain=0.7)
    there = frame(70, 30)
    assert trusted(here, there).min() > 0.95
    image = there.image.copy()
    image[:, 40:80, 90:130] = (
        drawn(40, 40, seed=9)[:, ::-1] * np.array([1, 0.1, 0.1], np.float32)[:, None, None]
    )
    trust = trusted(Small(image), there)
    assert trust[50:70, 100:120].mean() < 0.5 < 0.95 < trust[:, :70].mean()


def test_cuts_are_found_and_pans_and_changes_of_light_are_none():
    other = Small(crop(drawn(seed=3), 70, 30))
    pan = [frame(20 + 20 * step, 30, gain=0.9**step) for step in range(4)]
    assert find_cuts([*pan, other, other, frame(10, 10)]) == [4, 6]


def test_frames_without_structure_are_one_shot():
    black = Small(np.zeros((3, 60, 80), np.float32))
    noisy = Small(np.random.default_rng(0).normal(0.1, 0.004, (3, 60, 80)).astype(np.float32))
    assert find_cuts([black, noisy, black]) == []
