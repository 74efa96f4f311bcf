"""Models of transformers say what transformers says, are loaded once, and what is none is refused."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from pst_core.errors import WeightsError
from pst_core.network.finder import Finder
from pst_core.regions import semantic
from pst_core.regions.found import find_regions
from pst_core.regions.semantic import open_semantic
from pst_core.settings.config import Config

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")
CLASSES = ("sky", "sea", "lake", "tree", "grass", "building", "house", "road")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of a SegFormer with random weights: large enough to tell pixels apart, quick to run."""
    folder = tmp_path_factory.mktemp("models") / "segformer"
    names = dict(enumerate(CLASSES))
    torch.manual_seed(5)
    network = transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            num_labels=len(CLASSES), id2label=names, label2id=dict(zip(CLASSES, names, strict=True)),
            depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16, initializer_range=0.5,
        )
    )  # fmt: skip
    with torch.no_grad():
        network.decode_head.classifier.weight.mul_(4)  # so that it is sure of something
    network.save_pretrained(folder)
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture
def model(kept, tmp_path):
    """The folder of the test's own."""
    folder = tmp_path / "segformer"
    folder.mkdir()
    for path in kept.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def opened(folder):
    return open_semantic(Finder.of(Config(segmentation_model=str(folder))), CPU)


def picture(height=64, width=64, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (3, height // 16, width // 16))
    return np.kron(values, np.ones((16, 16))).astype(np.float32) / 255


def test_it_says_what_transformers_says(kept):
    segmenter, name = opened(kept)
    pixels = picture()
    found = segmenter(pixels)
    network = transformers.SegformerForSemanticSegmentation.from_pretrained(kept).eval()
    mean, deviation = (
        torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        logits = network((torch.from_numpy(pixels)[None] - mean) / deviation).logits[0]
    assert found.classes == CLASSES
    torch.testing.assert_close(found.probabilities, logits.softmax(dim=0), atol=1e-4, rtol=1e-3)
    assert name.startswith("SegformerForSemanticSegmentation, transformers ")
    assert name.endswith(f"sha256 {Finder.of(Config(segmentation_model=str(kept))).identity}")


def test_any_photograph_is_brought_to_what_the_model_takes(kept):
    found = opened(kept)[0](picture(1040, 1600))
    assert found.probabilities.shape == (len(CLASSES), 16, 16)


def test_regions_are_the_groups_that_it_sees(kept):
    content, style = picture(80, 128, seed=1), picture(96, 64, seed=2)
    config = Config(segmentation_model=str(kept))
    found = find_regions(content, style, Finder.of(config), None, config)
    again = find_regions(content, style, Finder.of(config), None, config)
    assert found.source == "semantic" and found.model.startswith("SegformerForSemanticSegmentation")
    assert {*found.names} <= {"sky", "water", "greenery", "building", "ground", "greenery + ground"}
    assert found.count >= 2 and found.content.shape == (80, 128) and found.style.shape == (96, 64)
    assert (again.content == found.content).all() and (again.style == found.style).all()
    # By another road: the largest group of each place, straight from the network.
    scores = opened(kept)[0](content).probabilities
    groups = torch.stack([scores[0], scores[1:3].sum(0), scores[3:5].sum(0), scores[5:7].sum(0), scores[7]])
    best = functional.interpolate(groups[None], (80, 128), mode="bilinear")[0].argmax(dim=0).numpy()
    names = np.array(["sky", "water", "greenery", "building", "ground"])[best]
    mine = np.array(found.names)[found.content]
    agree = np.mean([name in where for name, where in zip(names.ravel(), mine.ravel(), strict=True)])
    assert agree > 0.6  # borders are drawn along the photograph's edges


def test_it_is_loaded_once_and_anew_where_its_files_are_others(model, monkeypatch):
    loads = []
    real = transformers.AutoModelForSemanticSegmentation.from_pretrained
    monkeypatch.setattr(
        transformers.AutoModelForSemanticSegmentation, "from_pretrained",
        lambda *given, **how: loads.append(how) or real(*given, **how),
    )  # fmt: skip
    semantic._load.cache_clear()
    first, second = opened(model)[0], opened(model)[0]
    assert first.args[0] is second.args[0] and len(loads) == 1
    assert loads[0]["local_files_only"] and not loads[0]["trust_remote_code"]
    assert not any(parameter.requires_grad for parameter in first.args[0].network.parameters())
    config = json.loads((model / "config.json").read_text())
    config["id2label"]["0"] = "heaven"
    (model / "config.json").write_text(json.dumps(config))
    assert opened(model)[0](picture()).classes[0] == "heaven" and len(loads) == 2


# --- what is wrong


def refused(folder, match):
    with pytest.raises(WeightsError, match=match) as caught:
        opened(folder)[0](picture())
    sentence = str(caught.value)
    assert "\n" not in sentence and "--segmentation cluster" in sentence and str(folder) in sentence


@pytest.mark.parametrize(("name", "data"), [
    ("model.safetensors", b"<html>404</html>"), ("model.safetensors", b""), ("config.json", b"{"),
    ("config.json", b"{}"), ("preprocessor_config.json", b"[]"), ("preprocessor_config.json", None),
], ids=str)  # fmt: skip
def test_a_folder_with_a_broken_file_is_refused(name, data, model):
    if data is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(data)
    refused(model, r"^The segmentation model .* cannot be used \(")


def test_a_model_for_something_else_is_refused(model):
    """A classifier of whole pictures has the same body: transformers would make up the head that it lacks."""
    config = transformers.SegformerConfig.from_pretrained(model)
    transformers.SegformerForImageClassification(config).save_pretrained(model)
    refused(model, r"has no weights for decode_head\.\S+ of SegformerForSemanticSegmentation")


def test_a_model_of_texts_is_refused(model):
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    (model / "config.json").write_text(config.to_json_string())
    refused(model, r"cannot be used \(.*Bert")


def test_code_in_a_folder_does_not_run(model, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").mkdir, ()

    (model / "model.safetensors").unlink()
    torch.save({"decode_head.classifier.weight": Trap()}, model / "pytorch_model.bin")
    (model / "trap.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).mkdir()\n")
    config = json.loads((model / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSemanticSegmentation": "trap.Trap", "AutoConfig": "trap.Trap"}
    (model / "config.json").write_text(json.dumps(config))
    refused(model, "cannot be used")
    assert not (tmp_path / "sprung").exists()
