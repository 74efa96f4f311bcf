from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from pst_core.regions.backdrops import agreement, learn_backdrops
from pst_core.regions.evidence import look_at


def unit(image):
    return np.moveaxis(image, -1, 0).astype(np.float32) / 255


@pytest.fixture
def pair(landscape, small_encoder):
    day, _ = landscape(96, 128, sky=(110, 160, 225), ground=(70, 110, 40), horizon=0.5, seed=1)
    dusk, _ = landscape(80, 120, sky=(215, 120, 70), ground=(45, 35, 60), horizon=0.6, seed=2)
    return look_at(unit(day), None, small_encoder), look_at(unit(dusk), None, small_encoder)


def test_what_is_learnt_of_a_clear_sky_is_what_was_seen_first(pair):
    learnt = learn_backdrops(pair)
    assert learnt.stability > 0.9
    for behind, horizon in zip(learnt.behind, (0.5, 0.6), strict=True):
        border = round(len(behind) * horizon)
        assert behind[: border - 1].mean() > 0.95 and behind[border + 1 :].mean() < 0.05


def test_the_lesson_mends_a_part_of_the_sky_that_the_first_look_missed(pair):
    """The first look takes the left of one sky for ground; the rest of both photographs knows better."""
    height, width = pair[0].seen.shape
    wrong = pair[0].backdrop.copy()
    wrong[: height // 2, : width // 3] = 0.3
    mistaken = replace(pair[0], backdrop=wrong)
    missed = np.s_[: height // 2 - 1, : width // 3]
    assert not mistaken.behind[missed].any()
    assert learn_backdrops((mistaken, pair[1])).behind[0][missed].mean() > 0.9


def test_a_first_look_that_its_own_examples_contradict_is_not_stable(pair):
    noise = np.random.default_rng(0).random(pair[0].seen.shape)
    assert learn_backdrops((replace(pair[0], backdrop=noise), pair[1])).stability < 0.7


def test_the_order_of_the_photographs_does_not_matter(pair):
    there, back = learn_backdrops(pair), learn_backdrops(pair[::-1])
    assert there.stability == pytest.approx(back.stability, abs=0.02)
    for one, other in zip(there.pair, back.pair[::-1], strict=True):
        assert np.abs(one.backdrop - other.backdrop).max() < 0.05


def test_probabilities_lie_between_0_and_1(pair):
    for each in learn_backdrops(pair).pair:
        assert each.backdrop.min() >= 0 and each.backdrop.max() <= 1


def test_what_does_not_count_teaches_nothing(pair):
    """Features of cells that do not count may be anything."""
    seen = np.ones_like(pair[0].seen)
    seen[:, :4] = False
    hidden = replace(pair[0], seen=seen)
    features = hidden.features.copy()
    features[~seen.ravel()] = 1e6
    odd = replace(hidden, features=features)
    known, told = (learn_backdrops((each, pair[1])) for each in (hidden, odd))
    for one, other in zip(known.behind, told.behind, strict=True):
        assert np.array_equal(one, other)
    assert not told.behind[0][:, :4].any()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(16, 16), (16, 300)])
def test_plain_photographs_can_be_learnt_from(shape, value, small_encoder):
    seen = look_at(np.full((3, *shape), value, np.float32), None, small_encoder)
    learnt = learn_backdrops((seen, seen))
    assert 0 <= learnt.stability <= 1
    assert all(np.isfinite(each.backdrop).all() for each in learnt.pair)


def test_agreement_is_the_mean_jaccard_index_of_both_parts():
    random = np.random.default_rng(5)
    one, other = random.random(200) > 0.4, random.random(200) > 0.7
    assert agreement(one, other) == pytest.approx(jaccard_score(one, other, average="macro"))
    assert agreement(one, one) == 1 and agreement(one, ~one) == 0
    assert agreement(np.zeros(9, bool), np.zeros(9, bool)) == 1
