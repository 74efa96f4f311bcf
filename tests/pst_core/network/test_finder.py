"""What finds regions without maps is settled before anything is loaded, and nothing is fetched unasked."""

import hashlib
import json
import shutil

import pytest

from pst_core.errors import ConfigError, PstError, WeightsError
from pst_core.network import finder as finders
from pst_core.network.finder import DEEPLAB_ENVIRONMENT, MODEL_ENVIRONMENT, USUAL_MODEL, Finder
from pst_core.settings.config import Config

FOLDER = {"config.json": b'{"model_type": "segformer"}', "model.safetensors": b"any bytes"}


def found(**settings):
    return Finder.of(Config(**settings))


@pytest.fixture
def with_transformers():
    pytest.importorskip("transformers")


@pytest.fixture
def model(tmp_path, with_transformers):
    """A folder with the names of a model's files: none of them is loaded."""
    folder = tmp_path / "segformer"
    folder.mkdir()
    for name, data in FOLDER.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch, with_transformers):
    """The hub's copies on this machine: none so far. What would be fetched is noted, and fails."""
    import huggingface_hub

    cache, asked = tmp_path / "hub", []
    real = huggingface_hub.try_to_load_from_cache

    def fetch(name, **how):
        asked.append(name)
        raise OSError("Name or service not known\nand more")

    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, file: real(name, file, cache_dir=cache)
    )
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)

    def keep(name, files=FOLDER):
        place = cache / f"models--{name.replace('/', '--')}"
        (place / "snapshots" / "abc").mkdir(parents=True)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text("abc")
        for each, data in files.items():
            (place / "snapshots" / "abc" / each).write_bytes(data)
        return place / "snapshots" / "abc"

    keep.asked = asked
    return keep


# --- by itself


def test_without_a_model_the_photographs_are_asked(monkeypatch):
    monkeypatch.setattr(finders, "has_transformers", lambda: False)
    assert found() == found(segmentation="cluster") == Finder(way="cluster")


def test_a_model_on_this_machine_is_taken_by_itself_and_none_is_fetched(hub):
    assert found() == Finder(way="cluster")
    assert hub.asked == []
    place = hub(USUAL_MODEL)
    assert found() == found(segmentation="semantic")
    assert (found().way, found().place) == ("semantic", str(place))


def test_a_copy_without_weights_is_none(hub):
    hub(USUAL_MODEL, {"config.json": b"{}"})
    assert found().way == "cluster"


@pytest.mark.parametrize("how", ["setting", "environment"])
def test_a_named_model_is_taken_by_itself(how, model, monkeypatch):
    given = {}
    if how == "setting":
        given["segmentation_model"] = str(model)
    else:
        monkeypatch.setenv(MODEL_ENVIRONMENT, str(model))
    assert (found(**given).way, found(**given).place) == ("semantic", str(model))
    assert found(segmentation="cluster", **given) == Finder(way="cluster")


def test_a_named_onnx_file_is_taken_by_itself(tmp_path):
    path = tmp_path / "network.ONNX"
    path.write_bytes(b"any bytes")
    here = found(segmentation_model=str(path))
    assert (here.way, here.identity) == ("onnx", hashlib.sha256(b"any bytes").hexdigest())


def test_a_named_model_that_is_not_here_is_not_passed_over_in_silence(hub):
    with pytest.raises(WeightsError, match=r"owner/model is not on this machine.*--segmentation semantic"):
        found(segmentation_model="owner/model")
    assert hub.asked == []


# --- what tells models apart


def test_a_model_counts_by_its_files_bytes_under_any_name(model, tmp_path):
    shutil.copytree(model, tmp_path / "other")
    (tmp_path / "other" / "README.md").write_text("of no matter")
    one, other = (found(segmentation_model=str(place)) for place in (model, tmp_path / "other"))
    assert one.content == other.content and one.place != other.place
    assert one.library.startswith("transformers ")
    for name, data in FOLDER.items():
        before = found(segmentation_model=str(model)).identity
        (model / name).write_bytes(data + b" ")
        assert found(segmentation_model=str(model)).identity != before


def test_pickled_weights_are_taken_only_where_there_are_no_others(model):
    before = found(segmentation_model=str(model)).identity
    (model / "pytorch_model.bin").write_bytes(b"pickled")
    assert found(segmentation_model=str(model)).identity == before
    (model / "model.safetensors").unlink()
    assert found(segmentation_model=str(model)).identity != before


def test_deeplab_counts_by_its_file(tmp_path, monkeypatch):
    assert found(segmentation="deeplab").identity == "torchvision"
    path = tmp_path / "weights.pth"
    path.write_bytes(b"any bytes")
    monkeypatch.setenv(DEEPLAB_ENVIRONMENT, str(path))
    assert found(segmentation="deeplab").identity == hashlib.sha256(b"any bytes").hexdigest()
    assert found() == found(segmentation="cluster")  # it is no matter where it is not used


