import email.message
import hashlib
import io
import os
import pickle
import urllib.error
import urllib.request
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import VGG19_Weights

from pst_core.errors import WeightsError
from pst_core.network import weights as module
from pst_core.network.encoder import Encoder
from pst_core.network.weights import CONVOLUTIONS, load_weights

DEEPEST = "conv2_1"  # small files
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fresh_caches():
    yield
    for function in (module._from_file, module._from_torchvision):
        function.cache_clear()


def random_state(deepest=DEEPEST, seed=0):
    """A random network in torchvision's key names."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for layer, (index, channels_in, channels_out) in CONVOLUTIONS.items():
        kernel = torch.randn(channels_out, channels_in, 3, 3, generator=generator) / (9 * channels_in) ** 0.5
        state[f"features.{index}.weight"] = kernel
        state[f"features.{index}.bias"] = 0.1 * torch.randn(channels_out, generator=generator)
        if layer == deepest:
            break
    return state


def features_of(weights, image):
    return Encoder(weights, [DEEPEST], torch.float32, CPU)(image[None])[DEEPEST]


def test_table_of_layers_is_torchvisions():
    from torchvision.models import vgg19

    with torch.device("meta"):
        expected = {
            index: (layer.in_channels, layer.out_channels)
            for index, layer in enumerate(vgg19(weights=None).features)
            if isinstance(layer, torch.nn.Conv2d)
        }
    assert {index: channels for index, *channels in map(list, CONVOLUTIONS.values())} == {
        index: list(channels) for index, channels in expected.items()
    }
    assert len(CONVOLUTIONS) == 16 and list(CONVOLUTIONS)[-1] == "conv5_4"


def test_both_file_formats_and_key_styles_give_equal_features(tmp_path, random_image):
    state, image = random_state(), random_image(16, 16)
    bare = {key.removeprefix("features."): value for key, value in state.items()}
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    torch.save(bare, tmp_path / "c.pth")
    save_file({key: value.half() for key, value in state.items()}, tmp_path / "d.safetensors")
    found = [features_of(load_weights(str(tmp_path / name), DEEPEST), image) for name in
             ("a.safetensors", "b.pth", "c.pth", "d.safetensors")]  # fmt: skip
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    torch.testing.assert_close(found[0], found[3], rtol=1e-2, atol=1e-2)
    assert not torch.equal(found[0], found[3])


def test_what_a_file_says_about_itself(tmp_path):
    save_file(random_state(), tmp_path / "mine.safetensors")
    found = load_weights(str(tmp_path / "mine.safetensors"), DEEPEST)
    assert (found.name, found.convention, found.trained) == ("mine.safetensors", "torchvision", True)
    assert found.sha256 == hashlib.sha256((tmp_path / "mine.safetensors").read_bytes()).hexdigest()


def named_by_layer(state):
    names = {index: layer for layer, (index, _, _) in CONVOLUTIONS.items()}
    return {f"{names[int(key.split('.')[1])]}.{key.split('.')[2]}": value for key, value in state.items()}


def test_keys_named_by_layer_mean_caffes_input_unless_told_otherwise(tmp_path):
    state = random_state()
    torch.save(named_by_layer(state), tmp_path / "caffe.pth")
    assert load_weights(str(tmp_path / "caffe.pth"), DEEPEST).convention == "caffe"
    told = load_weights(str(tmp_path / "caffe.pth"), DEEPEST, "torchvision")
    assert told.convention == "torchvision"
    assert torch.equal(told.state["conv1_1.weight"], state["features.0.weight"])


def test_a_rewritten_file_is_read_anew(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(random_state(seed=1), path)
    first = load_weights(str(path), DEEPEST)
    assert load_weights(str(path), DEEPEST) is first
    save_file(random_state(seed=2), path)
    os.utime(path, ns=(1, 1))
    assert load_weights(str(path), DEEPEST) != first


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path, zipped):
    trap, path = tmp_path / "sprung", tmp_path / "evil.pth"
    content = random_state() | {"extra": Trap(str(trap))}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps({"extra": Trap(str(trap))}, protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pth holds more than tensors and was not opened"):
        load_weights(str(path), DEEPEST)
    assert not trap.exists()
    Trap(str(trap)).__reduce__()[0](str(trap))  # the trap would have worked
    assert trap.exists()


def test_a_missing_layer_is_named(tmp_path):
    state = random_state()
    del state["features.2.bias"]
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(
        WeightsError, match=r"part\.safetensors lacks layer conv1_2 \(features\.2\.bias\).*conv2_1"
    ):
        load_weights(str(tmp_path / "part.safetensors"), DEEPEST)


def test_a_file_may_end_with_the_deepest_layer_in_use(tmp_path):
    save_file(random_state("conv1_2"), tmp_path / "short.safetensors")
    load_weights(str(tmp_path / "short.safetensors"), "conv1_2")
    with pytest.raises(WeightsError, match="lacks layer conv2_1"):
        load_weights(str(tmp_path / "short.safetensors"), "conv2_1")


def test_a_misshapen_layer_is_named(tmp_path):
    state = random_state()
    state["features.2.weight"] = torch.zeros(64, 64, 5, 5)
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(
        WeightsError, match=r"odd\.safetensors, features\.2\.weight has shape \(64, 64, 5, 5\)"
    ):
        load_weights(str(tmp_path / "odd.safetensors"), DEEPEST)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    state = random_state()
    state["features.5.bias"][3] = value
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(
        WeightsError, match=r"bad\.safetensors, features\.5\.bias has values that are not finite"
    ):
        load_weights(str(tmp_path / "bad.safetensors"), DEEPEST)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"cut.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(random_state(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=rf"cut\.{suffix} "):
        load_weights(str(path), DEEPEST)


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
@pytest.mark.parametrize(
    "data", [b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(64), b"\xff" * 64]
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        load_weights(str(tmp_path / name), DEEPEST)


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(WeightsError, match=r"x\.pth"):
        load_weights(str(tmp_path / "x.pth"), DEEPEST)


@pytest.mark.parametrize(
    "content", [[torch.zeros(2)], torch.zeros(3), {"model": {"a": torch.zeros(1)}}, {"a": 3}]
)
def test_what_is_no_dict_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "list.pth")
    with pytest.raises(WeightsError, match=r"list\.pth is no state_dict of tensors"):
        load_weights(str(tmp_path / "list.pth"), DEEPEST)


def test_a_file_that_is_not_there_is_named_with_the_ways_out(tmp_path):
    with pytest.raises(WeightsError, match=r"gone\.pth cannot be read \(No such file.*--weights untrained"):
        load_weights(str(tmp_path / "gone.pth"))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(str(tmp_path))


def test_the_environment_names_a_file_and_an_explicit_choice_beats_it(tmp_path, monkeypatch):
    save_file(random_state(seed=1), tmp_path / "env.safetensors")
    save_file(random_state(seed=2), tmp_path / "own.safetensors")
    monkeypatch.setenv("PST_VGG19_WEIGHTS", str(tmp_path / "env.safetensors"))
    assert load_weights(None, DEEPEST).name == "env.safetensors"
    assert load_weights(str(tmp_path / "own.safetensors"), DEEPEST).name == "own.safetensors"
    assert not load_weights("untrained", DEEPEST).trained
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "untrained")
    assert not load_weights(None, DEEPEST).trained


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torchvision's cache of downloads, moved to an empty folder; the network is down."""

    def offline(*args, **kwargs):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr(torch.hub, "urlopen", offline)
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


