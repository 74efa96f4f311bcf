"""Backdrops of two photographs, told from what stands before them by what both teach.

A first look at each photograph goes by rules that hold for all (see `evidence`). What it is sure of is an
example of what backdrop looks like in these two: a linear classifier learns from the examples of both, and
tells the rest (self-training, Scudder 1965). Where the lesson contradicts the first look, neither is to be
trusted.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pst_core.regions.evidence import Evidence, Rows, roughness, spread, standardised
from pst_core.regions.labels import Mask

ROUNDS = 3  # of learning and telling
COMPONENTS = 16  # principal components kept of the encoder's features
WEIGHT_FEATURES, WEIGHT_COLOR = 2.0, 0.5  # deviation of the first component, and of each channel
LENIENCE = 100.0  # scikit-learn's C, over the number of cells
DOUBT = 1e-2  # least odds of either answer, before the classifier has its say

Pair = tuple[Evidence, Evidence]


class Backdrops(NamedTuple):
    """What was learnt of two photographs' backdrops.

    Attributes
    ----------
    pair : pair of Evidence
        The photographs, with the probabilities that were learnt.
    behind : pair of ndarray of bool, shape (h, w)
        Which of their cells are backdrop and count.
    stability : float
        How well first look and lesson agree, on [0, 1]; the lesser of both photographs.
    """

    pair: Pair
    behind: tuple[Mask, Mask]
    stability: float


def learn_backdrops(pair: Pair) -> Backdrops:
    """Tell backdrops by what the first look at both photographs is sure of.

    Where there is nothing to learn, as both photographs are backdrop altogether or not at all, the first look
    stays.
    """
    rows = _rows(pair)
    seen = np.concatenate([each.seen.ravel() for each in pair])
    first = [_centered(each) for each in pair]
    told = first
    for _ in range(ROUNDS):
        weights = _lesson(np.concatenate(rows)[seen], np.concatenate([each.ravel() for each in told])[seen])
        if weights is None:
            break
        told = [
            _told(each, known, own @ weights[1:] + weights[0])
            for each, known, own in zip(pair, first, rows, strict=True)
        ]
    content, style = (replace(each, backdrop=known) for each, known in zip(pair, told, strict=True))
    behind = content.seen & (content.backdrop > 0.5), style.seen & (style.backdrop > 0.5)
    stability = min(
        agreement(each.behind[each.seen], after[each.seen]) for each, after in zip(pair, behind, strict=True)
    )
    return Backdrops((content, style), behind, stability)


def agreement(one: Mask, other: Mask) -> float:
    """Mean intersection over union of two divisions into two, on [0, 1]; what neither has agrees in full."""
    parts = ((one, other), (~one, ~other))
    return float(np.mean([(a & b).sum() / (a | b).sum() if (a | b).any() else 1.0 for a, b in parts]))


def _rows(pair: Pair) -> list[Rows]:
    """How each cell stands out from its photograph in features, colour and texture, for the classifier."""
    from sklearn.decomposition import PCA

    features = [standardised(np.log1p(each.features.clip(0)), each.seen) for each in pair]
    both = np.concatenate([own[each.seen.ravel()] for own, each in zip(features, pair, strict=True)])
    # By eigenvectors of the covariance: thousands of rows are taken apart in a tenth of the time.
    components = PCA(min(COMPONENTS, *both.shape), svd_solver="covariance_eigh").fit(both)
    scale = WEIGHT_FEATURES / max(float(components.explained_variance_[0]) ** 0.5, 1e-9)
    return [
        np.column_stack(
            [
                scale * components.transform(own),
                WEIGHT_COLOR * standardised(each.lab.reshape(3, -1).T, each.seen),
                standardised(roughness(each.texture).reshape(-1, 1), each.seen),
            ]
        )
        for own, each in zip(features, pair, strict=True)
    ]


def _centered(evidence: Evidence) -> Rows:
    """Probabilities of being backdrop, so stretched that one half parts this photograph best."""
    cut, found = evidence.cut, evidence.backdrop
    centered: Rows = np.where(found > cut, 0.5 + 0.5 * (found - cut) / (1 - cut), 0.5 * found / cut)
    return centered


def _lesson(rows: Rows, probabilities: Rows) -> Rows | None:
    """Offset and weights of a logistic regression; None where all is backdrop, or nothing.

    Cells count as far as it is sure what they are; both sides count alike.
    """
    from sklearn.linear_model import LogisticRegression

    behind, sure = probabilities > 0.5, np.abs(2 * probabilities - 1)
    if min(sure[behind].sum(), sure[~behind].sum()) <= 0:
        return None
    weights = sure / np.where(behind, sure[behind].sum(), sure[~behind].sum()) * len(rows) / 2
    fitted = LogisticRegression(C=LENIENCE / len(rows)).fit(rows, behind, sample_weight=weights)
    return np.concatenate([fitted.intercept_, fitted.coef_[0]])


def _told(evidence: Evidence, first: Rows, lesson: Rows) -> Rows:
    """Probabilities by first look and lesson together, spread along what is alike; shape (h, w)."""
    lesson = np.where(evidence.seen, lesson.reshape(first.shape), 0)
    odds = np.log((first + DOUBT) / (1 - first + DOUBT)) + lesson
    return spread(odds, evidence.lab, evidence.texture)
