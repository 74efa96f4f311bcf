import hashlib
import os
import shutil

import pytest

from pst_core.errors import WeightsError
from pst_core.network.identity import ENVIRONMENT, Network, find_weights
from pst_core.settings.config import Config, EncoderSettings


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"any bytes: they are not loaded")
    return path


def network(path=None, **settings):
    return Network.of(Config(weights=None if path is None else str(path), **settings), has_maps=False)


def test_identity_is_the_sha256_of_the_files_bytes(weights):
    assert network(weights).identity == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_identity_is_the_same_under_another_name(weights, tmp_path):
    elsewhere = tmp_path / "folder" / "other.safetensors"
    elsewhere.parent.mkdir()
    shutil.copyfile(weights, elsewhere)
    os.utime(elsewhere, (1, 1))
    assert network(elsewhere).identity == network(weights).identity


@pytest.mark.parametrize("content", [b"other bytes, other length", b"ANY bytes: they are not loaded", b""])
def test_identity_changes_when_the_file_is_rewritten(weights, content):
    os.utime(weights, (1000, 1000))
    before = network(weights).identity
    weights.write_bytes(content)
    assert network(weights).identity == hashlib.sha256(content).hexdigest() != before


def test_identity_changes_when_the_file_is_replaced_by_one_of_its_size_and_time(weights, tmp_path):
    os.utime(weights, (1000, 1000))
    before = network(weights).identity
    other = tmp_path / "other"
    other.write_bytes(weights.read_bytes()[::-1])
    os.utime(other, (1000, 1000))
    other.replace(weights)
    assert network(weights).identity == hashlib.sha256(weights.read_bytes()).hexdigest() != before


def test_identity_changes_when_the_file_is_rewritten_in_place_with_its_time_put_back(weights):
    os.utime(weights, (1000, 1000))
    before = network(weights).identity
    weights.write_bytes(weights.read_bytes()[::-1])
    os.utime(weights, (1000, 1000))
    assert network(weights).identity != before


def test_without_a_file_the_identity_is_the_choices_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a file of that name must not matter
    (tmp_path / "untrained").write_bytes(b"x")
    assert network("untrained").identity == "untrained"
    assert network().identity == "torchvision"


def test_a_setting_goes_before_the_environment_which_goes_before_the_default(weights, monkeypatch):
    assert find_weights(None) == "torchvision"
    monkeypatch.setenv(ENVIRONMENT, str(weights))
    assert network().identity == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert network().settings.weights is None
    assert network("untrained").identity == "untrained"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert network().identity == "torchvision"


def test_a_home_folder_is_understood(weights, monkeypatch):
    monkeypatch.setenv("HOME", str(weights.parent))
    assert network("~/weights.pth").identity == network(weights).identity


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named_with_the_ways_out(tmp_path, make):
    path = tmp_path / "nothing.pth"
    make(path)
    with pytest.raises(WeightsError, match=r"nothing\.pth") as caught:
        network(path)
    assert "--weights" in str(caught.value) and ENVIRONMENT in str(caught.value)
    assert "untrained" in str(caught.value)


def test_a_home_folder_that_nobody_has_is_a_weights_error():
    with pytest.raises(WeightsError):
        network("~no-such-user-anywhere/weights.pth")


def test_a_name_that_no_file_can_have_is_a_weights_error():
    with pytest.raises(WeightsError):
        network("weights\0.pth")


def test_a_network_has_the_settings_that_name_it_and_its_arithmetic():
    given = {
        "weights": "untrained", "weights_convention": "caffe", "precision": "bfloat16", "device": "cuda:1",
    }  # fmt: skip
    found = network("untrained", **{name: value for name, value in given.items() if name != "weights"})
    assert found.settings.model_dump() == given


def test_the_same_weights_in_another_arithmetic_keep_their_identity(weights):
    found = network(weights, segmentation="one")
    moved = found.under(Config(weights=str(weights), device="cpu", precision="float32"))
    assert (moved.identity, moved.finder) == (found.identity, found.finder)
    assert (moved.settings.device, moved.settings.precision) == ("cpu", "float32")
    assert type(moved.settings) is EncoderSettings
