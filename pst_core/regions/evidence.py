"""What a bare photograph shows by itself, cell by cell: colours, texture, features, and its backdrop.

The backdrop is what lies behind everything: a sky, a plain wall, the dark around an object. It is even, it
comes from the photograph's upper border, and what stands before it cuts it off from the lower one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.filters.resizing import fit_size, resize
from pst_core.network.encoder import Encoder
from pst_core.regions.labels import Mask

Floats = NDArray[np.float32]
Rows = NDArray[np.float64]

GRID = 256  # long side in pixels at which photographs are looked at
CELL = 4  # pixels of that side to a cell
NEIGHBOURHOOD = 7  # cells a side over which texture is told
FEATURES = ("conv2_1", "conv3_1")  # of the encoder: textures and small patterns, what any VGG-19 agrees on
FLAT = 0.5  # CIELAB units: texture below it is noise
LEAST_COLOR = 1.0  # CIELAB units: deviation of a photograph's hues, below which it is gray, or of one tint
STRIP = 2.5  # times as wide as high: hardly anything above or below what a photograph shows, or the reverse
# Log odds that a cell is backdrop, as soft scores: how much nearer it lies to the upper border than to the
# lower one (from -1 to 1), its texture (natural logarithm) by itself and against its own photograph, how much
# more texture lies below it than above (logarithm), and its row (0 above, 1 below: being nearer to the lower
# border tells less where it lies far down).
ODDS_NEARER, ODDS_TEXTURE, ODDS_ROUGHER, ODDS_CALM_ABOVE, ODDS_ROW, ODDS_BASE = (
    3.5,
    -1.0,
    -0.4,
    0.5,
    1.5,
    -1.0,
)
LEAST_STEP = 0.05  # cost of crossing a cell without texture, in medians of the photograph's texture
# The scores spread along what is alike: so large a difference between neighbours (CIELAB units) holds them
# apart, and each cell's own score has this weight against a neighbour's.
APART, OWN_WEIGHT, LEAST_LINK = 4.0, 0.003, 1e-3
LOWEST_CUT, HIGHEST_CUT = 0.3, 0.7  # of the probability, between backdrop and what stands before it


@dataclass(frozen=True)
class Evidence:
    """A photograph by cells; h rows and w columns of them.

    Attributes
    ----------
    image : Tensor, shape (3, H, W)
        The photograph on a grid of `GRID` pixels.
    seen : ndarray of bool, shape (h, w)
        Which cells count.
    lab : ndarray, shape (3, h, w)
        Mean colours in CIELAB.
    texture : ndarray, shape (h, w)
        Mean step between neighbouring pixels' colours.
    features : ndarray, shape (h * w, N)
        Of the encoder.
    backdrop : ndarray, shape (h, w)
        Probability of being backdrop.
    """

    image: Tensor
    seen: Mask
    lab: Rows
    texture: Rows
    features: Rows
    backdrop: Rows

    @property
    def colored(self) -> bool:
        """Whether hues tell one thing from another."""
        hues = self.lab[1:, self.seen]
        return float(np.sqrt(hues.var(axis=1).sum())) >= LEAST_COLOR

    @property
    def strip(self) -> bool:
        """Whether there is hardly any height, or width, to tell where what it shows lies."""
        height, width = self.image.shape[1:]
        return max(height, width) >= STRIP * min(height, width)

    @property
    def variety(self) -> float:
        """Deviation of the texture's natural logarithm: small where all is one surface."""
        return float(np.log(self.texture[self.seen] + FLAT).std())

    @property
    def cut(self) -> float:
        """The probability that best parts this photograph's backdrop from what stands before it."""
        from skimage.filters import threshold_otsu

        probabilities = self.backdrop[self.seen]
        best = threshold_otsu(probabilities) if np.ptp(probabilities) > 0 else probabilities[0]
        return float(np.clip(best, LOWEST_CUT, HIGHEST_CUT))

    @property
    def behind(self) -> Mask:
        """Which cells are backdrop and count, shape (h, w): those above the cut."""
        behind: Mask = self.seen & (self.backdrop > self.cut)
        return behind

    @property
    def contrast(self) -> float:
        """Between the mean probabilities of the backdrop and of what stands before it, on [0, 1]."""
        behind, before = self.behind, self.seen & ~self.behind
        if not (behind.any() and before.any()):
            return 0.0
        return float(self.backdrop[behind].mean() - self.backdrop[before].mean())


