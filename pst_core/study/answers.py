"""What respondents sent: read as strictly as anything from outside, one person counted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from pst_core.study.key import STRICT, StudyError, StudyKey, read_json

MOST_ANSWERS_BYTES = 2**20


class Answer(BaseModel):
    """One choice.

    Attributes
    ----------
    pair : str
        The pair's id.
    shown : tuple of str
        The options' ids in the order in which they were shown.
    choice : str
        One of them.
    seconds : float
        How long the pair was on the screen.
    """

    model_config = STRICT

    pair: str
    shown: tuple[str, ...]
    choice: str
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Response(BaseModel):
    """All choices of one respondent, in the order in which the pairs were shown.

    Attributes
    ----------
    format : str
    build : str
        Which page was answered.
    respondent : str
        Random; nothing else is known of the person.
    answers : tuple of Answer
    """

    model_config = STRICT

    format: Literal["pst-study-answers-1"]
    build: str
    respondent: Annotated[str, Field(pattern=r"^[0-9a-f]{16}\z")]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Answers:
    """The responses that count, and a sentence for each file that does not.

    Attributes
    ----------
    responses : tuple of Response
        By respondent's id.
    problems : tuple of str
    """

    responses: tuple[Response, ...]
    problems: tuple[str, ...]


def read_answers(files: Sequence[Path], key: StudyKey) -> Answers:
    """Read answer files; a respondent counts once, and not at all where two files contradict each other.

    Parameters
    ----------
    files
        As the page saved them, in any order.
    key
        Of the page that was answered.
    """
    found: dict[str, tuple[Path, Response]] = {}
    contradicted: set[str] = set()
    problems = []
    for path in files:
        try:
            response = _read_response(path, key)
        except StudyError as error:
            problems.append(str(error))
            continue
        first, known = found.setdefault(response.respondent, (path, response))
        if known != response:
            contradicted.add(response.respondent)
            problems.append(
                f"{first} and {path} are one respondent's and contradict each other, so neither counts: "
                "remove the wrong one."
            )
    counted = [found[respondent][1] for respondent in sorted(found.keys() - contradicted)]
    return Answers(tuple(counted), tuple(problems))


def _read_response(path: Path, key: StudyKey) -> Response:
    response = read_json(path, Response, "a study's answers", MOST_ANSWERS_BYTES)
    if response.build != key.build:
        raise StudyError(
            f"{path} answers another study (build {response.build!r}, not {key.build}): use that one's key."
        )
    if fault := _misfit(response, key):
        raise StudyError(f"{path} does not fit the study ({fault}): get it anew.")
    return response


def _misfit(response: Response, key: StudyKey) -> str | None:
    """What cannot have come from the study's page; None if all of it can."""
    options = {pair.id: pair.options.keys() for pair in key.pairs}
    answered = [answer.pair for answer in response.answers]
    if sorted(answered) != sorted(options):
        return "it does not answer each pair once"
    for answer in response.answers:
        if sorted(answer.shown) != sorted(options[answer.pair]):
            return f"pair {answer.pair} was not shown with its own pictures"
        if answer.choice not in options[answer.pair]:
            return f"the choice for pair {answer.pair} is none of its pictures"
    return None
