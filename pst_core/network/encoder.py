"""VGG-19 as a feature encoder, cut after the deepest layer in use (paper, section 3.2)."""

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from pst_core.machine import check_device, pick_dtype
from pst_core.network import slopes
from pst_core.network.weights import CONVOLUTIONS, Weights, load_weights
from pst_core.settings.config import EncoderSettings
from pst_core.streams import prepare_device, settle

# Mean and inverse deviation of the input on [0, 1], RGB.
NORMALISATION = {
    "torchvision": ((0.485, 0.456, 0.406), (1 / 0.229, 1 / 0.224, 1 / 0.225)),
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (255.0, 255.0, 255.0)),
}


def deepest_layer(layers: Iterable[str]) -> str:
    """The layer of VGG-19 that comes last among `layers`."""
    order = list(CONVOLUTIONS)
    return order[max(order.index(layer) for layer in layers)]


class Encoder(nn.Module):
    """VGG-19's convolutions up to the deepest layer asked for, without gradients of their own.

    A layer's features are taken after its ReLU, as in Gatys et al.'s code, which the paper builds on.

    Parameters
    ----------
    weights
        Kernels, biases and the input normalisation that goes with them.
    layers
        Names such as ``conv4_2``, whose features are handed out.
    dtype, device
        Arithmetic and place of the network; images come in and features go out on the same device.
    """

    def __init__(
        self, weights: Weights, layers: Iterable[str], dtype: torch.dtype, device: torch.device
    ) -> None:
        super().__init__()
        self.layers = frozenset(layers)
        last = deepest_layer(self.layers)
        self.names = list(CONVOLUTIONS)[: list(CONVOLUTIONS).index(last) + 1]
        self.dtype = dtype
        for name in self.names:
            for part in ("weight", "bias"):
                tensor = weights.state[f"{name}.{part}"].to(device, dtype)
                if part == "weight":
                    tensor = tensor.contiguous(memory_format=torch.channels_last)
                self.register_buffer(f"{name}_{part}", tensor)
        mean, scale = NORMALISATION[weights.convention]
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.tensor(mean, device=device).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(scale, device=device).view(1, 3, 1, 1))
        settle(device)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mean.device

    @property
    def least_side(self) -> int:
        """Pixels that an image's short side must have for the deepest layer to have a position."""
        return 1 << int(self.names[-1][4]) - 1  # conv5_1 stands behind four poolings, each of 2x2

    @property
    def arithmetic(self) -> str:
        """What it computes in: ``float32`` or ``bfloat16``."""
        return str(self.dtype).removeprefix("torch.")

    def forward(
        self, image: Tensor, layers: Iterable[str] | None = None, *, even_slopes: bool = False
    ) -> dict[str, Tensor]:
        """Features of an image.

        Parameters
        ----------
        image : Tensor, shape (1, 3, H, W)
            RGB on [0, 1], float32.
        layers
            Some of the encoder's; all unless given. Nothing is computed beyond the deepest.
        even_slopes
            For descents: gradients are not quite those of the features, and change little where the image
            does, see `slopes`. The features are the same.

        Returns
        -------
        dict
            Layer -> tensor of shape (N, H_l, W_l), in the network's precision.
        """
        relu_ = slopes.relu_ if even_slopes else functional.relu_
        x = ((image - self.mean) * self.scale).to(self.dtype, memory_format=torch.channels_last)
        features: dict[str, Tensor] = {}
        wanted = self.layers if layers is None else frozenset(layers)
        for name in self.names[: self.names.index(deepest_layer(wanted)) + 1]:
            if name.endswith("_1") and name != "conv1_1":
                x = slopes.max_pooling(x) if even_slopes else functional.max_pool2d(x, slopes.SIDE)
            x = functional.conv2d(
                x, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"), padding=1
            )
            x = relu_(x)
            if name in wanted:
                features[name] = x[0]
        return features


@lru_cache(maxsize=2)
def make_encoder(
    weights: Weights, layers: frozenset[str], dtype: torch.dtype, device: torch.device
) -> Encoder:
    """The process-wide encoder for these weights: built once, then shared."""
    return Encoder(weights, layers, dtype, device)


def open_encoder(settings: EncoderSettings, layers: Iterable[str]) -> tuple[Weights, Encoder]:
    """The weights and the process-wide encoder that settings name, down to the deepest of the layers.

    Raises
    ------
    ConfigError, WeightsError
        If this machine lacks the device, or the weights cannot be had.
    """
    device = check_device(settings.device)
    prepare_device(device)
    weights = weights_for(settings, layers)
    return weights, make_encoder(weights, frozenset(layers), pick_dtype(settings.precision, device), device)


def weights_for(settings: EncoderSettings, layers: Iterable[str]) -> Weights:
    """The weights that settings name, down to the deepest of the layers; loaded once a process.

    Raises
    ------
    WeightsError
        If they cannot be had, or lack a layer.
    """
    return load_weights(settings.weights, deepest_layer(layers), settings.weights_convention)
