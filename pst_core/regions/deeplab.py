"""torchvision's DeepLabV3, the kind of network that the paper's maps came from."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pst_core.errors import WeightsError
from pst_core.network.finder import DEEPLAB_WAYS_OUT, Finder
from pst_core.regions.classes import Scores, Segmenter

Floats = NDArray[np.float32]


def open_deeplab(finder: Finder, device: torch.device) -> tuple[Segmenter, str]:
    """The process-wide network, and what to call it.

    Raises
    ------
    WeightsError
        If its weights cannot be had or do not fit.
    """
    network = _kept(finder.place, finder.identity, device)
    known = finder.identity if finder.identity == "torchvision" else f"sha256 {finder.identity}"
    return partial(_segment, network, device), f"DeepLabV3, {known}"


@lru_cache(maxsize=1)
def _kept(place: str, identity: str, device: torch.device) -> nn.Module:
    del identity  # only a part of the cache's key: other bytes under the same name are loaded anew
    return load_deeplab(place, device)


def load_deeplab(source: str, device: torch.device) -> nn.Module:
    """Load the network: from a file, or by torchvision's download where none is named.

    Raises
    ------
    WeightsError
        If the weights cannot be had or do not fit.
    """
    from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights, deeplabv3_resnet101

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
def _segment(network: nn.Module, device: torch.device, pixels: Floats) -> Scores:
    """Probability of every class; see `Segmenter`."""
    from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights

    entry = DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1
    image = entry.transforms()(torch.from_numpy(pixels))[None].to(device)
    scores = network(image)["out"][0].float().softmax(dim=0).cpu()
    return Scores(tuple(entry.meta["categories"]), scores)
