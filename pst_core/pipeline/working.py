"""A pair at its working size: photographs and masks on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.color.counterparts import CommonGrade, common_grade, no_grade
from pst_core.color.grade import apply_grade
from pst_core.color.transfer import ColorStatistics, color_statistics
from pst_core.filters.guided import guided_filter
from pst_core.filters.resizing import fit_size, resize
from pst_core.machine import bring
from pst_core.regions.labels import NOWHERE, Labels, Mask, Regions, given_to_nearest

MASK_EPSILON = 1e-4  # on [0, 1] squared: how faint an edge of the photograph may hold a mask's border


@dataclass(frozen=True)
class WorkingPair:
    """Everything about a pair that the stages and the finish work on, at one size.

    Attributes
    ----------
    content, style : Tensor, shape (3, h, w)
        Photographs on [0, 1]; several styles lie side by side.
    content_masks, style_masks : Tensor, shape (R, h, w)
        Area averages of the label maps. A region that is not matched has an empty style mask; one whose match
        is doubtful is blended with the whole photograph, on both sides: see `_trusted`.
    soft_masks : Tensor, shape (R, h, w)
        Content masks whose borders follow the photograph's edges, summing to 1.
    matched : Tensor of bool, shape (R,)
    content_counted, style_counted : Tensor, shape (1, h, w) and (K, h, w)
        Share of each pixel that counts, for each style: 1 but for what is invisible, or another style's.
    shares : Tensor, shape (K,)
        Of each style, together 1; masks of the content's regions are by as much weaker.
    style_of : Tensor of int64, shape (R,)
        Which style each region is one with.
    grade : Tensor, shape (10, 3)
        The even change of colours that lies between what both photographs show.
    grade_confidence : Tensor, shape ()
        How far to trust it: 0 where they show different things, or where it was not looked for.
    """

    content: Tensor
    style: Tensor
    content_masks: Tensor
    style_masks: Tensor
    soft_masks: Tensor
    matched: Tensor
    content_counted: Tensor
    style_counted: Tensor
    shares: Tensor
    style_of: Tensor
    grade: Tensor
    grade_confidence: Tensor

    def counted(self, style: int = 0) -> tuple[Mask | None, Mask | None]:
        """Which pixels of content and style count for the larger part, or most of all; None where all do."""
        return _mask(self.content_counted[0]), _mask(self.style_counted[style])

    def style_colors(self) -> ColorStatistics:
        """Colours that each region should have; the whole style's where the style lacks the region."""
        whole = color_statistics(self.style, self.style_counted)
        own = ColorStatistics(whole.mean[self.style_of], whole.covariance[self.style_of])
        return self._or_whole(color_statistics(self.style, self.style_masks), own)

    def colors_of(self, image: Tensor) -> ColorStatistics:
        """Colours that each region of an image has; the whole image's where the style lacks the region."""
        whole = color_statistics(image, self.content_counted)
        return self._or_whole(color_statistics(image, self.content_masks), whole)

    def wanted_colors(self, image: Tensor, unmatched: str) -> ColorStatistics:
        """Colours that an image's regions should take; their own where they are to be left."""
        wanted = self.style_colors()
        if unmatched == "style":
            return wanted
        own = self.colors_of(image)
        return ColorStatistics(
            torch.where(self.matched[:, None], wanted.mean, own.mean),
            torch.where(self.matched[:, None, None], wanted.covariance, own.covariance),
        )

    def restore_left(self, image: Tensor, unmatched: str) -> Tensor:
        """Blend the content back into regions that the style lacks, if they are to be left."""
        if unmatched == "style":
            return image
        left = (self.soft_masks * ~self.matched[:, None, None]).sum(dim=0)
        return image * (1 - left) + self.content * left

    def toward_grade(self, image: Tensor, content: Tensor, strength: float = 1.0) -> Tensor:
        """Blend in the content after the grade that both photographs tell of, as far as that is certain.

        Parameters
        ----------
        image, content : Tensor, shape (3, H, W)
            A result of any size, and the content at that size.
        strength
            Share of the way where all is certain.
        """
        share = strength * float(self.grade_confidence)
        return image if share == 0 else torch.lerp(image, apply_grade(self.grade, content), share)

    def _or_whole(self, regional: ColorStatistics, whole: ColorStatistics) -> ColorStatistics:
        return ColorStatistics(
            torch.where(self.matched[:, None], regional.mean, whole.mean),
            torch.where(self.matched[:, None, None], regional.covariance, whole.covariance),
        )


