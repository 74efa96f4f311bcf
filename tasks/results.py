"""What the units hand on: references into the store, and the few facts a report needs. Never a tensor."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from pst_core.store import Reference

__all__ = [
    "Explained",
    "Measures",
    "Optimised",
    "Precomputed",
    "Previews",
    "Rendered",
    "Scored",
    "Scores",
    "Segmented",
]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Segmented(_Result):
    """Regions of both photographs, and what a report says of them.

    Attributes
    ----------
    unmatched : bool
        Whether a region of the content has no counterpart in the style.
    notes : tuple of str
        On how the files were read and what regions were found.
    """

    regions: Reference
    description: dict[str, Any]
    unmatched: bool
    notes: tuple[str, ...]


class Precomputed(_Result):
    """A pair at one working size, its targets, and the network that made them."""

    working: Reference
    targets: Reference
    weights: dict[str, Any]
    device: str
    dtype: str


class Optimised(_Result):
    """A stage's image, not yet filtered, and the loss of every evaluation."""

    image: Reference
    losses: Reference


class Rendered(_Result):
    """The finished picture at full size, without a recipe, and the strength of its closing colour match."""

    picture: Reference
    color_match: float


class Scores(_Result):
    """How far the result is from its content in structure, and from its style in colour.

    Attributes
    ----------
    ssim : float or None
        To the content; None if the picture is too small for it.
    color_distance, color_distance_whole : float or None
        To the style, region by region and as a whole, in CIELAB units.
    color_distance_before : float or None
        The content's own, region by region.
    brisque, niqe : float or None
        How natural it looks by itself, lower is better; None if the picture is too small or has no structure.
    models : dict
        ``brisque`` and ``niqe`` -> name of the model that gave the score.
    """

    ssim: float | None
    color_distance: float | None
    color_distance_whole: float | None
    color_distance_before: float | None
    brisque: float | None
    niqe: float | None
    models: dict[str, str]


class Previews(_Result):
    """Small JPEGs of content, style and result, for pages and contact sheets."""

    content: Reference
    style: Reference
    result: Reference


class Scored(_Result):
    """Scores, and what one sees beside them."""

    scores: Scores
    previews: Previews


class Explained(_Result):
    """What explains a result: losses as a table and as a curve, and the regions as a picture."""

    losses: Reference
    curve: Reference
    region_map: Reference
    stages: tuple[dict[str, Any], ...]


class Measures(_Result):
    """Every measure of one picture.

    Attributes
    ----------
    values : dict
        Measure -> value, None where there is none.
    reasons : dict
        Measure -> why there is none.
    models : dict
        ``brisque`` and ``niqe`` -> name of the model; ``gram_distance`` -> the network's weights.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    models: dict[str, str]
