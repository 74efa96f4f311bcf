"""Where VGG-19's weights come from: a file, torchvision's download, or a seeded untrained network."""

import hashlib
import pickle
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pst_core.errors import WeightsError
from pst_core.network.identity import UNTRAINED, WAYS_OUT, find_weights
from pst_core.steady import read_steadily

Convention = Literal["torchvision", "caffe"]


def _layer_table() -> dict[str, tuple[int, int, int]]:
    """Name -> (index in torchvision's ``features``, channels in, channels out), after VGG-19's table."""
    table, index, channels = {}, 0, 3
    for block, (depth, width) in enumerate([(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)], start=1):
        for position in range(1, depth + 1):
            table[f"conv{block}_{position}"] = (index, channels, width)
            index, channels = index + 2, width
        index += 1  # the pooling layer
    return table


CONVOLUTIONS = _layer_table()


@dataclass(frozen=True)
class Weights:
    """Convolution kernels and biases of VGG-19, with where they came from.

    Attributes
    ----------
    state : dict
        ``conv1_1.weight`` and so on -> float32 tensors; conv1_1 takes RGB.
    name : str
        What to call them in a report.
    sha256 : str
        Hash of the file's bytes (untrained: of the tensors').
    convention : {"torchvision", "caffe"}
        Input normalisation that the network expects.
    trained : bool
        False for the seeded network of ``weights="untrained"``.
    """

    state: dict[str, Tensor]
    name: str
    sha256: str
    convention: Convention
    trained: bool = True

    def __hash__(self) -> int:
        return hash((self.sha256, self.convention))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and (self.sha256, self.convention) == (
            other.sha256,
            other.convention,
        )


def load_weights(
    choice: str | None = None, deepest: str = "conv5_1", convention: Convention | Literal["auto"] = "auto"
) -> Weights:
    """Load VGG-19's convolutions up to `deepest`.

    Parameters
    ----------
    choice
        A ``.safetensors`` or ``.pth`` file, or ``untrained``. Otherwise the file that
        ``PST_VGG19_WEIGHTS`` names, else torchvision's own download, checked by its hash.
    deepest
        Last layer needed; a file may end there.
    convention
        Input that a file's network expects: torchvision's (RGB, 0 to 1, ImageNet's mean and deviation),
        or Caffe's (BGR, 0 to 255, mean subtracted). ``auto``: Caffe's where the keys are named
        ``conv1_1.weight``, as in the files converted from the original; torchvision's otherwise.

    Raises
    ------
    WeightsError
        If the weights cannot be had, or lack a layer, or a layer has another shape.
    """
    source = find_weights(choice)
    if source == UNTRAINED:
        return _untrained(deepest)
    if source == "torchvision":
        return _from_torchvision(deepest)
    try:
        path = Path(source).expanduser()
        status = path.stat()
    except OSError as error:
        raise WeightsError(
            f"The weights file {source} cannot be read ({error.strerror}): {WAYS_OUT}."
        ) from error
    except (ValueError, RuntimeError) as error:  # a NUL in the name, or a user whose home is not known
        raise WeightsError(f"The weights file {source!r} cannot be read ({error}): {WAYS_OUT}.") from error
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    return _from_file(path, deepest, convention, stamp)


@lru_cache(maxsize=2)
def _from_file(
    path: Path, deepest: str, convention: Convention | Literal["auto"], stamp: tuple[int, ...]
) -> Weights:
    del stamp  # only a part of the cache's key: a file written anew is read anew
    try:
        data = read_steadily(path)
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} cannot be read ({error.strerror}): {WAYS_OUT}."
        ) from error
    raw = _parse(path, data)
    if convention == "auto":
        convention = "caffe" if "conv1_1.weight" in raw else "torchvision"
    state = _check_layers(raw, deepest, path.name)
    if convention == "caffe":
        state["conv1_1.weight"] = state["conv1_1.weight"].flip(1)  # BGR to RGB, once and for all
    return Weights(state, path.name, hashlib.sha256(data).hexdigest(), convention)


