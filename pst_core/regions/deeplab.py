"""Regions from torchvision's DeepLabV3, the kind of network that the paper's maps came from."""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pst_core.errors import WeightsError
from pst_core.network.identity import DEEPLAB_ENVIRONMENT, DEEPLAB_WAYS_OUT
from pst_core.regions.labels import NOWHERE, Labels, Mask, Regions, display_colors, hidden, match_regions

Floats = NDArray[np.float32]


def segment_pair(
    content: Floats,
    style: Floats,
    device: torch.device,
    counted: tuple[Mask | None, Mask | None] = (None, None),
) -> Regions:
    """Label both photographs with the network's classes; a region is a class found in either.

    Parameters
    ----------
    content, style : ndarray of float32, shape (3, H, W)
        On [0, 1].
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each count; None counts all.

    Raises
    ------
    WeightsError
        If the network's weights cannot be had.
    MapError
        If the photographs have no class in common.
    """
    network = load_deeplab(device)
    labels = [
        hidden(_segment(network, pixels, device), mask)
        for pixels, mask in zip((content, style), counted, strict=True)
    ]
    both = np.concatenate([part.ravel() for part in labels])
    classes, found = np.unique(both[both != NOWHERE], return_inverse=True)
    compact = np.full(both.shape, NOWHERE, np.int16)
    compact[both != NOWHERE] = found
    split = labels[0].size
    regions = Regions(
        compact[:split].reshape(labels[0].shape),
        compact[split:].reshape(labels[1].shape),
        display_colors(len(classes)),
        "deeplab",
    )
    names = ("the content photograph", "the style photograph")
    return match_regions(regions, names, "use --segmentation cluster, or give maps")


def load_deeplab(device: torch.device) -> nn.Module:
    """Load the network: from the file that ``PST_DEEPLAB_WEIGHTS`` names, or by torchvision's download.

    Raises
    ------
    WeightsError
        If the weights cannot be had or do not fit.
    """
    from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights, deeplabv3_resnet101

    source = os.environ.get(DEEPLAB_ENVIRONMENT)
    name = source or "torchvision's DeepLabV3 download"
    try:
        if source:
            state = torch.load(Path(source).expanduser(), map_location="cpu", weights_only=True)
        else:
            entry = DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1
            state = entry.get_state_dict(
                progress=False, check_hash=True, weights_only=True, map_location="cpu"
            )
        network = deeplabv3_resnet101(weights=None, weights_backbone=None, aux_loss=True)
        network.load_state_dict(state)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"DeepLabV3's weights ({name}) cannot be used ({reason}): {DEEPLAB_WAYS_OUT}."
        ) from error
    ready: nn.Module = network.eval().requires_grad_(False).to(device)
    return ready


@torch.no_grad()
def _segment(network: nn.Module, pixels: Floats, device: torch.device) -> Labels:
    """Class of every pixel, shape (H, W)."""
    from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights

    prepare = DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1.transforms()
    image = prepare(torch.from_numpy(pixels))[None].to(device)
    scores: Tensor = network(image)["out"]
    labels = functional.interpolate(
        scores.argmax(dim=1, keepdim=True).float(), pixels.shape[1:], mode="nearest"
    )
    result: Labels = labels[0, 0].to(torch.int16).cpu().numpy()
    return result