def test_files_of_merges_and_classes_count_by_what_they_say(tmp_path):
    network, merges, classes = (tmp_path / name for name in ("a.onnx", "merges.toml", "classes.txt"))
    network.write_bytes(b"any bytes")
    merges.write_text('# mine\nwater = ["pond", "sea"]\n')
    classes.write_text("sky\n sea \n\n")
    given = {"segmentation_model": str(network), "onnx_classes": str(classes)}
    here = found(segmentation_merges=str(merges), **given)
    assert here.merges == {"water": ("pond", "sea")} and here.classes == ("sky", "sea")
    assert found(**given).content != here.content
    merges.write_text('water = ["pond", "sea"]')
    assert found(segmentation_merges=str(merges), **given).content == here.content


# --- what is wrong, and the way out


def test_without_a_network_there_is_one_sentence(hub):
    with pytest.raises(
        WeightsError, match=r"could not be fetched from the hub \(Name or service not known\):"
    ) as caught:
        found(segmentation="semantic")
    assert "--segmentation cluster" in str(caught.value) and "\n" not in str(caught.value)
    assert hub.asked == [USUAL_MODEL]


def test_the_hubs_own_refusal_is_one_sentence(with_transformers):
    with pytest.raises(WeightsError, match=r"^The segmentation model .* could not be fetched") as caught:
        found(segmentation="semantic", segmentation_model="owner/no-such-model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("segmentation", ["auto", "semantic"])
def test_without_transformers_the_extra_is_named(segmentation, tmp_path, monkeypatch):
    monkeypatch.setattr(finders, "has_transformers", lambda: False)
    with pytest.raises(WeightsError, match=r'pip install "photoreal-style\[segmentation\]"'):
        found(segmentation=segmentation, segmentation_model=str(tmp_path))


@pytest.mark.parametrize(
    ("missing", "told"), [("config.json", "config.json"), ("model.safetensors", "weights")]
)
def test_a_folder_that_is_no_model_is_refused(model, missing, told):
    (model / missing).unlink()
    with pytest.raises(
        WeightsError, match=rf"segformer has no {told}: name a folder.*--segmentation cluster"
    ):
        found(segmentation_model=str(model))


@pytest.mark.parametrize("named", ["nowhere/at/all", "weights.pth", "nul\0", "~no-such-user-anywhere/x/y"])
def test_a_name_that_is_neither_folder_nor_model_is_refused(named, tmp_path, monkeypatch, with_transformers):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"x")
    for segmentation in ("auto", "semantic"):
        with pytest.raises(WeightsError, match=r"^The segmentation model .*--segmentation-model"):
            found(segmentation=segmentation, segmentation_model=named)


def test_an_onnx_file_must_be_named_and_there(tmp_path):
    with pytest.raises(WeightsError, match="Which ONNX file finds the regions is not said: name an"):
        found(segmentation="onnx")
    with pytest.raises(WeightsError, match=r"gone\.onnx cannot be read \(No such file or directory\)"):
        found(segmentation_model=str(tmp_path / "gone.onnx"))


def test_the_way_out_of_missing_deeplab_weights_is_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv(DEEPLAB_ENVIRONMENT, str(tmp_path / "nothing.pth"))
    with pytest.raises(WeightsError, match=rf"nothing\.pth.*{DEEPLAB_ENVIRONMENT}"):
        found(segmentation="deeplab")


@pytest.mark.parametrize(("text", "told"), [
    ("water = [", "no valid TOML"), ("water = 'sea'", "'water' is no list of classes"),
    ("water = [1]", "'water' is no list of classes"), (None, "cannot be read"),
    ("a = ['sea']\nb = ['sea']", "has the class 'sea' twice"),
])  # fmt: skip
def test_a_file_of_merges_that_is_none_is_refused(text, told, tmp_path):
    path = tmp_path / "merges.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"merges\.toml.*{told}|{told}"):
        found(segmentation="deeplab", segmentation_merges=str(path))


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xff\xfe", None])
def test_a_file_of_classes_that_is_none_is_refused(data, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x")
    if data is not None:
        (tmp_path / "classes.txt").write_bytes(data)
    with pytest.raises(ConfigError, match=r"classes\.txt (is empty|cannot be read)"):
        found(segmentation_model=str(tmp_path / "a.onnx"), onnx_classes=str(tmp_path / "classes.txt"))


def test_a_finder_comes_back_from_json(model):
    here = found(segmentation_model=str(model))
    assert Finder.model_validate(json.loads(here.model_dump_json())) == here
    assert issubclass(WeightsError, PstError)
