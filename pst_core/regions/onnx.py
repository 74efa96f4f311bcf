"""Any network of semantic segmentation in an ONNX file, run by OpenCV.

The network takes one picture, shape (1, 3, H, W), and answers with scores or probabilities of C classes,
shape (1, C, h, w), or with the number of each pixel's class, shape (1, h, w) or (1, 1, h, w).
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.errors import ConfigError, WeightsError
from pst_core.filters.resizing import resize
from pst_core.network.finder import ONNX_WAYS_OUT, Finder
from pst_core.regions.classes import Scores, Segmenter
from pst_core.settings.config import FoundRegionSettings
from pst_core.steady import read_steadily

Floats = NDArray[np.float32]


def open_onnx(finder: Finder, settings: FoundRegionSettings) -> tuple[Segmenter, str]:
    """The process-wide network of a file, and what to call it.

    Raises
    ------
    WeightsError
        If the file holds no network.
    """
    network = _load(finder.place, finder.identity)
    return partial(_segment, network, finder, settings), f"ONNX, sha256 {finder.identity}"


@lru_cache(maxsize=1)
def _load(place: str, identity: str) -> Any:  # noqa: ANN401 - cv2.dnn.Net
    del identity  # only a part of the cache's key: other bytes under the same name are loaded anew
    import cv2

    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(read_steadily(place), np.uint8))
        empty = network.empty()
    except (OSError, cv2.error) as error:
        raise WeightsError(
            f"The file {place} holds no ONNX network that OpenCV {cv2.__version__} reads "
            f"({_reason(error)}): {ONNX_WAYS_OUT}."
        ) from error
    if empty:
        raise WeightsError(f"The file {place} holds no ONNX network: {ONNX_WAYS_OUT}.")
    return network


def _segment(network: Any, finder: Finder, settings: FoundRegionSettings, pixels: Floats) -> Scores:  # noqa: ANN401
    """Probability of every class; see `Segmenter`."""
    import cv2

    width, height = map(int, settings.onnx_size.split("x"))
    image = resize(torch.from_numpy(pixels), (height, width)).clamp(0, 1).numpy()
    mean, deviation = (
        np.array(each, np.float32)[:, None, None] for each in (settings.onnx_mean, settings.onnx_deviation)
    )
    try:
        network.setInput(np.ascontiguousarray((image - mean) / deviation)[None])
        answer = np.asarray(network.forward())
    except cv2.error as error:
        raise WeightsError(
            f"The network in {finder.place} does not take one picture of {settings.onnx_size} pixels "
            f"({_reason(error)}): set --onnx-size to what it takes, or {ONNX_WAYS_OUT}."
        ) from error
    return _scores(answer, finder)


def _scores(answer: NDArray[Any], finder: Finder) -> Scores:
    """Probabilities and names of the classes, however the network answers."""
    if not np.isfinite(answer).all():
        raise WeightsError(f"The network in {finder.place} answers with what is no number: {ONNX_WAYS_OUT}.")
    if answer.ndim == 4 and answer.shape[0] == 1 and answer.shape[1] > 1:
        values = torch.from_numpy(answer[0]).float()
        names = finder.classes or tuple(f"class {number}" for number in range(len(values)))
        _check_count(names, len(values), finder)
        return Scores(names, values if _are_probabilities(values) else values.softmax(dim=0))
    if answer.ndim in (3, 4) and answer.shape[:-2] in ((1,), (1, 1)):
        numbers = torch.from_numpy(answer.reshape(answer.shape[-2:])).round().long()
        if not finder.classes:
            raise ConfigError(
                f"The network in {finder.place} answers with classes' numbers: name them in a file, one a "
                "line, with --onnx-classes."
            )
        _check_count(finder.classes, max(len(finder.classes), int(numbers.max()) + 1), finder)
        return Scores(
            finder.classes, functional.one_hot(numbers, len(finder.classes)).permute(2, 0, 1).float()
        )
    raise WeightsError(
        f"The network in {finder.place} answers with an array of shape {answer.shape}, not with classes for "
        f"each pixel: {ONNX_WAYS_OUT}."
    )


def _check_count(names: tuple[str, ...], count: int, finder: Finder) -> None:
    if len(names) != count:
        raise ConfigError(
            f"The file of --onnx-classes names {len(names)} classes, the network in {finder.place} has "
            f"{count}: write a line for each, in the network's order."
        )


def _are_probabilities(values: Tensor) -> bool:
    """Whether the values of each pixel, shape (C, h, w), are shares of one."""
    return bool(values.min() >= 0) and bool((values.sum(dim=0) - 1).abs().max() < 1e-3)


def _reason(error: Exception) -> str:
    """OpenCV's message without its places in source files."""
    text = str(getattr(error, "err", "") or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".: ")
