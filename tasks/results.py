"""What the units hand on: references into the store, and the few facts a report needs. Never a tensor."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from pst_core.store import Reference


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parts(_Result):
    """A pair that was made of one photograph, and its right answer."""

    content: Reference
    style: Reference
    answer: Reference


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
    """The finished picture at full size, with nothing but its pixels in it.

    Attributes
    ----------
    described : Reference
        What the content says about itself, to be put into the picture.
    color_match : float
        Strength of its closing colour match.
    notes : tuple of str
        On what the content says about itself and the picture does not.
    """

    picture: Reference
    described: Reference
    color_match: float
    notes: tuple[str, ...]


class Scored(_Result):
    """What was measured of a finished picture, and what one sees beside it.

    Attributes
    ----------
    scores : dict
        Key of each of `pst_core.quality.measures.REPORTED` -> value, None where there is none.
    models : dict
        Key -> the model that it was measured with, where it takes one.
    previews : dict
        ``content``, ``style`` and ``result`` -> a small JPEG, for pages and contact sheets.
    """

    scores: dict[str, float | None]
    models: dict[str, str]
    previews: dict[str, Reference]


class Explained(_Result):
    """What explains a result: losses as a table and as a curve, and the regions as a picture."""

    losses: Reference
    curve: Reference
    region_map: Reference
    stages: tuple[dict[str, Any], ...]


class FittedRegion(_Result):
    """A region's look as a file of its own, and where it lies in the content."""

    name: str
    cube: Reference
    mask: Reference


class Fitted(_Result):
    """The look of a finished pair, and the files of it that other programs read.

    Attributes
    ----------
    look : Reference
    cube : Reference
        Of the whole picture.
    regions : tuple of FittedRegion
    """

    look: Reference
    cube: Reference
    regions: tuple[FittedRegion, ...]


class Applied(_Result):
    """A photograph under a look, at full size, with nothing but its pixels in it.

    Attributes
    ----------
    picture, described : Reference
        As of `Rendered`.
    before, after : Reference
        Small pictures of the photograph and of what became of it.
    notes : tuple of str
        How its file was read, where regions were found, what goes not along of what it says about itself.
    """

    picture: Reference
    described: Reference
    before: Reference
    after: Reference
    notes: tuple[str, ...]


class Surveyed(_Result):
    """Places, among some frames in a row, of those that begin another shot than the frame before them."""

    cuts: tuple[int, ...]


class Shown(_Result):
    """Small pictures of a frame and of what became of it."""

    before: Reference
    after: Reference
