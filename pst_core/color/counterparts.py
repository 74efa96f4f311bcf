"""What two photographs both show, found by structure alone, and the grade that lies between them.

Two photographs of one place or thing, one of them graded, have small neighbourhoods in common that differ
in nothing but colour. Where enough of them are found, and one smooth change of colours explains nearly all,
that change is the look: no statistics of differing content come in (after HaCohen, Shechtman, Goldman and
Lischinski 2011, "Non-rigid dense correspondence with applications for image enhancement").

Tensors of other shapes than those stated raise `ValueError`.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.color.baselines import LUMINANCE
from pst_core.color.grade import TERMS, fit_grade
from pst_core.filters.guided import box_mean
from pst_core.filters.resizing import fit_size, resize
from pst_core.shapes import expect_shapes

SIDE = 128  # long side in pixels at which counterparts are looked for
RADIUS = 3  # of a neighbourhood
SCALES = (1, 2, 4)  # how much smaller the photograph is that it is taken from
FAINT = 0.05  # on [0, 1]: a neighbourhood whose contrast is below it counts for less, being grain
STRIDE = 3  # pixels from one place that is looked for to the next
ALIKE = 0.8  # least correlation of counterparts
BACK = 2  # pixels: how near to itself a place must be found by its counterpart
CHUNK = 512  # places at a time, which bounds memory
LEAST = 64  # counterparts, for a grade to be learnt from
AGREEING = 0.05  # on [0, 1]: error of a counterpart's colour that the grade explains
# Share of all places with a counterpart that agrees with the grade: photographs of different things stay
# below the first, two overlapping views lie above the second.
EVIDENCE = 0.15, 0.25
# Share of all counterparts that do: two views by different light, or with one thing repainted, tell of none.
AGREEMENT = 0.6, 0.8


class CommonGrade(NamedTuple):
    """A grade read off what two photographs have in common.

    Attributes
    ----------
    grade : Tensor of float32, shape (10, 3)
    confidence : Tensor of float32, shape ()
        From 0, nothing known, to 1.
    """

    grade: Tensor
    confidence: Tensor


def no_grade(device: torch.device) -> CommonGrade:
    """That nothing is known."""
    return CommonGrade(torch.zeros(TERMS, 3, device=device), torch.zeros((), device=device))


def common_grade(
    content: Tensor, style: Tensor, content_counted: Tensor, style_counted: Tensor
) -> CommonGrade:
    """The grade from one photograph to another, as far as they show the same.

    Parameters
    ----------
    content, style : Tensor, shape (3, H, W) and (3, h, w)
        On [0, 1].
    content_counted, style_counted : Tensor, shape (1, H, W) and (1, h, w)
        Share of each pixel that counts.
    """
    expect_shapes(
        "content: 3 H W, style: 3 h w, content_counted: 1 H W, style_counted: 1 h w",
        content, style, content_counted, style_counted,
    )  # fmt: skip
    small, there = _shrunk(content), _shrunk(style)
    if min(*small.shape[1:], *there.shape[1:]) <= RADIUS * max(SCALES):
        return no_grade(content.device)
    seen, seen_there = (
        resize(counted, (image.shape[1], image.shape[2])).flatten() > 1 - 1e-6
        for counted, image in ((content_counted, small), (style_counted, there))
    )
    places, counterparts = find_counterparts(small, there, seen, seen_there)
    found = counterparts >= 0
    if found.sum() < LEAST:
        return no_grade(content.device)
    here, after = (box_mean(image, 1).flatten(1).T for image in (small, there))
    grade, errors = fit_grade(here[places[found]], after[counterparts[found]])
    agreeing = int((errors < AGREEING).sum())
    evidence, agreement = agreeing / len(places), agreeing / len(errors)
    return CommonGrade(grade, content.new_tensor(_ramp(evidence, *EVIDENCE) * _ramp(agreement, *AGREEMENT)))


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on."""
    return min(max((value - low) / (high - low), 0.0), 1.0)


def find_counterparts(
    content: Tensor, style: Tensor, content_seen: Tensor, style_seen: Tensor
) -> tuple[Tensor, Tensor]:
    """Places of one photograph that another one shows, too, whatever their colours.

    Parameters
    ----------
    content, style : Tensor, shape (3, H, W) and (3, h, w)
    content_seen, style_seen : Tensor of bool, shape (H W,) and (h w,)
        Which pixels may be looked for, and found.

    Returns
    -------
    places : Tensor of int, shape (K,)
        Flat indices into the content, of all that were looked for.
    counterparts : Tensor of int, shape (K,)
        Flat indices into the style, -1 where there is none.
    """
    height, width = content.shape[1:]
    grid = torch.zeros(height, width, dtype=torch.bool, device=content.device)
    grid[::STRIDE, ::STRIDE] = True
    places = torch.nonzero(grid.flatten() & content_seen)[:, 0]
    here, there = _neighbourhoods(content), _neighbourhoods(style)
    likeness, found = _most_alike(here[places], there, style_seen)
    _, back = _most_alike(there[found], here, content_seen)
    rows, columns = back // width - places // width, back % width - places % width
    mutual = (torch.maximum(rows.abs(), columns.abs()) <= BACK) & (likeness >= ALIKE)
    return places, torch.where(mutual, found, -1)


def _most_alike(wanted: Tensor, known: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Likeness and index of the most alike of the known that are allowed, for each row that is wanted."""
    forbidden = torch.where(allowed, 0.0, -2.0)
    best = [(part @ known.T + forbidden).max(dim=1) for part in torch.split(wanted, CHUNK)]
    return torch.cat([each.values for each in best]), torch.cat([each.indices for each in best])


def _neighbourhoods(image: Tensor) -> Tensor:
    """What each pixel's surroundings look like at three scales but for brightness and contrast.

    Returns
    -------
    Tensor, shape (H W, D)
        Rows of length 1.
    """
    gray = torch.einsum("c,chw->hw", torch.tensor(LUMINANCE, device=image.device), image)[None, None]
    parts = []
    for scale in SCALES:
        reduced = functional.avg_pool2d(gray, scale, ceil_mode=True)
        padded = functional.pad(reduced, (RADIUS,) * 4, mode="replicate")
        patches = functional.unfold(padded, 2 * RADIUS + 1)
        patches = patches - patches.mean(dim=1, keepdim=True)
        patches = patches / (patches.norm(dim=1, keepdim=True) + FAINT)
        grid = patches.view(1, -1, *reduced.shape[2:]).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        parts.append(grid[0, :, : image.shape[1], : image.shape[2]].flatten(1))
    return functional.normalize(torch.cat(parts).T.contiguous(), dim=1)


def _shrunk(image: Tensor) -> Tensor:
    return resize(image, fit_size(image.shape[1], image.shape[2], SIDE))
