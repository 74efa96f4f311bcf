"""A figure over many pairs, from the files of their pictures, on as many pages as it takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.evaluation.crops import Crop, choose_crops
from pst_core.evaluation.figures import draw_ablation, draw_comparison
from pst_core.evaluation.layout import CONTENT, STYLE, ComparisonRow, paginate
from pst_core.images.reading import read_photograph
from pst_core.quality.subject import fit_to

__all__ = ["ComparedPair", "draw_pages"]

Floats = NDArray[np.float32]
PAIRS_AT_ONCE = 8  # whose pictures are in memory


@dataclass(frozen=True)
class ComparedPair:
    """A pair's files.

    Attributes
    ----------
    name : str
    content, style : Path
    results : mapping
        Column title -> picture; None where there is none.
    """

    name: str
    content: Path
    style: Path
    results: Mapping[str, Path | None]


def draw_pages(
    pairs: Sequence[ComparedPair], crops: Sequence[Crop] = (), *, ablation: bool = False
) -> Iterator[bytes]:
    """Draw pairs below one another, a column a method; PNG, a picture a page.

    Parameters
    ----------
    pairs
        Results are brought to their content's size. A picture that cannot be read, or shows another view
        than its content, leaves a grey cell.
    crops
        Details to magnify, in pixels of the content; found by themselves if none is given.
    ablation
        As `draw_ablation` draws, without details, instead of as `draw_comparison`.

    Raises
    ------
    ConfigError
        As `draw_comparison` does.
    """
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        rows = [_row(pair, crops, magnified=not ablation) for pair in pairs[start : start + PAIRS_AT_ONCE]]
        for page in paginate(rows, inset=ablation):
            yield draw_ablation(page) if ablation else draw_comparison(page)


def _row(pair: ComparedPair, crops: Sequence[Crop], *, magnified: bool) -> ComparisonRow:
    content, style = _read(pair.content), _read(pair.style)
    results = {
        title: None if content is None else _read(path, like=content) for title, path in pair.results.items()
    }
    if not magnified:
        crops = ()
    elif not crops and content is not None:
        # Between methods: the content differs from all of them.
        crops = choose_crops([each for each in results.values() if each is not None] or [content])
    return ComparisonRow(pair.name, {CONTENT: content, STYLE: style, **results}, tuple(crops))


def _read(path: Path | None, *, like: Floats | None = None) -> Floats | None:
    """A picture, of another's size if one is given; None where there is none: the table says why."""
    if path is None:
        return None
    try:
        pixels = read_photograph(path).pixels
        return pixels if like is None else fit_to(pixels, like.shape)
    except PstError:
        return None
