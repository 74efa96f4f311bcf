"""Every measure of a result, in one place: what it is called, which way is better, and how it is taken.

Whoever adds a measure adds it here. Table 1, the tables of evaluations and batches, reports, pages, the
gallery and the terminal have the measures of the lists below. Nothing here is heavy until it is taken.

What is measured of every picture must take no time; of similarity and colours that is a quick version on some
of the pixels, which is a measure of its own: of large pictures its values are not quite those of Table 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from pst_core.errors import PstError

if TYPE_CHECKING:
    from pst_core.quality.subject import Subject

NONE = "n/a"
NOT_FINITE = "the measure gave no finite number"


@dataclass(frozen=True)
class Measure:
    """One way to put a number on a result.

    Attributes
    ----------
    key : str
        Its name in files: columns of Parquet, JSON.
    label : str
        What people call it.
    digits : int
        Shown after the decimal point.
    better : {"higher", "lower"}
    model : {"brisque", "niqe", "network", ""}
        What it takes besides the pictures.
    explanation : str
        The label where there is room for more words.
    """

    key: str
    label: str
    digits: int
    better: Literal["higher", "lower"]
    model: Literal["brisque", "niqe", "network", ""] = ""
    explanation: str = ""

    @property
    def arrow(self) -> str:
        """The direction of better values."""
        return "↑" if self.better == "higher" else "↓"

    def text(self, value: float | None) -> str:
        """The value to its digits."""
        return NONE if value is None else f"{value:.{self.digits}f}"


MEASURES = {measure.key: measure for measure in (
    Measure("brisque", "BRISQUE", 3, "lower", "brisque"),
    Measure("niqe", "NIQE", 3, "lower", "niqe"),
    Measure("ssim", "SSIM", 3, "higher"),
    Measure("color_distance", "Colour distance", 2, "lower"),
    Measure("gram_distance", "Gram distance", 3, "lower", "network"),
    Measure("rim_overshoot", "Rim overshoot", 2, "lower",
            explanation="Rim overshoot along the content's edges, against its own"),
    Measure("largest_slope", "Largest slope", 2, "lower", explanation="Largest slope of the colour change"),
    Measure("ssim_quick", "Quick SSIM", 3, "higher", explanation="Quick SSIM to the content"),
    Measure("color_distance_quick", "Quick colour distance", 2, "lower",
            explanation="Quick colour distance to the style, by region"),
    Measure("color_distance_before_quick", "Quick colour distance before", 2, "lower",
            explanation="The same before"),
    Measure("color_distance_whole_quick", "Quick colour distance as a whole", 2, "lower",
            explanation="Quick colour distance to the style, as a whole"),
    Measure("gram_distance_quick", "Quick Gram distance", 3, "lower", "network",
            explanation="Quick Gram distance to the style, by region"),
    Measure("answer_psnr", "PSNR", 2, "higher", explanation="PSNR to the right answer in decibels"),
    Measure("answer_ssim", "SSIM to the answer", 3, "higher"),
    Measure("answer_ciede2000", "CIEDE2000", 2, "lower",
            explanation="Mean CIEDE2000 to the right answer"),
)}  # fmt: skip
"""Key -> measure."""


def _ways(subject: "Subject") -> Mapping[str, Callable[[], float]]:
    """How each measure is taken, by its key; PstError where it cannot be."""
    from pst_core.quality.answers import answer_similarity, mean_ciede2000, peak_signal_to_noise
    from pst_core.quality.brisque import brisque
    from pst_core.quality.distances import color_distance, structural_similarity
    from pst_core.quality.grams import gram_distance, quick_gram_distance
    from pst_core.quality.niqe import niqe
    from pst_core.quality.quick import quick_color_distance, quick_similarity, undivided
    from pst_core.quality.rims import rim_overshoot
    from pst_core.quality.slopes import largest_slope

    image, content, style, regions = subject.image, subject.content, subject.style, subject.regions
    counted = regions.content_counted
    return {
        "brisque": lambda: brisque(image, subject.models.brisque, counted),
        "niqe": lambda: niqe(image, subject.models.niqe, counted),
        "ssim": lambda: structural_similarity(image, content, counted),
        "color_distance": lambda: color_distance(
            image, style, regions.content, regions.style, matched=regions.matched
        ),
        "gram_distance": lambda: gram_distance(image, style, regions, subject.encoder, subject.layers),
        "rim_overshoot": lambda: rim_overshoot(image, content, counted),
        "largest_slope": lambda: largest_slope(image, content, regions.content),
        "ssim_quick": lambda: quick_similarity(image, content, counted),
        "color_distance_quick": lambda: quick_color_distance(image, style, regions),
        "color_distance_before_quick": lambda: quick_color_distance(content, style, regions),
        "color_distance_whole_quick": lambda: quick_color_distance(image, style, undivided(regions)),
        "gram_distance_quick": lambda: quick_gram_distance(
            image, style, regions, subject.encoder, subject.layers
        ),
        "answer_psnr": lambda: peak_signal_to_noise(image, subject.known_answer, counted),
        "answer_ssim": lambda: answer_similarity(image, subject.known_answer, counted),
        "answer_ciede2000": lambda: mean_ciede2000(image, subject.known_answer, counted),
    }


def _chosen(*keys: str) -> tuple[Measure, ...]:
    return tuple(MEASURES[key] for key in keys)


_LOOKS = ("rim_overshoot", "largest_slope")  # which take no time, and stand in every table and report
TABULATED = _chosen("brisque", "niqe", "ssim", "color_distance", "gram_distance", *_LOOKS)
"""Those of an evaluation's table: the paper's Table 1 and more."""
ANSWERED = _chosen("answer_psnr", "answer_ssim", "answer_ciede2000", "gram_distance", *_LOOKS)
"""Those of an evaluation's table where the right answer is known."""
REPORTED = _chosen(
    "ssim_quick", "color_distance_quick", "color_distance_before_quick", "color_distance_whole_quick",
    "gram_distance_quick", *_LOOKS, "brisque", "niqe",
)  # fmt: skip
"""Those of every picture that is made, in its report."""
LISTED = _chosen("ssim_quick", "color_distance_quick", "gram_distance_quick", *_LOOKS, "brisque", "niqe")
"""Of these, those by which a batch's results can be compared: in tables, gallery and terminal."""


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


