"""After the last stage: the closing colour match, full size, and the detail that the style damped.

The last filter pulls colours back towards the content; the closing match mends that. It lowers colour
distances directly, so it is held back where it would cost structure.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.color.baselines import LUMINANCE, in_gray, with_color_of
from pst_core.color.transfer import sliced_transport, transfer_colors
from pst_core.filters.guided import guided_coefficients, strips, upsample_through_guide, upsampled_strips
from pst_core.machine import bring, fetch
from pst_core.optimisation.colors import inside_of
from pst_core.pipeline.rims import remove_rims
from pst_core.pipeline.working import WorkingPair
from pst_core.quality.distances import WINDOW, structural_similarity
from pst_core.settings.config import FinishSettings

Floats = NDArray[np.float32]

MAX_GAIN = 1.5  # of the match along any direction: a filtered image's faint gradients stay faint
BEYOND_MOMENTS = 0.5  # share of the way from matched moments to matched distributions
STRENGTHS = tuple(tenths / 10 for tenths in range(10, 0, -1))  # tried by `auto`, strongest first
# What `auto` may cost: this much of the structural similarity's square. A result that is close to its content
# has structure to spare; one that hardly resembles it any more has none.
STRUCTURE_TO_SPARE = 0.4
LEAST_PIXELS = 64  # of a region on both sides, for its distribution to mean something
DETAIL_RADIUS, DETAIL_EPSILON = 3, 1e-2  # of the base that detail is what remains of
DETAIL_LIMIT = 0.03  # on [0, 1]: what exceeds it is an edge, and would leave a rim


def match_colors(image: Tensor, pair: WorkingPair, settings: FinishSettings) -> tuple[Tensor, float]:
    """Match each region's colours to the style's once more.

    Parameters
    ----------
    image : Tensor, shape (3, h, w)

    Returns
    -------
    image : Tensor, shape (3, h, w)
        On [0, 1].
    strength : float
        The strength used: the one asked for, or (``auto``) the largest one that keeps structure; 0 after
        stages whose losses held the colours.
    """
    if settings.color_match == 0 or (settings.color_match == "auto" and _colors_were_in_the_loss(settings)):
        return image, 0.0
    matched = _fully_matched(image, pair, settings)
    if settings.color_match != "auto":
        return torch.lerp(image, matched, float(settings.color_match)), float(settings.color_match)
    if min(image.shape[1:]) < WINDOW:  # too small for SSIM's window to say what structure is
        return matched, 1.0
    content, counted = pair.content.cpu().numpy(), pair.counted()[0]
    before = structural_similarity(image.cpu().numpy(), content, counted)
    least = before - STRUCTURE_TO_SPARE * before**2
    for strength in STRENGTHS:
        candidate = torch.lerp(image, matched, strength)
        if structural_similarity(candidate.cpu().numpy(), content, counted) >= least:
            return candidate, strength
    return image, 0.0


def _colors_were_in_the_loss(settings: FinishSettings) -> bool:
    """Whether stages had the colours as a term: a match on top undoes what they did for texture."""
    return settings.staged and settings.color_weight > 0


def _fully_matched(image: Tensor, pair: WorkingPair, settings: FinishSettings) -> Tensor:
    """Moments by a linear map, then half of the way to the whole distribution."""
    wanted = pair.wanted_colors(image, settings.unmatched)
    image = transfer_colors(image, pair.colors_of(image), wanted, pair.soft_masks, max_gain=MAX_GAIN).clamp(
        0, 1
    )
    transported = torch.zeros_like(image)
    for region, mask in enumerate(pair.soft_masks):
        inside, there = inside_of(pair.content_masks[region]), inside_of(pair.style_masks[region])
        moved = image
        if pair.matched[region] and min(inside.sum(), there.sum()) >= LEAST_PIXELS:
            moved = sliced_transport(image, inside, pair.style[:, there], max_slope=MAX_GAIN)
        transported += mask * moved
    return torch.lerp(image, transported, BEYOND_MOMENTS).clamp(0, 1)


def render(image: Tensor, pair: WorkingPair, content: Floats, settings: FinishSettings) -> Floats:
    """Bring the working image to the content's full size.

    Parameters
    ----------
    image : Tensor, shape (3, h, w)
    content : ndarray, shape (3, H, W)
        Filled where it is invisible.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        On [0, 1].
    """
    if settings.colors == "content":
        luminance = _full_size(image, pair, bring(torch.from_numpy(in_gray(content)), image.device), settings)
        return with_color_of(content, fetch(luminance).numpy())
    return fetch(_full_size(image, pair, bring(torch.from_numpy(content), image.device), settings)).numpy()


def _full_size(image: Tensor, pair: WorkingPair, guide: Tensor, settings: FinishSettings) -> Tensor:
    """Enlarge the working image through `guide`, whose small form is the pair's content."""
    if image.shape == guide.shape:
        full = image.clone()  # what follows works in place
    elif settings.upsampling == "bicubic":
        size = (guide.shape[1], guide.shape[2])
        full = functional.interpolate(image[None], size, mode="bicubic", align_corners=False)[0]
    else:
        full = upsample_through_guide(
            image,
            pair.content,
            guide,
            settings.upsampling_radius,
            settings.upsampling_epsilon,
            settings.upsampling_tolerance,
        )
    full = full.clamp_(0, 1)
    if settings.detail:
        full = restore_detail(full, image, pair.content, guide, settings.detail)
    if settings.rim_removal:
        full = remove_rims(full, guide, settings.rim_removal)
    return _evened(full, pair, guide, settings)


def _evened(full: Tensor, pair: WorkingPair, guide: Tensor, settings: FinishSettings) -> Tensor:
    """A look that is known to be one even change is made so; strip by strip, which bounds memory."""
    strength = 1.0 if settings.color_match == "auto" else float(settings.color_match)
    for rows in strips(full.shape[1], full.shape[2]):
        full[:, rows] = pair.toward_grade(full[:, rows], guide[:, rows], strength)
    return full


def restore_detail(
    full: Tensor, image: Tensor, small_content: Tensor, content: Tensor, share: float
) -> Tensor:
    """Bring the fine detail of the result's brightness towards the content's.

    Detail is what remains of a gray image after a guided filter (He et al. 2013, section 4), so edges are
    no part of it, and none gets a rim.

    Parameters
    ----------
    full, content : Tensor, shape (3, H, W)
        The result and the content at full size; `full` is changed.
    image, small_content : Tensor, shape (3, h, w)
        The same two at working size.
    share
        0 changes nothing, 1 takes the content's detail in full.
    """
    luma = torch.tensor(LUMINANCE, device=full.device)
    bases = torch.stack([_gray(small_content, luma), _gray(image, luma)])
    base_maps = guided_coefficients(bases, small_content, DETAIL_RADIUS, DETAIL_EPSILON)
    for rows, strip in upsampled_strips(*base_maps, content):
        wanted, there = _gray(content[:, rows], luma) - strip[0], _gray(full[:, rows], luma) - strip[1]
        missing = (share * (wanted - there)).clamp(-DETAIL_LIMIT, DETAIL_LIMIT)
        full[:, rows] = (full[:, rows] + missing).clamp(0, 1)
    return full


def _gray(image: Tensor, luma: Tensor) -> Tensor:
    return torch.einsum("c,chw->hw", luma, image)
