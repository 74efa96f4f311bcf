"""From answers to votes: how many chose each method, pair by pair and in all, and how sure that is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pst_core.study.answers import Response, read_answers
from pst_core.study.key import KeyPair, StudyError, StudyKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
_RESAMPLES = 5000
_SEED = 0

Interval = Literal["wilson", "bootstrap"]


@dataclass(frozen=True)
class Choice:
    """One respondent's choice for one pair, in names.

    Attributes
    ----------
    respondent, pair, method : str
    turn : int
        As which of the respondent's pairs it was shown, from 1.
    position : int
        Where the chosen result stood, from 1.
    shown : tuple of str
        The methods in the order in which their results stood.
    seconds : float
    """

    respondent: str
    pair: str
    method: str
    turn: int
    position: int
    shown: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Share:
    """How often a method was chosen.

    Attributes
    ----------
    method : str
    pair : str or None
        None for all pairs together.
    count, responses : int
        Choices of this method, and choices in all.
    share, low, high : float
        In [0, 1]; the bounds are those of the 95 % interval.
    interval : {"wilson", "bootstrap"}
        How the bounds were found.
    """

    method: str
    pair: str | None
    count: int
    responses: int
    share: float
    low: float
    high: float
    interval: Interval


@dataclass(frozen=True)
class Tally:
    """A study's outcome.

    Attributes
    ----------
    title : str
    pairs, methods : tuple of str
        In the key's order.
    respondents : int
    choices : tuple of Choice
    by_pair, overall : tuple of Share
    problems : tuple of str
        A sentence for each file that was not counted.
    """

    title: str
    pairs: tuple[str, ...]
    methods: tuple[str, ...]
    respondents: int
    choices: tuple[Choice, ...]
    by_pair: tuple[Share, ...]
    overall: tuple[Share, ...]
    problems: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """How much there was to count: ``20 respondents, 100 responses``."""
        counts = {"respondent": self.respondents, "response": len(self.choices)}
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items())


def tally_study(files: Sequence[Path], key: StudyKey) -> Tally:
    """Count the votes of a study (Yang, section 4.1 and Figure 4).

    A pair has one choice of each respondent; these are independent, and each method's share has Wilson's
    interval. Over all pairs a respondent has several choices, which are not: who likes a method's look in one
    pair may well like it in the next. There the interval is a percentile bootstrap over respondents, with a
    fixed seed; Wilson's, which takes all choices for independent and is too narrow, stands in where the
    bootstrap has nothing to go by: one respondent, or the same share with every one.

    Parameters
    ----------
    files
        Answers as the page saved them.
    key
        Of the page that was answered.

    Raises
    ------
    StudyError
        No file has answers that count.
    """
    answers = read_answers(files, key)
    if not answers.responses:
        reason = f": {answers.problems[0]}" if answers.problems else ": name the files that the page saved."
        raise StudyError(f"There are no answers to count{reason}")
    choices = tuple(choice for response in answers.responses for choice in _named(response, key))
    return Tally(
        title=key.title, pairs=tuple(pair.name for pair in key.pairs), methods=key.methods,
        respondents=len(answers.responses), choices=choices,
        by_pair=tuple(share for pair in key.pairs for share in _pair_shares(pair, choices)),
        overall=_overall(key, choices, len(answers.responses)), problems=answers.problems,
    )  # fmt: skip


def _named(response: Response, key: StudyKey) -> list[Choice]:
    pairs = {pair.id: pair for pair in key.pairs}
    return [
        Choice(
            respondent=response.respondent, pair=pairs[answer.pair].name,
            method=pairs[answer.pair].options[answer.choice], turn=turn,
            position=answer.shown.index(answer.choice) + 1,
            shown=tuple(pairs[answer.pair].options[option] for option in answer.shown),
            seconds=answer.seconds,
        )
        for turn, answer in enumerate(response.answers, start=1)
    ]  # fmt: skip


def _pair_shares(pair: KeyPair, choices: Sequence[Choice]) -> list[Share]:
    votes = Counter(choice.method for choice in choices if choice.pair == pair.name)
    return [_wilson(method, pair.name, votes[method], votes.total()) for method in pair.options.values()]


def _wilson(method: str, pair: str | None, count: int, responses: int) -> Share:
    from scipy.stats import binomtest

    bounds = binomtest(count, responses).proportion_ci(CONFIDENCE, method="wilson")
    share = count / responses
    low, high = min(float(bounds.low), share), max(float(bounds.high), share)  # rounding, at 0 and 1
    return Share(method, pair, count, responses, share, low, high, "wilson")


def _overall(key: StudyKey, choices: Sequence[Choice], respondents: int) -> tuple[Share, ...]:
    import numpy as np

    places = {respondent: row for row, respondent in enumerate(sorted({each.respondent for each in choices}))}
    votes = np.zeros((respondents, len(key.methods)))
    for choice in choices:
        votes[places[choice.respondent], key.methods.index(choice.method)] += 1
    bounds = _bootstrap(votes / len(key.pairs))
    shares = []
    for column, method in enumerate(key.methods):
        wilson = _wilson(method, None, int(votes[:, column].sum()), len(choices))
        if np.ptp(votes[:, column]) == 0:
            shares.append(wilson)
            continue
        low, high = bounds[:, column].tolist()
        shares.append(Share(method, None, wilson.count, len(choices), wilson.share, low, high, "bootstrap"))
    return tuple(shares)


def _bootstrap(shares: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Percentile interval of the mean over respondents.

    Parameters
    ----------
    shares : ndarray, shape (respondents, methods)
        In [0, 1].

    Returns
    -------
    ndarray, shape (2, methods)
    """
    import numpy as np

    people = len(shares)
    drawn = np.random.default_rng(_SEED).multinomial(people, np.full(people, 1 / people), _RESAMPLES)
    tail = 50 * (1 - CONFIDENCE)
    bounds: NDArray[np.float64] = np.percentile(drawn @ shares / people, [tail, 100 - tail], axis=0)
    return bounds
