"""Every measure of a result, in one table: what it is called, which way is better, and how it is taken.

Whoever adds a measure adds it here. Table 1, the tables of evaluations and batches, reports, pages, the
gallery and the terminal have the measures of the lists below. Nothing here is heavy until it is taken.

What is measured of every picture must take no time; of similarity and colours that is a quick version on some
of the pixels, which is a measure of its own: its values are not those of Table 1's for large pictures.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from pst_core.errors import PstError
from pst_core.quality.subject import Subject

__all__ = [
    "LISTED", "MEASURES", "NONE", "REPORTED", "TABULATED", "Measure", "Measures", "in_words", "take",
]  # fmt: skip

NONE = "n/a"
NOT_FINITE = "the measure gave no finite number"


@dataclass(frozen=True)
class Measure:
    """One way to put a number on a result.

    Attributes
    ----------
    key : str
        Its name in files: parquet's columns, JSON.
    label : str
        What people call it.
    digits : int
        Shown after the decimal point.
    better : {"higher", "lower"}
    of : callable
        Takes it of a `Subject`; raises PstError where it cannot be taken.
    model : callable, optional
        What to call the model or network that a `Subject`'s number is by, for measures that need one.
    explanation : str
        The label where there is room for more words.
    """

    key: str
    label: str
    digits: int
    better: Literal["higher", "lower"]
    of: Callable[[Subject], float]
    model: Callable[[Subject], str] | None = None
    explanation: str = ""

    @property
    def arrow(self) -> str:
        """The direction of better values."""
        return "↑" if self.better == "higher" else "↓"

    def text(self, value: float | None) -> str:
        """The value to its digits."""
        return NONE if value is None else f"{value:.{self.digits}f}"


class Measures(BaseModel):
    """What was measured of one picture.

    Attributes
    ----------
    values : dict
        Measure's key -> value; no finite number is none (None).
    reasons : dict
        Key -> why there is no value.
    models : dict
        Key -> the model or the network that it was measured with, where it takes one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, float | None]
    reasons: dict[str, str] = {}
    models: dict[str, str] = {}

    @model_validator(mode="after")
    def _finite(self) -> "Measures":
        for key, value in self.values.items():
            if value is not None and not math.isfinite(value):
                self.values[key] = None
                self.reasons.setdefault(key, NOT_FINITE)
        return self


def take(measures: Sequence[Measure], subject: Subject) -> Measures:
    """Measure a result; a measure that cannot be taken has a reason in place of a number."""
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for measure in measures:
        try:
            values[measure.key] = measure.of(subject)
        except PstError as error:
            values[measure.key], reasons[measure.key] = None, str(error)
    models = {measure.key: measure.model(subject) for measure in measures if measure.model}
    return Measures(values=values, reasons=reasons, models=models)


def in_words(scores: Mapping[str, float | None]) -> str:
    """What a sentence says of a picture's scores: ``quick SSIM 0.712, BRISQUE 20.114``; of none, nothing."""
    known = [(measure, value) for measure in LISTED if (value := scores.get(measure.key)) is not None]
    return ", ".join(
        f"{measure.label if measure.label.isupper() else measure.label[0].lower() + measure.label[1:]} "
        f"{measure.text(value)}"
        for measure, value in known
    )


def _brisque(subject: Subject) -> float:
    from pst_core.quality.brisque import brisque

    return brisque(subject.image, subject.models.brisque)


def _niqe(subject: Subject) -> float:
    from pst_core.quality.niqe import niqe

    return niqe(subject.image, subject.models.niqe)


def _similarity(subject: Subject) -> float:
    from pst_core.quality.distances import structural_similarity

    return structural_similarity(subject.image, subject.content)


def _color_distance(subject: Subject) -> float:
    from pst_core.quality.distances import color_distance

    regions = subject.regions
    return color_distance(
        subject.image, subject.style, regions.content, regions.style, matched=regions.matched
    )


def _gram_distance(subject: Subject) -> float:
    from pst_core.quality.grams import gram_distance

    if subject.encoder is None:
        raise PstError("The Gram distance needs a network.")
    return gram_distance(subject.image, subject.style, subject.regions, subject.encoder, subject.layers)


def _quick_similarity(subject: Subject) -> float:
    from pst_core.quality.quick import quick_similarity

    return quick_similarity(subject.image, subject.content)


def _quick_color_distance(subject: Subject) -> float:
    from pst_core.quality.quick import quick_color_distance

    return quick_color_distance(subject.image, subject.style, subject.regions)


def _quick_color_distance_before(subject: Subject) -> float:
    from pst_core.quality.quick import quick_color_distance

    return quick_color_distance(subject.content, subject.style, subject.regions)


def _quick_color_distance_whole(subject: Subject) -> float:
    from pst_core.quality.quick import quick_color_distance, undivided

    return quick_color_distance(subject.image, subject.style, undivided(subject.regions))


MEASURES = {measure.key: measure for measure in (
    Measure("brisque", "BRISQUE", 3, "lower", _brisque, lambda subject: subject.models.brisque.name),
    Measure("niqe", "NIQE", 3, "lower", _niqe, lambda subject: subject.models.niqe.name),
    Measure("ssim", "SSIM", 3, "higher", _similarity),
    Measure("color_distance", "Colour distance", 2, "lower", _color_distance),
    Measure("gram_distance", "Gram distance", 3, "lower", _gram_distance, lambda subject: subject.weights),
    Measure("ssim_quick", "Quick SSIM", 3, "higher", _quick_similarity,
            explanation="Quick SSIM to the content"),
    Measure("color_distance_quick", "Quick colour distance", 2, "lower", _quick_color_distance,
            explanation="Quick colour distance to the style, by region"),
    Measure("color_distance_before_quick", "Quick colour distance before", 2, "lower",
            _quick_color_distance_before, explanation="The same before"),
    Measure("color_distance_whole_quick", "Quick colour distance as a whole", 2, "lower",
            _quick_color_distance_whole, explanation="Quick colour distance to the style, as a whole"),
)}  # fmt: skip
"""Key -> measure."""


def _chosen(*keys: str) -> tuple[Measure, ...]:
    return tuple(MEASURES[key] for key in keys)


TABULATED = _chosen("brisque", "niqe", "ssim", "color_distance", "gram_distance")
"""Those of an evaluation's table, the paper's Table 1."""
REPORTED = _chosen(
    "ssim_quick", "color_distance_quick", "color_distance_before_quick", "color_distance_whole_quick",
    "brisque", "niqe",
)  # fmt: skip
"""Those of every picture that is made, in its report."""
LISTED = _chosen("ssim_quick", "color_distance_quick", "brisque", "niqe")
"""Of these, those by which a batch's results can be compared: in tables, gallery and terminal."""
