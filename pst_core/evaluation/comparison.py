"""A figure over many pairs, from the files of their pictures, on as many pages as it takes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.evaluation.crops import Crop, choose_crops
from pst_core.evaluation.figures import draw_ablation, draw_comparison
from pst_core.evaluation.layout import CONTENT, STYLE, ComparisonRow, paginate
from pst_core.images.reading import read_photograph
from pst_core.quality.subject import fit_to

Floats = NDArray[np.float32]
Files = Mapping[str, Path | None]
PAIRS_AT_ONCE = 8  # whose pictures are in memory


def draw_pages(
    pairs: Sequence[tuple[str, Files]], crops: Sequence[Crop] = (), *, ablation: bool = False
) -> Iterator[bytes]:
    """Draw pairs below one another, a column a method; PNG, a picture a page.

    Parameters
    ----------
    pairs
        Name, and column title -> picture, `CONTENT` and `STYLE` among them. Results are brought to their
        content's size. One that is None, cannot be read, or shows another view leaves a grey cell.
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
        some = pairs[start : start + PAIRS_AT_ONCE]
        rows = [_row(name, files, crops, magnified=not ablation) for name, files in some]
        for page in paginate(rows, inset=ablation):
            yield draw_ablation(page) if ablation else draw_comparison(page)


def _row(name: str, files: Files, crops: Sequence[Crop], *, magnified: bool) -> ComparisonRow:
    pictures = {title: _read(files[title]) for title in (CONTENT, STYLE)}
    content = pictures[CONTENT]
    results = [title for title in files if title not in pictures]
    pictures |= {title: None if content is None else _read(files[title], like=content) for title in results}
    if magnified and not crops and content is not None:
        # Between methods: the content differs from all of them.
        crops = choose_crops(
            [each for title in results if (each := pictures[title]) is not None] or [content]
        )
    return ComparisonRow(name, pictures, tuple(crops) if magnified else ())


def _read(path: Path | None, *, like: Floats | None = None) -> Floats | None:
    """A picture, of another's size if one is given; None where there is none: the table says why."""
    if path is None:
        return None
    try:
        pixels = read_photograph(path).on_white
        return pixels if like is None else fit_to(pixels, like.shape)
    except PstError:
        return None
