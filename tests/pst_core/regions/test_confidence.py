import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from pst_core.regions.confidence import (
    IN_STRIPS,
    ONE_CONTRAST,
    ONE_VARIETY,
    SEVERAL_CONTRAST,
    SEVERAL_VARIETY,
    SURE_CONTRAST,
    SURE_SEPARATION,
    SURE_STABILITY,
    UNSURE_SEPARATION,
    UNSURE_STABILITY,
    WITHOUT_COLOR,
    confidence_of,
    separations,
    several_surfaces,
)

SIDE = np.random.default_rng(3).standard_normal((60, 4))
LABELS = np.arange(60, dtype=np.int16) % 3
HALF_APART = (UNSURE_SEPARATION + SURE_SEPARATION) / 2


def test_a_photograph_and_itself_agree_in_full():
    assert separations((SIDE, SIDE), (LABELS, LABELS), 3) == pytest.approx(np.ones(3))


def test_swapped_regions_are_nearer_to_each_other_than_to_their_counterparts():
    labels = (np.arange(60) % 2).astype(np.int16)
    assert (separations((SIDE, SIDE), (labels, 1 - labels), 2) < 0).all()


def test_separations_follow_their_definition():
    other = SIDE + np.random.default_rng(4).standard_normal((60, 4))
    here, there = (np.stack([rows[k == LABELS].mean(axis=0) for k in range(3)]) for rows in (SIDE, other))
    apart = pairwise_distances(here, there)
    wanted = [
        1
        - apart[k, k]
        / min(*(apart[k, j] for j in range(3) if j != k), *(apart[j, k] for j in range(3) if j != k))
        for k in range(3)
    ]
    assert separations((SIDE, other), (LABELS, LABELS), 3) == pytest.approx(wanted)


def test_what_only_one_photograph_has_is_not_separated():
    found = separations((SIDE, SIDE), (LABELS, LABELS % 2), 3)
    assert found[2] == 0 and np.isfinite(found).all()


def test_the_names_of_regions_do_not_matter():
    other, order = SIDE + 0.3, np.array([2, 0, 1], np.int16)
    plain = separations((SIDE, other), (LABELS, LABELS), 3)
    assert separations((SIDE, other), (order[LABELS],) * 2, 3)[order] == pytest.approx(plain)


def test_confidence_grows_with_separation_and_contrast_up_to_1():
    assert confidence_of(-0.5) == 0 and confidence_of(SURE_SEPARATION) == 1 == confidence_of(1.0, 1.0)
    assert 0 == confidence_of(UNSURE_SEPARATION) < confidence_of(HALF_APART) < confidence_of(SURE_SEPARATION)
    assert confidence_of(1.0, SURE_CONTRAST / 2) == pytest.approx(0.5)


def test_where_evidence_is_missing_trust_has_a_limit_and_doubts_count_on_top():
    assert confidence_of(1.0, colored=False) == WITHOUT_COLOR and confidence_of(1.0, strip=True) == IN_STRIPS
    assert confidence_of(HALF_APART, colored=False, strip=True) == pytest.approx(
        0.5 * WITHOUT_COLOR * IN_STRIPS, abs=1e-4
    )


def test_nothing_is_trusted_of_photographs_whose_backdrops_are_not_stable():
    assert confidence_of(1.0, stability=UNSURE_STABILITY) == 0 == confidence_of(1.0, stability=0.0)
    assert confidence_of(1.0, stability=SURE_STABILITY) == 1
    middle = (UNSURE_STABILITY + SURE_STABILITY) / 2
    assert confidence_of(1.0, 1.0, middle) == pytest.approx(0.5)
    assert confidence_of(HALF_APART, 1.0, middle) == pytest.approx(0.25)


def test_either_contrast_or_variety_tells_several_surfaces():
    assert several_surfaces(ONE_CONTRAST, ONE_VARIETY) == 0
    assert several_surfaces(SEVERAL_CONTRAST, 0.0) == 1 == several_surfaces(0.0, SEVERAL_VARIETY)
    assert several_surfaces((ONE_CONTRAST + SEVERAL_CONTRAST) / 2, ONE_VARIETY) == pytest.approx(0.5)


def test_nothing_is_trusted_of_a_single_surface():
    assert confidence_of(1.0, several=0.0) == 0 < confidence_of(1.0, several=0.5) < confidence_of(1.0)
