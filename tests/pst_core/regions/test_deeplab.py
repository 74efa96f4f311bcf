import urllib.error

import numpy as np
import pytest
import torch
from torch import nn

from pst_core.errors import WeightsError
from pst_core.network.finder import DEEPLAB_ENVIRONMENT, Finder
from pst_core.regions.deeplab import load_deeplab, open_deeplab
from pst_core.regions.found import find_regions
from pst_core.settings.config import Config

CPU = torch.device("cpu")


class Small(nn.Module):
    """Stands in for the 240 MB network: three of its 21 classes, told apart by which colour leads."""

    def __init__(self):
        super().__init__()
        self.classify = nn.Conv2d(3, 21, 1, bias=False)

    def forward(self, image):
        return {"out": nn.functional.avg_pool2d(self.classify(image), 4)}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A file of the small network's weights; torchvision's constructor makes that network."""
    asked = []

    def construct(**settings):
        asked.append(settings)
        return Small()

    monkeypatch.setattr("torchvision.models.segmentation.deeplabv3_resnet101", construct)
    path = tmp_path / "deeplab.pth"
    torch.save({"classify.weight": 9 * torch.eye(21, 3).view(21, 3, 1, 1)}, path)
    monkeypatch.setenv(DEEPLAB_ENVIRONMENT, str(path))
    return path, asked


def stripes(height, width, *leading):
    """Vertical stripes, each with one leading colour."""
    image = np.full((3, height, width), 0.2, np.float32)
    for index, channel in enumerate(leading):
        image[channel, :, index * width // len(leading) : (index + 1) * width // len(leading)] = 0.9
    return image


def find(content, style):
    config = Config(segmentation="deeplab", device="cpu")
    return find_regions(content, style, Finder.of(config), None, config)


def test_regions_are_the_networks_classes(small):
    content, style = stripes(60, 96, 0, 2), stripes(48, 64, 2, 0)
    found = find(content, style)
    assert found.source == "deeplab" and found.count == 2 and found.matched.all()
    assert found.names == ("background", "vehicle")
    assert found.content.shape == (60, 96) and found.style.shape == (48, 64)
    assert (found.content[:, :44] == 0).all() and (found.content[:, 52:] == 1).all()
    assert (found.style[:, :29] == 1).all() and (found.style[:, 35:] == 0).all()


def test_a_class_of_one_photograph_alone_is_noted(small):
    found = find(stripes(60, 96, 0, 1), stripes(60, 96, 0, 2))
    assert found.count == 3 and sorted(found.matched) == [False, False, True]
    assert any("no counterpart in the style" in note for note in found.notes)


def test_the_network_is_kept_until_its_file_is_another(small, monkeypatch):
    path, asked = small
    settings = Config(segmentation="deeplab")
    for _ in range(2):
        segmenter, name = open_deeplab(Finder.of(settings), CPU)
    assert len(asked) == 1 and name.endswith(f"sha256 {Finder.of(settings).identity}")
    torch.save({"classify.weight": torch.zeros(21, 3, 1, 1)}, path)
    assert open_deeplab(Finder.of(settings), CPU)[0] is not segmenter and len(asked) == 2


def test_network_is_built_without_a_download_and_does_not_learn(small):
    network = load_deeplab(str(small[0]), CPU)
    assert small[1] == [{"weights": None, "weights_backbone": None, "aux_loss": True}]
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("content", ["other keys", "no pickle", "absent"])
def test_a_file_that_does_not_fit_is_named(small, content):
    path, _ = small
    if content == "other keys":
        torch.save({"somewhere.weight": torch.zeros(3)}, path)
    elif content == "no pickle":
        path.write_bytes(b"<html>404</html>")
    else:
        path.unlink()
    with pytest.raises(
        WeightsError, match=r"deeplab\.pth\) cannot be used \(.*PST_DEEPLAB_WEIGHTS"
    ) as caught:
        load_deeplab(str(path), CPU)
    assert "\n" not in str(caught.value) and "--segmentation cluster" in str(caught.value)


def test_code_in_a_file_does_not_run(small, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").mkdir, ()

    torch.save({"classify.weight": Trap()}, small[0])
    with pytest.raises(WeightsError):
        load_deeplab(str(small[0]), CPU)
    assert not (tmp_path / "sprung").exists()


def test_offline_there_is_one_sentence(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr(torch.hub, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"DeepLabV3 download\) cannot be used \(.*name resolution"
    ) as caught:
        load_deeplab("", CPU)
    assert "\n" not in str(caught.value)


def test_torchvisions_network_takes_its_own_state(monkeypatch, tmp_path):
    """The real constructor, without memory for its kernels: names and shapes are what must fit."""
    from torchvision.models.segmentation import deeplabv3_resnet101

    with torch.device("meta"):
        network = deeplabv3_resnet101(weights=None, weights_backbone=None, aux_loss=True)
    monkeypatch.setattr(
        "torchvision.models.segmentation.deeplabv3_resnet101",
        lambda **settings: _on_meta(deeplabv3_resnet101, settings),
    )
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: network.state_dict())
    found = load_deeplab(str(tmp_path / "any.pth"), torch.device("meta"))
    assert sum(parameter.numel() for parameter in found.parameters()) > 50e6


def _on_meta(construct, settings):
    with torch.device("meta"):
        return construct(**settings)