def make_working_pair(
    content: NDArray[np.float32],
    style: NDArray[np.float32],
    regions: Regions,
    *,
    size: int,
    device: torch.device,
    softness: int,
    least_side: int = 0,
    graded: bool = False,
) -> WorkingPair:
    """Bring a pair to its working size.

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W)
        Filled where they are invisible.
    size
        Long side in pixels of both working images.
    least_side
        What their short sides have at least, in pixels; strips are longer than `size` for it.
    softness
        Window radius in pixels in which mask borders may move to the photograph's edges.
    graded
        Whether to look for a grade between what both photographs show.
    """
    images = []
    for pixels in (content, style):
        image = torch.from_numpy(pixels)
        fitted = fit_size(pixels.shape[1], pixels.shape[2], size, least_side)
        images.append(bring(resize(image, fitted).clamp(0, 1), device))
    matched = torch.from_numpy(regions.matched).to(device)
    trust = torch.where(matched, torch.from_numpy(regions.trust).to(device), 1.0)
    content_masks = area_masks(regions.content, regions.count, tuple(images[0].shape[1:]), device)
    style_masks = area_masks(regions.style, regions.count, tuple(images[1].shape[1:]), device)
    everywhere = content_masks
    if regions.content_counted is not None:  # what does not count is restyled all the same, as its neighbours
        labels = given_to_nearest(regions.content, regions.content_counted)
        everywhere = area_masks(labels, regions.count, tuple(images[0].shape[1:]), device)
    soft = guided_filter(everywhere, images[0], softness, MASK_EPSILON).clamp(0, 1)
    counted = _counted(regions.content, images[0]), _counted(regions.style, images[1])
    common: CommonGrade = common_grade(images[0], images[1], *counted) if graded else no_grade(device)
    return WorkingPair(
        content=images[0],
        style=images[1],
        content_masks=_trusted(content_masks, counted[0], trust),
        style_masks=_trusted(style_masks, counted[1], trust) * matched[:, None, None],
        soft_masks=soft / soft.sum(dim=0, keepdim=True).clamp_min(1e-6),
        matched=matched,
        content_counted=counted[0],
        style_counted=counted[1],
        shares=torch.ones(1, device=device),
        style_of=torch.zeros(regions.count, dtype=torch.int64, device=device),
        grade=common.grade,
        grade_confidence=common.confidence,
    )


def mixed_pair(pairs: Sequence[WorkingPair], shares: Sequence[float]) -> WorkingPair:
    """One content with several styles: the regions of all of them, the content's masks by the styles' shares.

    Whatever blends regions over soft masks then takes the mean of what each style makes of a pixel's colour,
    which is displacement interpolation. A pair of one style stays as it is.

    Parameters
    ----------
    pairs
        Of the same content at the same size.
    shares
        Of each style, together 1.
    """
    if len(pairs) == 1:
        return pairs[0]
    first, each = pairs[0], list(zip(pairs, shares, strict=True))
    trust = [share * pair.grade_confidence for pair, share in each]
    certain = torch.stack(trust).sum()
    grades = torch.stack([one * pair.grade for one, pair in zip(trust, pairs, strict=True)]).sum(dim=0)
    return WorkingPair(
        content=first.content,
        style=_side_by_side([pair.style for pair in pairs], together=True),
        content_masks=torch.cat([share * pair.content_masks for pair, share in each]),
        style_masks=_side_by_side([pair.style_masks for pair in pairs]),
        soft_masks=torch.cat([share * pair.soft_masks for pair, share in each]),
        matched=torch.cat([pair.matched for pair in pairs]),
        content_counted=first.content_counted,
        style_counted=_side_by_side([pair.style_counted for pair in pairs]),
        shares=first.shares.new_tensor(shares),
        style_of=torch.cat([pair.style_of + number for number, pair in enumerate(pairs)]),
        grade=grades / certain if certain > 0 else first.grade,
        grade_confidence=certain,
    )


def _side_by_side(images: Sequence[Tensor], *, together: bool = False) -> Tensor:
    """Images of shape (C, h, w) in a row; as many channels for each unless they are to share them."""
    height, width = max(image.shape[1] for image in images), sum(image.shape[2] for image in images)
    channels = len(images[0]) if together else sum(len(image) for image in images)
    row = images[0].new_zeros(channels, height, width)
    first, left = 0, 0
    for image in images:
        row[first : first + len(image), : image.shape[1], left : left + image.shape[2]] = image
        first, left = first if together else first + len(image), left + image.shape[2]
    return row


def _trusted(masks: Tensor, counted: Tensor, trust: Tensor) -> Tensor:
    """Masks of shape (R, h, w), each blended with what counts of the photograph as far as it is doubtful.

    A region that is not trusted at all takes what the whole content would take from the whole style, as if
    there were one region. Each mask keeps its sum, and so its weight among the others.
    """
    if bool((trust == 1).all()):
        return masks
    shares = masks.sum(dim=(1, 2), keepdim=True) / counted.sum().clamp_min(1e-6)
    return torch.lerp(shares * counted, masks, trust.to(masks)[:, None, None])


def _counted(labels: Labels, image: Tensor) -> Tensor:
    """Share of each working pixel's area that is in any region, shape (1, h, w)."""
    inside = torch.from_numpy(labels != NOWHERE).to(image.device).float()
    return functional.adaptive_avg_pool2d(inside[None], (image.shape[1], image.shape[2]))


def _mask(counted: Tensor) -> Mask | None:
    shares = counted.cpu().numpy()
    mask: Mask = shares >= min(0.5, shares.max())
    return None if mask.all() else mask


def area_masks(labels: Labels, count: int, size: tuple[int, ...], device: torch.device) -> Tensor:
    """Share of each working pixel's area in each region; one region at a time, which bounds memory."""
    label_map = torch.from_numpy(labels).to(device)
    masks = [
        functional.adaptive_avg_pool2d((label_map == region).float()[None], (size[0], size[1]))[0]
        for region in range(count)
    ]
    return torch.stack(masks)
