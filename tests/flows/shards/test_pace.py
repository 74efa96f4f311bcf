"""What a pair takes, by what pairs took before."""

from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.table import write_outcomes
from flows.shards.pace import Pace


def test_a_folders_last_batch_is_a_guess_until_something_is_known(tmp_path):
    outcomes = (
        PairOutcome(name="a", state="done", seconds=4.0), PairOutcome(name="b", state="cached", seconds=0.1),
        PairOutcome(name="c", state="done", seconds=6.0),
    )  # fmt: skip
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=3))
    pace = Pace.of_folder(tmp_path)
    assert pace.seconds == 5.0
    pace.add(1.0)
    pace.add(2.0)
    assert pace.seconds == 1.5


def test_nobody_knows_where_nothing_was_done(tmp_path):
    assert Pace.of_folder(tmp_path).seconds is None