def take(measures: Sequence[Measure], subject: "Subject") -> Measures:
    """Measure a result; a measure that cannot be taken has a reason in place of a number."""
    ways, values, reasons = _ways(subject), dict[str, float | None](), dict[str, str]()
    for measure in measures:
        try:
            values[measure.key] = ways[measure.key]()
        except PstError as error:
            values[measure.key], reasons[measure.key] = None, str(error)
    names = {
        "brisque": subject.models.brisque.name, "niqe": subject.models.niqe.name, "network": subject.weights,
    }  # fmt: skip
    models = {measure.key: names[measure.model] for measure in measures if measure.model}
    return Measures(values=values, reasons=reasons, models=models)


def take_mean(
    measures: Sequence[Measure], subjects: Sequence["Subject"], shares: Sequence[float]
) -> Measures:
    """Measure a result of several styles against each of them: means by the styles' shares.

    What cannot be taken against one of them is not taken. One style's measures stay as they are.
    """
    taken = [take(measures, subject) for subject in subjects]
    if len(taken) == 1:
        return taken[0]
    reasons = {key: reason for each in taken for key, reason in each.reasons.items()}
    values = {
        measure.key: _mean([each.values[measure.key] for each in taken], shares) for measure in measures
    }
    return Measures(values=values, reasons=reasons, models=taken[0].models)


def _mean(values: Sequence[float | None], shares: Sequence[float]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return sum(share * value for share, value in zip(shares, known, strict=True))


def in_words(scores: Mapping[str, float | None]) -> str:
    """What a sentence says of a picture's scores: ``quick SSIM 0.712, BRISQUE 20.114``; of none, nothing."""
    return ", ".join(
        f"{each.label if each.label.isupper() else each.label[0].lower() + each.label[1:]} {each.text(value)}"
        for each in LISTED
        if (value := scores.get(each.key)) is not None
    )
