import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torchvision.models import vgg19
from torchvision.transforms.functional import normalize

from pst_core.network import encoder as encoders
from pst_core.network.encoder import Encoder, deepest_layer, make_encoder
from pst_core.network.weights import CONVOLUTIONS, Weights, load_weights
from pst_core.settings.config import Config

CPU = torch.device("cpu")
USED = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1"]


def test_used_layers_are_the_papers():
    assert sorted(Config().layers) == USED


def test_features_are_torchvisions(untrained, random_image):
    state = {
        f"{CONVOLUTIONS[key.split('.')[0]][0]}.{key.split('.')[1]}": value
        for key, value in untrained.state.items()
    }
    with torch.device("meta"):
        network = vgg19(weights=None).features[:29]
    network.load_state_dict(state, assign=True)
    image = random_image(50, 39)
    x = normalize(image[None], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = {}
    names = {index + 1: layer for layer, (index, _, _) in CONVOLUTIONS.items()}  # each ReLU follows its layer
    with torch.no_grad():
        for index, layer in enumerate(network):
            x = layer(x)
            if index in names:
                expected[names[index]] = x[0].clone()
        expected["conv5_1"] = torch.relu(x[0])
    found = Encoder(untrained, USED, torch.float32, CPU)(image[None])
    assert sorted(found) == USED
    for layer in USED:
        scale = expected[layer].max().item()
        torch.testing.assert_close(found[layer], expected[layer], rtol=0, atol=1e-5 * scale)


def biased(weights, convention):
    """The same kernels with biases that are not zero, which catches a bias that is dropped."""
    generator = torch.Generator().manual_seed(1)
    state = {
        key: value if key.endswith("weight") else torch.randn(value.shape, generator=generator)
        for key, value in weights.state.items()
    }
    return Weights(state, "biased", convention, convention)


@pytest.mark.parametrize("convention", ["caffe", "torchvision"])
def test_first_layer_from_the_definition(tmp_path, untrained, random_image, convention):
    """A file with Caffe's key names takes BGR, 0 to 255, less the mean; correlation by SciPy."""
    kernels = biased(untrained, "x").state
    prefix = {"caffe": "conv1_1", "torchvision": "features.0"}[convention]
    torch.save(
        {f"{prefix}.{part}": kernels[f"conv1_1.{part}"] for part in ("weight", "bias")}, tmp_path / "w.pth"
    )
    weights = load_weights(str(tmp_path / "w.pth"), "conv1_1")
    assert weights.convention == convention
    image = random_image(9, 11)
    rgb = image.double().numpy()
    if convention == "caffe":
        planes = 255 * rgb[::-1] - np.array([103.939, 116.779, 123.68])[:, None, None]
    else:
        planes = (rgb - np.array([0.485, 0.456, 0.406])[:, None, None]) / np.array([0.229, 0.224, 0.225])[
            :, None, None
        ]
    kernel, bias = kernels["conv1_1.weight"].double().numpy(), kernels["conv1_1.bias"].double().numpy()
    found = Encoder(weights, ["conv1_1"], torch.float32, CPU)(image[None])["conv1_1"]
    for channel in range(0, 64, 7):
        value = sum(correlate2d(planes[c], kernel[channel, c], mode="same") for c in range(3)) + bias[channel]
        np.testing.assert_allclose(found[channel], np.maximum(value, 0), rtol=1e-4, atol=1e-3)


def test_biases_reach_every_layer(untrained, random_image):
    plain = Encoder(untrained, USED, torch.float32, CPU)(random_image(32, 32)[None])
    with_bias = Encoder(biased(untrained, "torchvision"), USED, torch.float32, CPU)(
        random_image(32, 32)[None]
    )
    assert all(not torch.equal(plain[layer], with_bias[layer]) for layer in USED)


def test_untrained_features_neither_fade_nor_explode(untrained, random_image):
    smooth = torch.nn.functional.interpolate(
        random_image(12, 16)[None], size=(96, 128), mode="bicubic"
    ).clamp(0, 1)
    layers = list(CONVOLUTIONS)[:13]
    found = Encoder(untrained, layers, torch.float32, CPU)(smooth)
    means = [found[layer].mean().item() for layer in layers]
    assert max(means) < 5 * min(means)
    for layer in layers:  # and every layer still tells places and channels apart
        assert found[layer].std(dim=(1, 2)).mean() > 0.1 * found[layer].mean()


def test_features_of_the_stand_in_weights_are_torchvisions(hybrid_weights, random_image):
    weights = load_weights(str(hybrid_weights))
    image = random_image(40, 40)
    x = normalize(image[None], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for layer in list(CONVOLUTIONS)[:5]:
        if layer in ("conv2_1", "conv3_1"):
            x = torch.nn.functional.max_pool2d(x, 2, 2)
        x = torch.nn.functional.conv2d(
            x, weights.state[f"{layer}.weight"], weights.state[f"{layer}.bias"], padding=1
        )
        x = torch.relu(x)
    found = Encoder(weights, ["conv3_1"], torch.float32, CPU)(image[None])["conv3_1"]
    torch.testing.assert_close(found, x[0], rtol=0, atol=1e-5 * x.max().item())


def test_bfloat16_is_close_and_has_gradients(small_encoder, untrained, random_image):
    half = Encoder(untrained, ["conv2_2"], torch.bfloat16, CPU)
    image = random_image(24, 24)[None].requires_grad_()
    there = half(image)["conv2_2"]
    here = small_encoder(image)["conv2_2"]
    assert there.dtype == torch.bfloat16
    assert (there.float() - here).norm() < 0.03 * here.norm()
    (gradient,) = torch.autograd.grad(there.float().square().mean(), image)
    assert gradient.dtype == torch.float32 and gradient.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_even_slopes_leave_features_as_they_are_and_lead_the_same_way(untrained, random_image, dtype):
    encoder = Encoder(untrained, USED, dtype, CPU)
    image = random_image(50, 39)[None].requires_grad_()
    plain, even = encoder(image), encoder(image, even_slopes=True)
    assert all(torch.equal(plain[layer], even[layer]) for layer in USED)
    slopes = [
        torch.autograd.grad(found["conv5_1"].float().square().sum(), image)[0].flatten()
        for found in (plain, even)
    ]
    assert torch.cosine_similarity(*slopes, dim=0) > 0.7 and not torch.equal(*slopes)


def test_even_slopes_change_as_little_as_the_image(untrained, random_image):
    encoder = Encoder(untrained, ["conv5_1"], torch.float32, CPU)
    image = random_image(64, 64)[None]
    noise = 1e-6 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))

    def slope(image, even):
        point = image.clone().requires_grad_()
        loss = encoder(point, even_slopes=even)["conv5_1"].square().sum()
        return torch.autograd.grad(loss, point)[0]

    def change(even):
        return (slope(image + noise, even) - slope(image, even)).norm() / slope(image, even).norm()

    assert change(True) < 3e-5 < change(False)