def look_at(pixels: Floats, counted: Mask | None, encoder: Encoder) -> Evidence:
    """Take a photograph's evidence.

    Parameters
    ----------
    pixels : ndarray, shape (3, H, W)
        On [0, 1].
    counted : ndarray of bool, shape (H, W), or None
        Which pixels count; None counts all.
    """
    from skimage.color import rgb2lab

    image = torch.from_numpy(pixels)
    size = fit_size(image.shape[1], image.shape[2], GRID, encoder.least_side)
    image = resize(image, size).clamp(0, 1)
    shape = max(1, size[0] // CELL), max(1, size[1] // CELL)
    colors = np.moveaxis(rgb2lab(np.moveaxis(image.double().numpy(), 0, -1)), -1, 0)
    lab, texture = _by_cells(colors, shape), _by_cells(_gradient(colors)[None], shape)[0]
    return Evidence(
        image=image.to(encoder.device),
        seen=_seen(counted, shape),
        lab=lab,
        texture=texture,
        features=_features(image.to(encoder.device), shape, encoder),
        backdrop=spread(_backdrop_odds(texture), lab, texture),
    )


def _by_cells(values: Rows, shape: tuple[int, int]) -> Rows:
    """Area averages of shape (C, h, w)."""
    means: Rows = functional.adaptive_avg_pool2d(torch.from_numpy(values.copy())[None], shape)[0].numpy()
    return means


def _seen(counted: Mask | None, shape: tuple[int, int]) -> Mask:
    """Which cells count: those that do for the larger part, or most of all."""
    if counted is None:
        return np.ones(shape, np.bool_)
    shares = _by_cells(counted[None].astype(np.float64), shape)[0]
    seen: Mask = shares >= min(0.5, shares.max())
    return seen


def _gradient(colors: Rows) -> Rows:
    """Length of the step from each pixel's colour to those right and below, shape (H, W)."""
    down = np.diff(colors, axis=1, append=colors[:, -1:])
    right = np.diff(colors, axis=2, append=colors[:, :, -1:])
    length: Rows = np.sqrt((down**2 + right**2).sum(axis=0))
    return length


@torch.no_grad()
def _features(image: Tensor, shape: tuple[int, int], encoder: Encoder) -> Rows:
    layers = [layer for layer in FEATURES if layer in encoder.layers] or sorted(encoder.layers)
    maps = encoder(image[None], layers)
    cells = [functional.adaptive_avg_pool2d(maps[layer].float(), shape) for layer in layers]
    rows: Rows = torch.cat(cells).flatten(1).T.cpu().double().numpy()
    return rows


def _backdrop_odds(texture: Rows) -> Rows:
    """Log odds of being backdrop by height, nearness to the borders, and evenness; shape (h, w)."""
    rough = roughness(texture)
    rows = np.arange(1, len(texture) + 1)[:, None]
    above, below = texture.cumsum(axis=0) / rows, texture[::-1].cumsum(axis=0)[::-1] / rows[::-1]
    calm_above = np.log((below + 1) / (above + 1))
    odds: Rows = (
        ODDS_BASE
        + ODDS_NEARER * _nearer_to_top(texture)
        + ODDS_TEXTURE * rough
        + ODDS_ROUGHER * (rough - rough.mean())
        + ODDS_CALM_ABOVE * calm_above
        + ODDS_ROW * (rows - 0.5) / len(texture)
    )
    return odds


def roughness(texture: Rows) -> Rows:
    """Natural logarithm of the texture around each cell, shape (h, w)."""
    from scipy.ndimage import uniform_filter

    rough: Rows = np.log(uniform_filter(texture, NEIGHBOURHOOD, mode="nearest") + FLAT)
    return rough


def standardised(values: Rows, seen: Mask | None = None) -> Rows:
    """Columns of zero mean and unit deviation, over all rows or those seen; a constant column becomes zero.

    Parameters
    ----------
    values : ndarray, shape (K, N)
    seen : ndarray of bool with K elements, or None
    """
    known = values if seen is None else values[seen.ravel()]
    deviation = known.std(axis=0)
    result: Rows = (values - known.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1)
    return result


def _nearer_to_top(texture: Rows) -> Rows:
    """From 1, at the upper border, to -1, at the lower: distances are what texture a way there crosses."""
    from skimage.graph import MCP_Geometric

    height, width = texture.shape
    steps = texture / (np.median(texture) + 1) + LEAST_STEP
    upper, lower = (
        MCP_Geometric(steps).find_costs([(row, column) for column in range(width)])[0]
        for row in (0, height - 1)
    )
    nearer: Rows = (lower - upper) / (lower + upper + 1e-9)
    return nearer


def spread(odds: Rows, lab: Rows, texture: Rows) -> Rows:
    """Probabilities that follow what is alike: a random walker with priors (Grady 2005).

    Parameters
    ----------
    odds, texture : ndarray, shape (h, w)
        Logarithmic odds of each cell by itself, and its texture.
    lab : ndarray, shape (3, h, w)
        Its colour.

    Returns
    -------
    ndarray, shape (h, w)
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve
    from scipy.special import expit

    first, second, links = _links(lab, texture)
    count = odds.size
    pairs = np.concatenate([first, second]), np.concatenate([second, first])
    adjacency = coo_matrix((np.tile(links, 2), pairs), (count, count)).tocsr()
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    system = (diags(degrees + OWN_WEIGHT) - adjacency).tocsc()
    probabilities: Rows = spsolve(system, OWN_WEIGHT * expit(odds).ravel()).reshape(odds.shape)
    return probabilities


def _links(lab: Rows, texture: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp], Rows]:
    """Neighbouring cells, and how alike they are."""
    index = np.arange(texture.size).reshape(texture.shape)
    first, second, links = [], [], []
    for one, other in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        step = np.sqrt(((lab[:, *one] - lab[:, *other]) ** 2).sum(axis=0))
        step = step + (texture[one] + texture[other]) / 2
        first.append(index[one].ravel())
        second.append(index[other].ravel())
        links.append(np.exp(-step / APART).ravel() + LEAST_LINK)
    return np.concatenate(first), np.concatenate(second), np.concatenate(links)
