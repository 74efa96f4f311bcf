"""Patch matching with semantic maps: the style loss of Champandard (2016), "neural doodle".

A patch is the features of a 3x3 square of positions that lies within the layer, so a layer of h x w positions
has P = (h - 2) (w - 2) patches, in row-major order of their corners. For each patch of the image, the loss is
the squared distance of its features to those of the style's patch that looks most like it, features and
semantic map taken together.

How alike patches are is measured as the published code, doodle.py, does it. At every position, the features
are divided by their norm, and so is the semantic map; the map is then multiplied by the root of the semantic
weight w. The sum of the products over a patch's positions, which is the normalised cross-correlation of
features and map concatenated, is therefore the sum of nine cosines between features plus w times the sum of
nine cosines between maps. (doodle.py divides both by 3, which changes no order.) With binary maps, and
features that are not negative, the features' part is at most 9, and one position in another region costs w:
above w = 9 a style patch whose regions lie as the image's do, if there is one, wins over all that differ, and
the features decide between its equals.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.errors import ImageError
from pst_core.shapes import expect_shapes

SIDE = 3
BLOCK = 1 << 22


@dataclass(frozen=True)
class StylePatches:
    """All patches of the style at one layer, held as what they overlap in.

    Attributes
    ----------
    features : Tensor, shape (N, H, W)
        The image channels, as they are: what matched patches are compared with.
    keys : Tensor, shape (N + R, H, W)
        Features and semantic map, normalised position by position: what patches are matched by.
    semantic_weight : float
    barred : Tensor of bool, shape (P,), optional
        Patches that no other is matched with, for they are not visible; none unless given.
    """

    features: Tensor
    keys: Tensor
    semantic_weight: float
    barred: Tensor | None = None


def style_patches(
    features: Tensor, semantic: Tensor, semantic_weight: float, counted: Tensor | None = None
) -> StylePatches:
    """Patches of the style.

    Parameters
    ----------
    features : Tensor, shape (N, H, W)
    semantic : Tensor, shape (R, H, W)
        Masks of the regions at the layer's size, on [0, 1].
    semantic_weight
        How much the map counts in matching against the features; doodle.py's ``--semantic-weight``.
    counted : Tensor, shape (H, W), optional
        Share of each position that counts. Patches of which least counts are matched only if there are no
        better ones.

    Raises
    ------
    ImageError
        If the style has no patch at this layer.
    """
    expect_shapes("features: N H W, semantic: R H W", features, semantic)
    _check_size(features, "style")
    barred = None if counted is None else _barred(counted)
    return StylePatches(features, _keys(features, semantic, semantic_weight), semantic_weight, barred)


def _barred(counted: Tensor) -> Tensor:
    """Which patches hold a position that counts for less than half, or for less than in any other patch."""
    least = -functional.max_pool2d(-counted[None], SIDE, stride=1).flatten()
    return least < least.max().clamp(max=0.5)


def _check_shapes(features: Tensor, semantic: Tensor, style: StylePatches) -> None:
    expect_shapes(
        "features: N h w, semantic: R h w, the style's features: N H W, the style's semantic map: R H W",
        features, semantic, style.features, style.keys[len(style.features) :],
    )  # fmt: skip


def _check_size(features: Tensor, name: str) -> None:
    height, width = features.shape[1:]
    if min(height, width) < SIDE:
        raise ImageError(
            f"Patches of {SIDE}x{SIDE} do not fit into the {name}, which has {width}x{height} positions at "
            f"a layer: use a larger photograph or working size."
        )


def _keys(features: Tensor, semantic: Tensor, weight: float) -> Tensor:
    """Features and semantic map, each of unit norm at every position, the map times the weight's root."""
    parts = [functional.normalize(part.detach(), dim=0) for part in (features, semantic.to(features))]
    return torch.cat([parts[0], weight**0.5 * parts[1]])


