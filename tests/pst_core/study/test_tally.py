"""What the answers add up to."""

import numpy as np
import pytest
from scipy.stats import norm
from study_pages import METHODS, refusal

from pst_core.study.key import StudyError
from pst_core.study.tally import tally_study


def by_hand(count, total):
    """Wilson (1927)."""
    z = norm.ppf(0.975)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return middle - reach, middle + reach


def test_votes_are_counted_by_pair_and_in_all(study, answer):
    files = [
        answer(1, "ours", "ours"),
        answer(2, "ours", "luan"),
        answer(3, "luan", "luan"),
        answer(4, "ours", "luan"),
    ]
    tally = tally_study(files, study.key)
    counts = {(share.pair, share.method): share.count for share in (*tally.by_pair, *tally.overall)}
    assert counts == {
        ("meadow", "ours"): 3, ("meadow", "luan"): 1, ("meadow", "gatys"): 0,
        ("harbour", "ours"): 1, ("harbour", "luan"): 3, ("harbour", "gatys"): 0,
        (None, "ours"): 4, (None, "luan"): 4, (None, "gatys"): 0,
    }  # fmt: skip
    assert [share.share for share in tally.overall] == [0.5, 0.5, 0.0]
    assert (tally.respondents, tally.sentence) == (4, "4 respondents, 8 responses")
    for share in tally.by_pair:
        assert (share.low, share.high) == pytest.approx(by_hand(share.count, 4), abs=1e-12)
        assert share.interval == "wilson"


def test_each_choice_is_kept_with_where_it_stood(study, answer):
    (first, _) = tally_study([answer(1, "gatys", "ours")], study.key).choices
    pair = study.key.pairs[0]
    shown = sorted(pair.options)
    assert (first.pair, first.method, first.turn, first.seconds) == ("meadow", "gatys", 1, 4.5)
    assert first.shown == tuple(pair.options[option] for option in shown)
    assert first.shown[first.position - 1] == "gatys"


def test_the_overall_interval_knows_that_a_respondents_choices_hang_together(study, answer):
    """With everyone of one mind throughout, twenty people are twenty choices, not forty."""
    loyal = [answer(n, *(("ours",) * 2 if n % 2 else ("luan",) * 2)) for n in range(20)]
    torn = [answer(100 + n, "ours", "luan") for n in range(19)] + [answer(200, "ours", "ours")]
    ours, _, gatys = tally_study(loyal, study.key).overall
    assert ours.interval == "bootstrap"
    normal = 1.96 * np.sqrt(0.25 / 20)
    assert (ours.low, ours.high) == pytest.approx((0.5 - normal, 0.5 + normal), abs=0.03)
    assert ours.high - ours.low > 1.3 * np.subtract(*by_hand(20, 40)[::-1])
    other = tally_study(torn, study.key).overall[0]
    assert other.high - other.low < 0.5 * (ours.high - ours.low)
    assert (gatys.interval, gatys.low) == ("wilson", 0.0)  # nobody's choice: nothing to draw from
    assert gatys.high == pytest.approx(by_hand(0, 40)[1], abs=1e-12)


def test_of_one_respondent_wilsons_interval_has_to_do(study, answer):
    tally = tally_study([answer(1, "ours", "luan")], study.key)
    assert {share.interval for share in tally.overall} == {"wilson"}
    assert (tally.overall[0].low, tally.overall[0].high) == pytest.approx(by_hand(1, 2), abs=1e-12)


def test_a_tally_hangs_neither_on_the_files_order_nor_on_chance(study, answer):
    files = [answer(n, METHODS[n % 3], METHODS[n % 2]) for n in range(9)]
    assert tally_study(files, study.key) == tally_study(files[::-1], study.key)


def test_without_answers_there_is_nothing_to_count(study, answer):
    assert "no answers" in refusal(StudyError, tally_study, [], study.key)
    bad = answer(1, "ours", "luan", build="x")
    assert str(bad) in refusal(StudyError, tally_study, [bad], study.key)
