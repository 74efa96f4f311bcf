"""A look fitted to what a pair's pixels became: regularised least squares with a bounded slope.

The lattice T that a picture's colours c are sent through, to what they became, r, minimises

    mean |T(c) - r|^2 + BENDING |T''|^2 + STRETCHING |(T - 1)'|^2 + ANCHOR |T - 1|^2

with the largest singular value of T' held to `MAX_SLOPE`, by the alternating direction method of multipliers
(Boyd et al. 2011). Where no pixel tells, T is as smooth as can be and goes back to the identity. A regression
keeps means and loses spread, for what the colour alone does not explain counts as noise: so the targets are
then moved until the outputs are distributed as the result's colours are, and fitted again. Where the picture
has parts this goes part by part: what one of them needs is not given to another that has its colours, too.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, diags, identity, kron, vstack
from scipy.sparse.linalg import SuperLU, splu

from pst_core.color.transfer import sliced_transport
from pst_core.looks.lattice import SIZE, Floats, Lattice
from pst_core.shapes import expect_shapes

Doubles = NDArray[np.float64]

POINTS = 17  # of the grid that is solved for: a look is smooth, and every second of `SIZE` says it all
SAMPLES = 50_000  # pixels; more of them change nothing that one sees
BENDING, STRETCHING, ANCHOR = 1e-6, 1e-5, 1e-4
MAX_SLOPE = 3.85  # of the grid; between two pixels measured slopes stay below 4
PENALTY = 0.1  # of the multipliers' method: how firmly slopes are held meanwhile
MOST_ROUNDS = 25
TOLERANCE = 1.01  # times `MAX_SLOPE`, at which it is held
DISTRIBUTIONS = 2  # times that targets are moved to the result's distribution
LEAST_WEIGHT = 1e-3  # of a pixel that has a say


def fit_lattice(
    content: Floats, result: Floats, weights: Floats | None = None, parts: NDArray[np.integer] | None = None
) -> Lattice:
    """Fit the change of colours from one picture to another.

    Parameters
    ----------
    content, result : ndarray of float32, shape (3, H, W)
        On [0, 1], of one size: working size is enough.
    weights : ndarray of float32, shape (H, W), optional
        How much each pixel counts, such as a region's soft mask.
    parts : ndarray of int, shape (H, W), optional
        Which part of the picture each pixel is in.

    Returns
    -------
    Lattice
        Of `SIZE` points; the identity if no pixel counts.
    """
    expect_shapes("content: 3 H W, result: 3 H W", content, result)
    shares = np.ones(content.shape[1:], np.float32) if weights is None else weights
    labels = np.zeros(content.shape[1:], np.intp) if parts is None else parts
    expect_shapes("content: 3 H W, weights: H W, parts: H W", content, shares, labels)
    chosen = _sample(shares)
    if not len(chosen):
        return Lattice.identity()
    before, after = (each.reshape(3, -1).T[chosen].astype(np.float64) for each in (content, result))
    fit = _Fit(before, shares.ravel()[chosen].astype(np.float64))
    values = fit.toward(after)
    for _ in range(DISTRIBUTIONS):
        values = fit.toward(_distributed(fit.design @ values, after, labels.ravel()[chosen]))
    return Lattice(_refined(values))


def _sample(weights: Floats) -> NDArray[np.intp]:
    """Flat places of pixels that count, of very many a fixed random choice."""
    counted = np.flatnonzero(weights > LEAST_WEIGHT)
    if len(counted) <= SAMPLES:
        return counted
    chosen: NDArray[np.intp] = np.random.default_rng(0).choice(counted, SAMPLES, replace=False)
    return chosen


def _distributed(colors: Doubles, wanted: Doubles, labels: NDArray[np.integer]) -> Doubles:
    """Move colours, shape (K, 3), until those of each label are distributed as others of it are."""
    moved = np.empty_like(colors)
    for label in np.unique(labels):
        inside = labels == label
        moved[inside] = _moved(colors[inside], wanted[inside])
    return moved


def _moved(colors: Doubles, wanted: Doubles) -> Doubles:
    image = torch.from_numpy(colors.T[:, None].astype(np.float32))
    target = torch.from_numpy(wanted.T.astype(np.float32))
    everywhere = torch.ones(image.shape[1:], dtype=torch.bool)
    moved = sliced_transport(image, everywhere, target, max_slope=MAX_SLOPE)
    return moved[:, 0].numpy().T.astype(np.float64)


def _refined(values: Doubles) -> Floats:
    """From `POINTS` to `SIZE` points: old ones stay, new ones lie halfway."""
    grid = values.reshape(POINTS, POINTS, POINTS, 3)
    for axis in range(3):
        first, last = (np.take(grid, range(start, POINTS - 1 + start), axis) for start in (0, 1))
        pairs = np.stack([first, (first + last) / 2], axis + 1)
        shape = [*grid.shape]
        shape[axis] = SIZE - 1
        grid = np.concatenate([pairs.reshape(shape), np.take(grid, [POINTS - 1], axis)], axis)
    return np.clip(grid, 0, 1).astype(np.float32)


class _Fit:
    """Least squares over the pixels of one picture, for any targets.

    Attributes
    ----------
    design : sparse matrix, shape (K, points)
        What each pixel's colour takes of each grid point, trilinear.
    weights : ndarray, shape (K,)
        Of the pixels, together 1.
    """

    def __init__(self, colors: Doubles, weights: Doubles) -> None:
        self.design = _design(colors)
        self.weights = weights / weights.sum()
        self.weighted = diags(self.weights) @ self.design
        self.matrix = csc_matrix(self.design.T @ self.weighted + _smoothness())
        self.free = splu(self.matrix)
        self._held: SuperLU | None = None

    def toward(self, targets: Doubles) -> Doubles:
        """Grid values, shape (points, 3), of the best lattice whose slope is bounded."""
        wanted = self.weighted.T @ targets + _smoothness() @ _identity()
        values: Doubles = self.free.solve(wanted)
        return values if _steepest(values) <= MAX_SLOPE else self._bounded(values, wanted)

    def _bounded(self, values: Doubles, wanted: Doubles) -> Doubles:
        """The multipliers' method: slopes clipped, values fitted to them, and what is missing remembered."""
        if self._held is None:
            self._held = splu(csc_matrix(self.matrix + _penalty() * _stiffness()))
        missing = [np.zeros_like(slopes) for slopes in _slopes(values)]
        for _ in range(MOST_ROUNDS):
            wished = [_clipped(here + less) for here, less in zip(_slopes(values), missing, strict=True)]
            pull = sum(
                operator.T @ (wish - less)[..., axis]
                for operators, wish, less in zip(_differences(), wished, missing, strict=True)
                for axis, operator in enumerate(operators)
            )
            values = self._held.solve(wanted + _penalty() * pull)
            found = _slopes(values)
            missing = [less + here - wish for less, here, wish in zip(missing, found, wished, strict=True)]
            if _steepest(values) <= TOLERANCE * MAX_SLOPE:
                break
        return _flattened(values, self.weights @ self.design @ values)