def _parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """Tensors of a file; nothing in it is ever executed."""
    import io

    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        if path.suffix == ".safetensors":
            return dict(load(data))
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"The weights file {path} holds more than tensors and was not opened "
            f"(a pickle can run code): save its state_dict alone, or {WAYS_OUT}."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"The weights file {path} is damaged or of another format: {WAYS_OUT}.") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"The weights file {path} is no state_dict of tensors: {WAYS_OUT}.")
    return loaded


def _check_layers(raw: dict[str, Tensor], deepest: str, name: str) -> dict[str, Tensor]:
    state = {}
    for layer, (index, channels_in, channels_out) in CONVOLUTIONS.items():
        shapes = {"weight": (channels_out, channels_in, 3, 3), "bias": (channels_out,)}
        for part, shape in shapes.items():
            keys = (f"features.{index}.{part}", f"{index}.{part}", f"{layer}.{part}")
            tensor = next((raw[key] for key in keys if key in raw), None)
            if tensor is None:
                raise WeightsError(
                    f"The weights file {name} lacks layer {layer} ({keys[0]}): use a VGG-19 file "
                    f"with all layers up to {deepest}."
                )
            if tuple(tensor.shape) != shape:
                raise WeightsError(
                    f"In the weights file {name}, {keys[0]} has shape {tuple(tensor.shape)} "
                    f"where VGG-19 has {shape}: use a VGG-19 file."
                )
            state[f"{layer}.{part}"] = _finite(tensor, keys[0], name)
        if layer == deepest:
            break
    return state


def _finite(tensor: Tensor, key: str, name: str) -> Tensor:
    values = tensor.to(torch.float32)
    if not torch.isfinite(values).all():
        raise WeightsError(
            f"In the weights file {name}, {key} has values that are not finite: fetch the file anew."
        )
    return values.contiguous()


@lru_cache(maxsize=1)
def _from_torchvision(deepest: str) -> Weights:
    """torchvision's ImageNet weights; the hub checks the hash that their address carries."""
    from torchvision.models import VGG19_Weights

    entry = VGG19_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    digest = _checked_hash(cached) if cached.exists() else None  # the hub checks only what it downloads
    try:
        raw = entry.get_state_dict(
            progress=sys.stderr is not None and sys.stderr.isatty(), check_hash=True, weights_only=True,
            map_location="cpu",
        )  # fmt: skip
    except (OSError, RuntimeError) as error:  # no network, or a download whose hash is wrong
        raise WeightsError(f"VGG-19's weights could not be downloaded ({error}): {WAYS_OUT}.") from error
    digest = digest or _checked_hash(cached)
    return Weights(
        _check_layers(raw, deepest, cached.name), f"torchvision {cached.name}", digest, "torchvision"
    )


def _checked_hash(cached: Path) -> str:
    """Hash of a downloaded file, whose first digits its name ends with."""
    try:
        digest = hashlib.sha256(read_steadily(cached)).hexdigest()
    except OSError as error:
        raise WeightsError(f"{cached} cannot be read ({error.strerror}): {WAYS_OUT}.") from error
    if not digest.startswith(cached.stem.rsplit("-", 1)[-1]):
        raise WeightsError(f"{cached} does not have the hash in its name: delete it, or {WAYS_OUT}.")
    return digest


@lru_cache(maxsize=2)  # a run's own layers, and those that scores are taken with
def _untrained(deepest: str) -> Weights:
    """A seeded network whose layers neither fade nor explode: orthogonal kernels, gain for ReLU."""
    generator = torch.Generator().manual_seed(20190616)
    state, digest = {}, hashlib.sha256()
    for layer, (_, channels_in, channels_out) in CONVOLUTIONS.items():
        kernel = torch.empty(channels_out, channels_in, 3, 3)
        torch.nn.init.orthogonal_(kernel, gain=2**0.5, generator=generator)
        state[f"{layer}.weight"] = kernel * max(1, channels_out / (channels_in * 9)) ** 0.5
        state[f"{layer}.bias"] = torch.zeros(channels_out)
        digest.update(state[f"{layer}.weight"].numpy().tobytes())
        if layer == deepest:
            break
    return Weights(state, "untrained network", digest.hexdigest(), "torchvision", trained=False)


def describe_weights(weights: Weights) -> dict[str, Any]:
    """What tells these weights from others."""
    return {
        "name": weights.name,
        "sha256": weights.sha256,
        "convention": weights.convention,
        "trained": weights.trained,
    }
