"""Networks of semantic segmentation that transformers loads, such as SegFormer trained on ADE20K."""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pst_core.errors import WeightsError
from pst_core.filters.resizing import fit_size, resize
from pst_core.network.finder import MODEL_WAYS_OUT, Finder
from pst_core.regions.classes import Scores, Segmenter

Floats = NDArray[np.float32]
LONGEST = 1024  # long side in pixels of what an image processor is given: networks take less


class _Loaded:
    """A network with what prepares photographs for it, and the names of its classes."""

    def __init__(self, network: Any, processor: Any, device: torch.device) -> None:  # noqa: ANN401 - transformers'
        self.network, self.processor, self.device = network, processor, device
        names = network.config.id2label
        self.classes = tuple(str(names[place]) for place in sorted(names))


def open_semantic(finder: Finder, device: torch.device) -> tuple[Segmenter, str]:
    """The process-wide network of a folder, and what to call it.

    Raises
    ------
    WeightsError
        If the folder holds no network of semantic segmentation.
    """
    loaded = _load(finder.place, finder.identity, device)
    name = type(loaded.network).__name__
    return partial(_segment, loaded), f"{name}, {finder.library}, sha256 {finder.identity}"


@lru_cache(maxsize=1)
def _load(folder: str, identity: str, device: torch.device) -> _Loaded:
    del identity  # only a part of the cache's key: other bytes under the same name are loaded anew
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        network, told = AutoModelForSemanticSegmentation.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers', and those of whatever reads a file for it
        reason = (
            str(error).strip().splitlines()[0].rstrip(".: ") if str(error).strip() else type(error).__name__
        )
        raise WeightsError(
            f"The segmentation model {folder} cannot be used ({reason}): {MODEL_WAYS_OUT}."
        ) from error
    if lacking := sorted(told["missing_keys"]) + sorted(map(str, told["mismatched_keys"])):
        raise WeightsError(
            f"The segmentation model {folder} has no weights for {lacking[0]} of "
            f"{type(network).__name__}, so it was trained for something else: {MODEL_WAYS_OUT}."
        )
    return _Loaded(network.eval().requires_grad_(False).to(device), processor, device)


@torch.no_grad()
def _segment(loaded: _Loaded, pixels: Floats) -> Scores:
    """Probability of every class; see `Segmenter`."""
    image = torch.from_numpy(pixels)
    small = resize(image, fit_size(image.shape[1], image.shape[2], LONGEST)).clamp(0, 1)
    prepared = loaded.processor(
        images=np.rint(small.permute(1, 2, 0).numpy() * 255).astype(np.uint8), return_tensors="pt"
    )
    logits = loaded.network(pixel_values=prepared["pixel_values"].to(loaded.device)).logits[0].float()
    if len(logits) != len(loaded.classes):
        raise WeightsError(
            f"The segmentation model answers with {len(logits)} classes, its config.json names "
            f"{len(loaded.classes)} (id2label): {MODEL_WAYS_OUT}."
        )
    return Scores(loaded.classes, logits.softmax(dim=0).cpu())