def _flattened(values: Doubles, mean: Doubles) -> Doubles:
    """What is still too steep with less contrast around its mean colour, as a whole."""
    return mean + (values - mean) * (MAX_SLOPE / max(_steepest(values), MAX_SLOPE))


def _penalty() -> float:
    return PENALTY / POINTS**3


def _design(colors: Doubles) -> csr_matrix:
    places = np.clip(colors, 0, 1) * (POINTS - 1)
    corners = np.minimum(places.astype(np.intp), POINTS - 2)
    shares = places - corners
    columns, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        columns.append(np.ravel_multi_index((corners + corner).T, (POINTS,) * 3))
        weights.append(np.where(corner, shares, 1 - shares).prod(axis=1))
    rows = np.tile(np.arange(len(colors)), 8)
    entries = np.concatenate(weights), (rows, np.concatenate(columns))
    return csr_matrix(entries, shape=(len(colors), POINTS**3))


@lru_cache(maxsize=1)
def _identity() -> Doubles:
    return Lattice.identity(POINTS).values.reshape(-1, 3).astype(np.float64)


@lru_cache(maxsize=1)
def _smoothness() -> csc_matrix:
    """What the regulariser adds to the normal equations, shape (points, points)."""
    steps = POINTS - 1
    each, second = identity(POINTS, format="csr"), _stencil([1, -2, 1]) * steps**2
    first = _stencil([-1, 1]) * steps
    bending = [_along(_one_axis(second, each, axis)) for axis in range(3)]
    twists = [_along([each if axis == other else first for axis in range(3)]) for other in range(3)]
    stretching = [_along(_one_axis(first, each, axis)) for axis in range(3)]
    energy = BENDING * sum(op.T @ op for op in bending) + 2 * BENDING * sum(op.T @ op for op in twists)
    energy = energy + STRETCHING * sum(op.T @ op for op in stretching) + ANCHOR * identity(POINTS**3)
    return csc_matrix(energy / POINTS**3)


@lru_cache(maxsize=1)
def _differences() -> tuple[tuple[csr_matrix, ...], ...]:
    """Slopes along the three axes at every point: forwards, and backwards; at an end what there is."""
    first, each = _stencil([-1, 1]) * (POINTS - 1), identity(POINTS, format="csr")
    ways = vstack([first, first[-1]], format="csr"), vstack([first[0], first], format="csr")
    return tuple(tuple(_along(_one_axis(way, each, axis)) for axis in range(3)) for way in ways)


@lru_cache(maxsize=1)
def _stiffness() -> csc_matrix:
    return csc_matrix(sum(operator.T @ operator for operators in _differences() for operator in operators))


def _stencil(weights: Sequence[float]) -> csr_matrix:
    """A row for each place where the stencil lies within the grid."""
    rows = POINTS - len(weights) + 1
    return csr_matrix(diags(np.array(weights, float), range(len(weights)), shape=(rows, POINTS)))


def _one_axis(along: csr_matrix, elsewhere: csr_matrix, axis: int) -> list[csr_matrix]:
    return [along if each == axis else elsewhere for each in range(3)]


def _along(parts: Sequence[csr_matrix]) -> csr_matrix:
    red, green, blue = parts
    return csr_matrix(kron(kron(red, green), blue))


def _slopes(values: Doubles) -> list[Doubles]:
    """Jacobians, each of shape (points, 3, 3): output by input."""
    return [np.stack([operator @ values for operator in operators], axis=-1) for operators in _differences()]


def _steepest(values: Doubles) -> float:
    """The largest singular value of a slope, if it exceeds the bound."""
    steep = [slopes[_may_be_steep(slopes)] for slopes in _slopes(values)]
    return max(float(np.linalg.norm(each, 2, axis=(-2, -1)).max(initial=0)) for each in steep)


def _clipped(slopes: Doubles) -> Doubles:
    steep, clipped = _may_be_steep(slopes), slopes.copy()
    left, sizes, right = np.linalg.svd(slopes[steep])
    clipped[steep] = (left * np.minimum(sizes, MAX_SLOPE)[:, None]) @ right
    return clipped


def _may_be_steep(slopes: Doubles) -> NDArray[np.bool_]:
    # No singular value exceeds Frobenius' norm, and that costs next to nothing.
    steep: NDArray[np.bool_] = np.linalg.norm(slopes, axis=(-2, -1)) > MAX_SLOPE
    return steep