def test_gradient_reaches_the_image_and_no_weight(small_encoder, random_image):
    image = random_image(16, 16)[None].requires_grad_()
    small_encoder(image)["conv2_2"].sum().backward()
    assert image.grad.abs().min() >= 0 and image.grad.abs().max() > 0
    assert not list(small_encoder.parameters())


def test_gradient_by_differences(untrained):
    shallow = Weights({k: v.double() for k, v in untrained.state.items()}, "double", "d", "torchvision")
    encoder = Encoder(shallow, ["conv1_2"], torch.float64, CPU)
    image = torch.rand(1, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(x):
        return encoder(x)["conv1_2"].square().sum()

    (gradient,) = torch.autograd.grad(loss(image.requires_grad_()), image)
    with torch.no_grad():
        slope = (loss(image + 1e-5 * direction) - loss(image - 1e-5 * direction)) / 2e-5
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-3)


def test_input_is_not_changed(small_encoder, random_image):
    image = random_image(16, 16)[None]
    before = image.clone()
    small_encoder(image)
    assert torch.equal(image, before)


def test_no_deeper_layer_than_needed_is_computed(untrained):
    encoder = Encoder(untrained, ["conv2_1", "conv1_1"], torch.float32, CPU)
    assert encoder.names == ["conv1_1", "conv1_2", "conv2_1"]
    assert deepest_layer(["conv4_2", "conv5_1", "conv1_1"]) == "conv5_1"
    assert deepest_layer(["conv3_4", "conv3_1"]) == "conv3_4"


def test_some_layers_are_computed_without_those_beyond_them(untrained, random_image, monkeypatch):
    encoder, image = Encoder(untrained, USED, torch.float32, CPU), random_image(40, 48)[None]
    expected, calls = encoder(image), []
    convolve = encoders.functional.conv2d

    def counted(*arguments, **named):
        calls.append(None)
        return convolve(*arguments, **named)

    monkeypatch.setattr(encoders.functional, "conv2d", counted)
    found = encoder(image, ["conv1_1", "conv3_1"])
    assert sorted(found) == ["conv1_1", "conv3_1"] and len(calls) == list(CONVOLUTIONS).index("conv3_1") + 1
    assert all(torch.equal(found[layer], expected[layer]) for layer in found)


def test_encoder_is_built_once(untrained):
    layers = frozenset(["conv1_1"])
    first = make_encoder(untrained, layers, torch.float32, CPU)
    assert make_encoder(untrained, layers, torch.float32, CPU) is first
    assert make_encoder(untrained, layers, torch.bfloat16, CPU) is not first
