"""Any network of semantic segmentation in an ONNX file, run by OpenCV.

The network takes one picture, shape (1, 3, H, W), and answers with scores or probabilities of C classes,
shape (1, C, h, w), or with the number of each pixel's class, shape (1, h, w) or (1, 1, h, w).
"""

from functools import lru_cache, partial
from pathlib import Path
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
from pst_core.regions.onnx_inputs import Shape, declared_inputs
from pst_core.settings.config import FoundRegionSettings
from pst_core.steady import read_steadily

Floats = NDArray[np.float32]
USUAL_SIDE = 512  # pixels, where a network takes any
LARGEST = 1e30  # of a number that is one: OpenCV makes the largest float of what is none


def open_onnx(finder: Finder, settings: FoundRegionSettings) -> tuple[Segmenter, str]:
    """The process-wide network of a file, and what to call it.

    Raises
    ------
    WeightsError
        If the file holds no network, or one that takes something else than a picture.
    """
    network, inputs = _load(finder.place, finder.identity)
    size = _size(inputs, settings.onnx_size, finder.place)
    return partial(_segment, network, finder, settings, size), f"ONNX, sha256 {finder.identity}"


@lru_cache(maxsize=1)
def _load(place: str, identity: str) -> tuple[Any, dict[str, Shape]]:
    """The network, cv2.dnn.Net, and what it takes."""
    del identity  # only a part of the cache's key: other bytes under the same name are loaded anew
    import cv2

    data = b""
    try:
        data = read_steadily(Path(place).expanduser())
        inputs = declared_inputs(data)
        network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8)) if inputs else None
    except (OSError, ValueError, cv2.error) as error:
        raise WeightsError(
            f"The file {place} holds no ONNX network that OpenCV {cv2.__version__} reads "
            f"({_reason(error)}): {ONNX_WAYS_OUT}."
        ) from error
    if network is None or network.empty():
        raise WeightsError(f"The file {place} holds no ONNX network: {ONNX_WAYS_OUT}.")
    return network, inputs


def _size(inputs: dict[str, Shape], asked: str | None, place: str) -> tuple[int, int]:
    """Height and width in pixels of what the network is given."""
    shapes = [*inputs.values()]
    if (
        len(shapes) != 1
        or len(shapes[0]) != 4
        or any(side not in (fits, None) for side, fits in zip(shapes[0][:2], (1, 3), strict=True))
    ):
        told = " and ".join(f"{name} {_in_words(shape)}" for name, shape in inputs.items())
        raise WeightsError(f"The network in {place} takes {told}, not one picture 1x3xHxW: {ONNX_WAYS_OUT}.")
    height, width = shapes[0][2:]
    if asked is None:
        return height or USUAL_SIDE, width or USUAL_SIDE
    columns, rows = map(int, asked.split("x"))
    if (height or rows, width or columns) != (rows, columns):
        raise ConfigError(
            f"onnx_size is {asked}, but the network in {place} takes "
            f"{width or columns}x{height or rows} pixels: leave the setting out."
        )
    return rows, columns


def _in_words(shape: Shape) -> str:
    return "x".join("?" if side is None else str(side) for side in shape)


def _segment(
    network: Any,  # noqa: ANN401 - cv2.dnn.Net
    finder: Finder,
    settings: FoundRegionSettings,
    size: tuple[int, int],
    pixels: Floats,
) -> Scores:
    """Probability of every class; see `Segmenter`."""
    import cv2

    image = resize(torch.from_numpy(pixels), size).clamp(0, 1).numpy()
    mean, deviation = (
        np.array(each, np.float32)[:, None, None] for each in (settings.onnx_mean, settings.onnx_deviation)
    )
    try:
        network.setInput(np.ascontiguousarray((image - mean) / deviation)[None])
        answer = np.asarray(network.forward())
    except cv2.error as error:
        raise WeightsError(
            f"The network in {finder.place} does not take a picture of {size[1]}x{size[0]} pixels "
            f"({_reason(error)}): say with --onnx-size what it takes, or {ONNX_WAYS_OUT}."
        ) from error
    return _scores(answer, finder)


def _scores(answer: NDArray[Any], finder: Finder) -> Scores:
    """Probabilities and names of the classes, however the network answers."""
    if not (np.abs(answer) < LARGEST).all():
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