@torch.no_grad()
def match_patches(features: Tensor, semantic: Tensor, style: StylePatches) -> Tensor:
    """For each patch of the image, the style's patch with the largest normalised cross-correlation.

    Parameters
    ----------
    features, semantic : Tensor, shape (N, h, w) and (R, h, w)
    style : StylePatches

    Returns
    -------
    Tensor of int64, shape (h - 2, w - 2)
        Indices of patches of the style; of several equally good ones, any.
    """
    _check_shapes(features, semantic, style)
    _check_size(features, "content")
    keys = _keys(features, semantic, style.semantic_weight)
    width, positions = keys.shape[2], style.keys[0].numel()
    step = max(1, BLOCK // positions - SIDE + 1)
    parts = [keys[:, :, left : left + step + SIDE - 1] for left in range(0, width - SIDE + 1, step)]
    rows = (_matched_rows(part, style.keys, style.barred) for part in parts)
    return torch.cat([torch.stack(list(each)) for each in rows], dim=1)


def _matched_rows(keys: Tensor, style_keys: Tensor, barred: Tensor | None) -> Iterator[Tensor]:
    """Matches of one row of patches after another.

    Patches overlap, so products of positions are made once, and summed along the patches' rows and then
    along their columns: a ninth of the arithmetic of products of patches, and no patch is ever copied.
    """
    channels, height, width = style_keys.shape
    positions = style_keys.reshape(channels, -1)
    across, down, along = keys.shape[2] - SIDE + 1, height - SIDE + 1, width - SIDE + 1
    # Allocated once: blocks of this size that come and go leave the heap many times as large.
    products = keys.new_empty(keys.shape[2], height, width)
    rows = [keys.new_empty(across, height, along) for _ in range(SIDE)]
    scores = keys.new_empty(across, down, along)
    for index, row in enumerate(keys.unbind(dim=1)):
        torch.mm(row.T, positions, out=products.flatten(1))
        shifted = [products[i : i + across, :, i : i + along] for i in range(SIDE)]
        _sum_into(rows[index % SIDE], shifted)
        if index >= SIDE - 1:
            _sum_into(scores, [rows[(index + 1 + i) % SIDE][:, i : i + down] for i in range(SIDE)])
            found = scores.flatten(1)
            if barred is not None:
                found = found.masked_fill(barred, -torch.inf)
            yield found.argmax(dim=1)


def _sum_into(total: Tensor, parts: list[Tensor]) -> None:
    torch.add(parts[0], parts[1], out=total)
    for part in parts[2:]:
        total += part


def patch_loss(
    features: Tensor,
    semantic: Tensor,
    style: StylePatches,
    matches: Tensor | None = None,
    *,
    counted: Tensor | None = None,
) -> Tensor:
    """Champandard's style loss: squared error to the best matching patches, over the image channels alone.

    The paper sums over patches; here, as in doodle.py, it is the mean over patches, channels and positions in
    a patch, so that a weight means the same at every size: the paper's sum is 9 N P times this. Matches are
    found again at every call, and are constants to the gradient.

    Parameters
    ----------
    features : Tensor, shape (N, h, w)
        The image's; the gradient flows through them.
    semantic : Tensor, shape (R, h, w)
        Masks of the content's regions at the layer's size, on [0, 1].
    style : StylePatches
    matches : Tensor of int64, shape (h - 2, w - 2), optional
        From `match_patches`, to do without finding them.
    counted : Tensor, shape (1, h w), optional
        Share of each position that counts: what patches want of the others does not.
    """
    _check_shapes(features, semantic, style)
    if matches is None:
        matches = match_patches(features, semantic, style)
    expect_shapes("the image's corners: N p q, matches: p q", features[:, SIDE - 1 :, SIDE - 1 :], matches)
    shares = None if counted is None else counted.view(features.shape[1:])
    mean, counts, spread = _votes(matches, style.features, shares)
    # Over a position's votes S_k, the sum of (F - S_k)^2 is count (F - mean)^2 plus what F does not change.
    total = (counts * (features - mean).square()).sum() + spread
    votes = SIDE**2 * matches.numel() if counted is None else counts.sum()
    return total / (votes * len(features))


@torch.no_grad()
def _votes(matches: Tensor, style_features: Tensor, shares: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """What matched patches want each position of the image to be.

    Parameters
    ----------
    shares : Tensor, shape (h, w), or None
        Of each position, how far it counts; None counts all in full.

    Returns
    -------
    mean : Tensor, shape (N, h, w)
    counts : Tensor, shape (h, w)
        Number of patches that a position is in, times how far it counts.
    spread : Tensor, shape ()
        Sum of squared differences of all votes to their means, as far as they count.
    """
    rows, columns = matches.shape
    channels, _, width = style_features.shape
    patches_across = width - SIDE + 1
    corners = matches // patches_across * width + matches % patches_across
    table = style_features.reshape(channels, -1)
    total = style_features.new_zeros(channels, rows + SIDE - 1, columns + SIDE - 1)
    counts = style_features.new_zeros(total.shape[1:])

    def votes() -> Iterator[tuple[tuple[slice, slice], Tensor]]:
        for down in range(SIDE):
            for right in range(SIDE):
                wanted = table[:, corners + (down * width + right)]
                yield (slice(down, down + rows), slice(right, right + columns)), wanted

    for place, wanted in votes():
        total[:, *place] += wanted
        counts[place] += 1
    mean = total / counts
    parts = []
    for place, wanted in votes():
        squares = wanted.sub_(mean[:, *place]).square_()
        parts.append((squares if shares is None else squares.mul_(shares[place])).sum())
    return mean, counts if shares is None else counts * shares, torch.stack(parts).sum()