DOWNLOAD = VGG19_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]


def test_offline_there_is_one_sentence_with_the_ways_out(hub):
    with pytest.raises(
        WeightsError, match=r"could not be downloaded \(.*name resolution.*\): name a file"
    ) as caught:
        load_weights(None, DEEPEST)
    assert "PST_VGG19_WEIGHTS" in str(caught.value) and "--weights untrained" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cached_download_with_another_hash_is_refused(hub):
    torch.save(random_state(), hub / DOWNLOAD)
    with pytest.raises(WeightsError, match=rf"{DOWNLOAD} does not have the hash in its name: delete it"):
        load_weights(None, DEEPEST)


@pytest.mark.parametrize(
    "data", [b"", b"<html>Sign in to this network</html>", b"PK\x03\x04 cut off", bytes(64)]
)
def test_a_cached_download_that_is_no_checkpoint_is_refused(hub, data):
    (hub / DOWNLOAD).write_bytes(data)
    with pytest.raises(WeightsError, match=DOWNLOAD) as caught:
        load_weights(None, DEEPEST)
    assert "delete it" in str(caught.value) and "\n" not in str(caught.value)


def test_a_download_with_another_hash_is_refused_and_not_kept(hub, monkeypatch):
    class Answer(io.BytesIO):
        headers = email.message.Message()

        def info(self):
            return self.headers

    monkeypatch.setattr(torch.hub, "urlopen", lambda *args, **kwargs: Answer(b"not the weights"))
    with pytest.raises(WeightsError, match=r"could not be downloaded \(invalid hash value.*: name a file"):
        load_weights(None, DEEPEST)
    assert not list(hub.iterdir())


def test_a_cached_download_with_the_right_hash_is_used(hub, monkeypatch, random_image):
    state = random_state()
    torch.save(state, hub / "made.pth")
    digest = hashlib.sha256((hub / "made.pth").read_bytes()).hexdigest()
    (hub / "made.pth").rename(hub / f"vgg19-{digest[:8]}.pth")

    class Entry:
        url = f"https://download.invalid/vgg19-{digest[:8]}.pth"

        @staticmethod
        def get_state_dict(**settings):
            return torch.hub.load_state_dict_from_url(Entry.url, **settings)

    monkeypatch.setattr("torchvision.models.VGG19_Weights", type("Fake", (), {"IMAGENET1K_V1": Entry}))
    found = load_weights(None, DEEPEST)
    assert found.sha256 == digest and found.trained and found.convention == "torchvision"
    assert found.name == f"torchvision vgg19-{digest[:8]}.pth"
    assert torch.equal(found.state["conv2_1.bias"], state["features.5.bias"])


def test_untrained_is_the_same_on_every_call():
    first = load_weights("untrained", DEEPEST)
    module._untrained.cache_clear()
    second = load_weights("untrained", DEEPEST)
    assert first is not second and first == second and hash(first) == hash(second)
    assert all(torch.equal(first.state[key], second.state[key]) for key in first.state)
    assert not first.trained and first.name == "untrained network"
    torch.manual_seed(123)
    before = torch.get_rng_state()
    module._untrained.cache_clear()
    load_weights("untrained", DEEPEST)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's random numbers are touched


def test_untrained_networks_of_different_depth_agree_where_both_go(untrained):
    shallow = load_weights("untrained", "conv1_2")
    assert all(torch.equal(value, untrained.state[key]) for key, value in shallow.state.items())
    assert shallow != untrained


def test_hybrid_weights_are_read_down_to_conv5_1(hybrid_weights):
    found = load_weights(str(hybrid_weights))
    stored = load_file(hybrid_weights)
    assert found.convention == "torchvision" and found.trained
    for layer in list(CONVOLUTIONS)[:13]:
        kernel = stored[f"features.{CONVOLUTIONS[layer][0]}.weight"].float()
        assert torch.equal(found.state[f"{layer}.weight"], kernel)
