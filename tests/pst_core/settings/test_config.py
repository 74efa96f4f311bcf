import json

import pytest
from pydantic import ValidationError

from pst_core.errors import ConfigError
from pst_core.settings.config import PRESETS, Config


def test_settings_are_frozen():
    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.size = 3


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Config(sizes=3)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_comes_back_from_json(preset):
    config = Config.make(preset)
    assert Config.model_validate(json.loads(config.model_dump_json())) == config
    assert all(getattr(config, name) == value for name, value in PRESETS[preset].items())


def test_the_default_preset_is_the_defaults():
    assert Config.make() == Config.make("default") == Config()


def test_the_papers_layers_and_weights():
    config = Config.make("paper")
    assert config.content_layers == {"conv4_2": 1.0}
    assert config.style_layers == {f"conv{block}_1": 1 / 5 for block in range(1, 6)}
    assert (config.content_weight, config.style_weight, config.gram) == (1.0, 1.0, "paper")
    assert (config.init, config.filter, config.filter_radius, config.filter_epsilon) == (
        "random",
        "guided",
        2,
        0.01,
    )
    assert (config.optimizer, config.size, config.color_match, config.detail) == ("lbfgs", None, 0.0, 0.0)


def test_settings_given_beside_a_preset_win():
    config = Config.make("quality", size=64)
    assert config.size == 64 and config.rounds == PRESETS["quality"]["rounds"]


def test_numbers_for_red_green_and_blue_are_written_as_text_or_as_a_list():
    for written in ("0.5, 0.25,1", ["0.5", 0.25, 1], (0.5, 0.25, 1.0)):
        assert Config(onnx_mean=written).onnx_mean == (0.5, 0.25, 1.0)


def test_every_setting_is_documented():
    fields = Config.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


@pytest.mark.parametrize(("preset", "settings", "sentence"), [
    ("best", {}, r"^There is no preset 'best': choose one of default, fast, quality, paper\.$"),
    ("default", {"colour": 1}, r"^There is no setting 'colour': `pst stylize --help` lists them all\.$"),
    ("default", {"size": 7}, r"^Setting 'size' cannot be 7: input should be greater than or equal to 32\.$"),
    ("default", {"onnx_mean": "0.5,0.5"},
     r"^Setting 'onnx_mean' cannot be '0\.5,0\.5': three numbers are needed, as in 0\.485,0\.456,0\.406\.$"),
    ("default", {"onnx_deviation": "1,0,1"}, r"^Setting 'onnx_deviation' cannot be .0.: .*to 0\.000001"),
    ("default", {"segmentation": "best"}, r"^Setting 'segmentation' cannot be .best.: .*or .one."),
    ("default", {"gram": "big"}, r"^Setting 'gram' cannot be 'big': .*'normalized' or 'paper'\.$"),
    ("default", {"device": "tpu"}, r"^Setting 'device' cannot be 'tpu'"),
    ("default", {"seed": -1}, r"^Setting 'seed' cannot be -1"),
    ("default", {"style_layers": {"relu1_1": 1}}, r"^Setting 'style_layers' cannot be"),
    ("default", {"style_layers": {"conv1_1": -1}}, r"^Setting 'style_layers' cannot be"),
    ("default", {"style_layers": {}}, r"^Style_layers must name at least one layer with a weight above 0\.$"),
    ("default", {"style_layers": {"conv1_1": 0}}, r"must name at least one layer"),
    ("default", {"color_match": 1.5}, r"color_match must be `auto` or a number from 0 to 1|Color_match"),
    ("default", {"shares": "0.5,-1"}, r"^Setting 'shares' cannot be '-1': .*greater than 0\.$"),
    ("default", {"shares": "0,0"}, r"^Setting 'shares' cannot be '0': .*greater than 0\.$"),
    ("default", {"shares": "half,half"}, r"^Setting 'shares' cannot be 'half': .*valid number"),
    ("default", {"shares": (0.5, float("nan"))}, r"^Setting 'shares' cannot be nan"),
    ("default", {"shares": ""}, r"^Setting 'shares' cannot be ''"),
    ("default", {"strength": 2.5}, r"^Setting 'strength' cannot be 2\.5: .*less than or equal to 2\.$"),
    ("default", {"strength": -0.1}, r"^Setting 'strength' cannot be -0\.1: .*greater than or equal to 0\.$"),
    ("default", {"color_match": "all"}, r"^Setting 'color_match' cannot be 'all'"),
    ("default", {"filter_epsilon": 0.0}, r"^Setting 'filter_epsilon' cannot be 0\.0"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(preset, settings, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        Config.make(preset, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", [
    "content_weight", "style_weight", "step", "filter_epsilon", "filter_sigma", "tv_weight", "detail",
    "color_match", "strength",
])  # fmt: skip
def test_a_value_that_is_no_number_is_refused(name, value):
    with pytest.raises(ConfigError):
        Config.make(**{name: value})


@pytest.mark.parametrize("layers", ["content_layers", "style_layers"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_layer_weights_that_are_no_numbers_are_refused(layers, value):
    with pytest.raises(ConfigError):
        Config.make(**{layers: {"conv1_1": value}})


@pytest.mark.parametrize("layer", ["conv1_3", "conv2_4", "conv1_4"])
def test_layers_that_vgg19_lacks_are_refused(layer):
    with pytest.raises(ConfigError):
        Config.make(style_layers={layer: 1.0})


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:3"])
def test_devices(device):
    assert Config.make(device=device).device == device
