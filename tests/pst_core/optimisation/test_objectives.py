"""Evaluations as a GPU's graph needs them: they ask the device for nothing, and bring nothing to it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pst_core.optimisation.objectives import global_losses, regional_losses
from pst_core.optimisation.targets import compute_targets
from pst_core.settings.config import Config

SIZE = (24, 32)
LAYERS = {"content_layers": {"conv2_2": 1.0}, "style_layers": {"conv1_1": 0.3, "conv2_1": 0.7}}
WAITING = (
    "_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2", "lift_fresh", "is_nonzero",
    "randn",
)  # fmt: skip
CONFIGS = {
    "default": Config(**LAYERS),
    "paper": Config.make("paper", **LAYERS),
    "quality": Config.make("quality", **LAYERS),
    **{method: Config.make(method=method, **LAYERS) for method in ("li", "luan", "champandard")},
}


class NothingOfTheHost(TorchDispatchMode):
    """Refuses what makes a host wait for its device, numbers of the host's, and what is drawn there."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # telling a compiler to skip this would load it, which takes seconds

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation._schema.name.removeprefix("aten::")
        assert name not in WAITING, name
        assert not (name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])), name
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "breach",
    [
        lambda image: image.sum().item(), lambda image: image[image > 0.5], lambda image: image.nonzero(),
        lambda image: image * torch.tensor([2.0]), lambda image: bool((image > 0).all()),
        lambda image: image + torch.randn(3, 1, 1),
    ],
)  # fmt: skip
def test_what_waits_for_a_device_is_refused(random_image, breach):
    image = random_image(*SIZE)
    with pytest.raises(AssertionError), NothingOfTheHost():
        breach(image)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("even", [False, True])
def test_an_evaluation_asks_nothing_of_its_device(
    monkeypatch, small_encoder, random_image, config, hidden, even
):
    _as_on_a_device(monkeypatch)
    content, style = random_image(*SIZE, seed=1), random_image(20, 28, seed=2)
    masks = [torch.zeros(2, *image.shape[1:]) for image in (content, style)]
    for mask in masks:
        mask[0, :, :12], mask[1, :, 12:] = 1, 1
    counted = tuple(torch.ones(1, *image.shape[1:]) for image in (content, style))
    if hidden:
        counted[0][:, 2:9, 2:9] = 0
    targets = compute_targets(small_encoder, content, style, *masks, config, counted)
    for losses in (global_losses, regional_losses):
        objective = losses(small_encoder, targets, config, round_index=1, even_slopes=even)
        image = content.clone().requires_grad_()
        expected = torch.autograd.grad(objective(image).total, image)[0]  # the first makes what all share
        with NothingOfTheHost():
            (found,) = torch.autograd.grad(objective(image).total, image)
        assert torch.equal(found, expected)


def _as_on_a_device(monkeypatch):
    """Means over windows as torch has them: OpenCV's know the CPU alone."""
    from pst_core.filters import guided

    monkeypatch.setattr(guided, "_is_on_cpu", lambda image: False)
