"""Networks in ONNX files say what the same networks in torch say, and what is none is refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pst_core.errors import ConfigError, PstError, WeightsError
from pst_core.network.finder import Finder
from pst_core.regions.found import find_regions
from pst_core.regions.onnx import open_onnx
from pst_core.settings.config import Config

pytest.importorskip("onnx")
from onnx_networks import convolving

SIDE, CLASSES = 48, ("sky", "lake", "tree", "house")
POOLED = ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]})


@pytest.fixture
def kernel():
    """A convolution whose four classes differ all over a picture."""
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (4, 3, 3, 3)).astype(np.float32), rng.normal(0, 0.1, 4).astype(np.float32)


@pytest.fixture
def classes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(CLASSES) + "\n")
    return str(path)


def scores(path, pixels, **settings):
    config = Config(segmentation_model=str(path), **settings)
    return open_onnx(Finder.of(config), config)[0](pixels)


def picture(height=SIDE, width=SIDE, seed=0):
    return np.random.default_rng(seed).random((3, height, width), np.float32)


@pytest.mark.parametrize("softmax", [False, True], ids=["scores", "probabilities"])
def test_it_says_what_the_same_network_says_in_torch(kernel, classes, tmp_path, softmax):
    tail = [POOLED, ("Softmax", {"axis": 1})] if softmax else [POOLED]
    path = convolving(tmp_path / "a.onnx", *kernel, side=SIDE, tail=tail)
    pixels, mean, deviation = picture(), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    found = scores(path, pixels, onnx_classes=classes, onnx_mean=mean, onnx_deviation=deviation)
    weight, bias = map(torch.from_numpy, kernel)
    image = (torch.from_numpy(pixels) - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[
        :, None, None
    ]
    expected = functional.avg_pool2d(functional.conv2d(image[None], weight, bias, padding=1), 2)[0].softmax(
        dim=0
    )
    assert found.classes == CLASSES
    torch.testing.assert_close(found.probabilities, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_class_numbers_are_probabilities_of_one(kernel, classes, tmp_path, keepdims):
    path = convolving(
        tmp_path / "a.onnx", *kernel, side=SIDE, tail=[POOLED, ("ArgMax", {"axis": 1, "keepdims": keepdims})]
    )
    sure = scores(convolving(tmp_path / "b.onnx", *kernel, side=SIDE, tail=[POOLED]), picture())
    found = scores(path, picture(), onnx_classes=classes)
    expected = functional.one_hot(sure.probabilities.argmax(dim=0), 4).permute(2, 0, 1)
    assert torch.equal(found.probabilities, expected.float())


def test_any_photograph_is_brought_to_the_networks_size(kernel, tmp_path):
    path = convolving(tmp_path / "a.onnx", *kernel, side=SIDE)
    found = scores(path, picture(90, 131))
    assert found.probabilities.shape == (4, SIDE, SIDE)
    assert found.classes == ("class 0", "class 1", "class 2", "class 3")
    torch.testing.assert_close(found.probabilities.sum(dim=0), torch.ones(SIDE, SIDE))


def leading(side=SIDE):
    """A network whose classes are red, green and blue, and one that is nowhere."""
    weight = np.zeros((4, 3, 3, 3), np.float32)
    for channel in range(3):
        weight[channel, channel, 1, 1] = 30
    return weight, np.array([0, 0, 0, -1e3], np.float32)


def test_regions_are_its_classes_and_the_report_can_tell_the_file(classes, tmp_path):
    path = convolving(tmp_path / "a.onnx", *leading(), side=SIDE)
    content, style = (np.full((3, *size), 0.2, np.float32) for size in ((60, 96), (50, 70)))
    content[0, :30], content[1, 30:] = 0.9, 0.9
    style[1, :, :35], style[0, :, 35:] = 0.9, 0.9
    config = Config(segmentation_model=str(path), onnx_classes=classes)
    finder = Finder.of(config)
    found = find_regions(content, style, finder, None, config)
    assert (found.names, found.source) == (("sky", "water"), "onnx")
    assert found.model == f"ONNX, sha256 {finder.identity}"
    assert (found.content[:28] == 0).all() and (found.content[32:] == 1).all()
    assert (found.style[:, :33] == 1).all() and (found.style[:, 37:] == 0).all()
    assert min(found.confidence) > 0.9
    again = find_regions(content, style, finder, None, config)
    assert (again.content == found.content).all() and again.confidence == found.confidence


def test_own_merges_go_before_ade20ks(classes, tmp_path):
    path = convolving(tmp_path / "a.onnx", *leading(), side=SIDE)
    merges = tmp_path / "merges.toml"
    merges.write_text('blue = ["sky", "Lake"]')
    content = np.full((3, 60, 60), 0.2, np.float32)
    content[0, :30], content[1, 30:] = 0.9, 0.9
    config = Config(segmentation_model=str(path), onnx_classes=classes, segmentation_merges=str(merges))
    assert find_regions(content, content, Finder.of(config), None, config).names == ("blue",)
    merges.write_text('blue = ["sky", "ocean"]')
    with pytest.raises(
        ConfigError, match="the class 'ocean', which the network does not have: it has sky, lake"
    ):
        find_regions(content, content, Finder.of(config), None, config)


# --- what is wrong


def refused(error, path, match, **settings):
    with pytest.raises(error, match=match) as caught:
        scores(path, picture(), **settings)
    assert isinstance(caught.value, PstError) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\x08\x08"], ids=["empty", "page", "short"])
def test_a_file_that_is_no_network_is_refused(data, tmp_path):
    (tmp_path / "a.onnx").write_bytes(data)
    refused(WeightsError, tmp_path / "a.onnx", r"a\.onnx holds no ONNX network.*--segmentation cluster")


def test_a_network_of_other_inputs_is_refused(kernel, tmp_path):
    weight, bias = kernel
    gray = convolving(tmp_path / "gray.onnx", weight[:, :1], bias, side=SIDE)
    refused(WeightsError, gray, r"gray\.onnx takes image 1x1x48x48, not one picture 1x3xHxW: name an")
    two = convolving(tmp_path / "two.onnx", weight[:3], bias[:3], side=SIDE, inputs=2)
    refused(WeightsError, two, r"two\.onnx takes image 1x3x48x48 and other1 1x3x48x48, not one picture")
    refused(
        ConfigError,
        convolving(tmp_path / "a.onnx", *kernel, side=SIDE),
        "takes 48x48 pixels",
        onnx_size="64x48",
    )


def test_an_answer_that_is_not_for_each_pixel_is_refused(kernel, tmp_path):
    path = convolving(
        tmp_path / "a.onnx", *kernel, side=SIDE, tail=[("GlobalAveragePool", {}), ("Flatten", {})]
    )
    refused(WeightsError, path, r"an array of shape \(1, 4\), not with classes for each pixel")


def test_an_answer_that_is_no_number_is_refused(kernel, tmp_path):
    weight, bias = kernel
    path = convolving(tmp_path / "a.onnx", weight, np.full_like(bias, np.nan), side=SIDE)
    refused(WeightsError, path, "answers with what is no number")


def test_classes_that_do_not_fit_are_refused(kernel, classes, tmp_path):
    weight, bias = kernel
    five = convolving(tmp_path / "a.onnx", np.repeat(weight, 2, 0)[:5], np.repeat(bias, 2)[:5], side=SIDE)
    refused(ConfigError, five, r"names 4 classes, .* has 5: write a line for each", onnx_classes=classes)
    three = convolving(tmp_path / "b.onnx", weight[:3], bias[:3], side=SIDE)
    refused(ConfigError, three, "names 4 classes, .* has 3", onnx_classes=classes)
    numbers = [("ArgMax", {"axis": 1})]
    path = convolving(
        tmp_path / "c.onnx", np.repeat(weight, 2, 0)[:5], np.arange(5) * 9.0, side=SIDE, tail=numbers
    )
    refused(ConfigError, path, "names 4 classes, .* has 5", onnx_classes=classes)
    refused(ConfigError, path, "answers with classes' numbers: name them .* --onnx-classes")
