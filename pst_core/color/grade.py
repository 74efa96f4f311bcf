"""A grade: one smooth change of colours, learnt from pairs of colours of which some are wrong.

What a darkroom or an editor does to a whole photograph (exposure, white balance, contrast, saturation,
fade) is a smooth function of colour. Here it is a polynomial of stretched colours: their logarithmic odds,
in which gains and gammas are nearly linear, and results stay within what can be shown.

Tensors of other shapes than those stated raise `ValueError`.
"""

import torch
from torch import Tensor

from pst_core.shapes import expect_shapes

MARGIN = 0.1  # of the range kept from 0 and 1 before colours are stretched: bounds the stretch
TERMS = 10  # 1, then each stretched channel, its square and its cube
# Ridge on linear terms (towards the identity) and on higher ones (towards 0), by how much of each is let go
# where the colours that are seen do not tell.
LINEAR_RIDGE, CURVE_RIDGE = 1e-3, 1e-2
MAX_SLOPE = 5.0  # of a grade, on any colour that it was learnt from; steeper ones are fitted more stiffly
STIFFER = 10.0  # factor on both ridges, as often as a fit is too steep
MOST_STIFFENINGS = 6
ROUNDS = 12  # of reweighting
OUTLIER = 0.02  # on [0, 1]: least error at which a pair begins to lose its weight
WIDE = 0.15  # and the error at which it does in the first round


def stretch(colors: Tensor) -> Tensor:
    """Logarithmic odds of colours, which keep a margin from black and white."""
    kept = colors * (1 - 2 * MARGIN) + MARGIN
    return torch.log(kept) - torch.log1p(-kept)


def relax(stretched: Tensor) -> Tensor:
    """The inverse of `stretch`; what has no colour is clipped to [0, 1]."""
    return ((torch.sigmoid(stretched) - MARGIN) / (1 - 2 * MARGIN)).clamp(0, 1)


def fit_grade(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Learn a grade from colours before and after it, some pairs of which belong to something else.

    Least squares, again and again, each pair weighted by how well the last fit explains it (Geman and
    McClure 1987); a fit that is too steep anywhere is repeated more stiffly.

    Parameters
    ----------
    before, after : Tensor, shape (K, 3)
        On [0, 1].

    Returns
    -------
    grade : Tensor of float32, shape (10, 3)
    errors : Tensor, shape (K,)
        Distance on [0, 1] of each colour after the grade from where it should be.

    Examples
    --------
    >>> before = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    >>> grade, errors = fit_grade(before, 0.1 + 0.7 * before**1.3)
    >>> errors.max().item() < 0.01
    True
    """
    expect_shapes("before: K 3, after: K 3", before, after)
    before, after = before.double(), after.double()
    for stiffening in range(MOST_STIFFENINGS + 1):
        fitted = _robust_fit(before, after, STIFFER**stiffening)
        if steepest(fitted, before) <= MAX_SLOPE:
            break
    errors = (apply_grade(fitted, before.T[..., None])[..., 0].T - after).norm(dim=1)
    return fitted.float(), errors.float()


def _robust_fit(before: Tensor, after: Tensor, stiffness: float) -> Tensor:
    terms, wanted = _terms(stretch(before.T)).T, stretch(after)
    ridge = before.new_tensor([0.0] + 3 * [LINEAR_RIDGE] + 6 * [CURVE_RIDGE]) * stiffness
    identity = before.new_zeros(TERMS, 3)
    identity[1:4] = torch.eye(3)
    weights, scale, grade = before.new_ones(len(before)), WIDE, identity
    for _ in range(ROUNDS):
        weighted = terms * (weights / weights.sum())[:, None]
        left = weighted.T @ terms + torch.diag(ridge)
        grade = torch.linalg.solve(left, weighted.T @ wanted + ridge[:, None] * identity)
        errors = (relax(terms @ grade) - after).norm(dim=1)
        scale = max(OUTLIER, min(scale, 2 * float(errors.median())))
        weights = (1 + (errors / scale) ** 2) ** -2
    return grade


def apply_grade(grade: Tensor, image: Tensor) -> Tensor:
    """Change every colour of an image, shape (3, H, W), on [0, 1]."""
    expect_shapes("grade: T 3, image: 3 H W", grade, image)
    return relax(torch.einsum("tc,thw->chw", grade, _terms(stretch(image))))


def steepest(grade: Tensor, colors: Tensor) -> float:
    """Largest slope of a grade at some colours, along any direction; colours have shape (K, 3)."""
    expect_shapes("grade: T 3, colors: K 3", grade, colors)
    stretched = stretch(colors)
    powers = torch.stack([torch.ones_like(stretched), 2 * stretched, 3 * stretched**2])
    inner = torch.einsum("pci,pki->kci", grade[1:].view(3, 3, 3).transpose(1, 2), powers)
    after = torch.sigmoid(_terms(stretched.T).T @ grade)
    kept = colors * (1 - 2 * MARGIN) + MARGIN
    outer, before = after * (1 - after), kept * (1 - kept)
    jacobians = outer[:, :, None] * inner / before[:, None, :]
    return float(torch.linalg.matrix_norm(jacobians, 2).max())


def _terms(stretched: Tensor) -> Tensor:
    """Of stretched colours, shape (3, ...): 1, channels, squares, cubes; shape (10, ...)."""
    return torch.cat([torch.ones_like(stretched[:1]), stretched, stretched**2, stretched**3])
