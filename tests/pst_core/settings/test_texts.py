"""Settings as text: what each kind of field makes of it."""

import pytest

from pst_core.errors import ConfigError
from pst_core.settings.config import Config
from pst_core.settings.texts import from_text, is_mapping, literal_choices, may_be_none


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "none", None),
        ("size", "None", None),
        ("size", "48", "48"),  # which pydantic converts
        ("layer_scale", "none", "none"),  # a choice of that name
        ("bit_depth", "16", 16),
        ("bit_depth", "auto", "auto"),
        ("style_layers", "conv1_1=0.2, conv2_1=1", {"conv1_1": "0.2", "conv2_1": "1"}),
        ("style_layers", ["conv1_1=0.2", "conv2_1=1"], {"conv1_1": "0.2", "conv2_1": "1"}),
        ("style_layers", {"conv1_1": 0.2}, {"conv1_1": 0.2}),
        ("gram", ["paper"], ["paper"]),
        ("sise", "none", "none"),
        ("size", 48, 48),
    ],
)
def test_text_becomes_what_the_field_is_made_of(name, text, value):
    assert from_text(name, text) == value


def test_a_weight_without_its_name_is_refused():
    with pytest.raises(ConfigError, match=r"'style_layers' cannot be 'conv1_1': write it as conv1_1=0\.2"):
        from_text("style_layers", "conv1_1")


def test_kinds_of_fields_are_told_apart():
    annotations = {name: field.annotation for name, field in Config.model_fields.items()}
    mappings = {name for name, each in annotations.items() if is_mapping(each)}
    assert mappings == {"content_layers", "style_layers", "edge_weights"}
    assert {name for name, each in annotations.items() if may_be_none(each)} == {
        "regions", "weights", "size", "segmentation_model", "segmentation_merges", "onnx_size",
        "onnx_classes", "max_slope", "shares", "upsampling_tolerance",
    }  # fmt: skip

    assert literal_choices(annotations["optimizer"]) == ("lbfgs", "adam")
    assert literal_choices(annotations["size"]) == ()
