"""Compared methods: every recipe is valid, runs, and does what sets it apart from the others."""

import numpy as np
import pytest
import torch

from pst_core import Config, stylize
from pst_core.color.baselines import luminance_of
from pst_core.errors import ConfigError
from pst_core.optimisation.image_terms import make_image_term, needs_content
from pst_core.optimisation.matting import matting_laplacian
from pst_core.pipeline.plan import plan_stages
from pst_core.settings.methods import ABLATIONS, COMPARED, METHODS

WITHOUT_STAGES = ("reinhard", "linear", "histogram", "without-optimisation")
SMALL = {
    "weights": "untrained", "size": 48, "device": "cpu", "precision": "float32", "global_iterations": 3,
    "regional_iterations": 3, "content_layers": {"conv2_1": 1.0}, "style_layers": {"conv1_1": 1.0},
}  # fmt: skip


@pytest.fixture
def pair(landscape):
    content, content_map = landscape(64, 96, (90, 130, 210), (60, 110, 50))
    style, style_map = landscape(72, 80, (230, 120, 60), (70, 40, 30), seed=1)
    return content, style, content_map, style_map


def small(method, **settings):
    recipe = METHODS[method].settings
    quick = {name: value for name, value in SMALL.items() if recipe.get(name, 1) != 0}
    if method == "champandard":
        quick |= {"style_layers": {"conv2_1": 1.0}}
    return Config.make(method=method, **(quick | settings))


@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_is_valid_and_named(method):
    config = Config.make(method=method)
    assert config.method == method
    assert all(getattr(config, name) == value for name, value in METHODS[method].settings.items())
    assert METHODS[method].title and METHODS[method].source


def test_the_papers_method_is_the_default_and_sets_nothing():
    assert Config.make(method="yang") == Config()


def test_what_others_described_follows_the_losses_own_gradients():
    others = [
        Config.make(method=method) for method in METHODS if method not in ("yang", "without-optimisation")
    ]
    assert {config.gradients for config in [*others, Config.make("paper")]} == {"exact"}
    assert Config().gradients == "even"


def test_a_recipe_goes_before_a_preset_and_a_setting_before_a_recipe():
    config = Config.make("quality", method="luan", filter="tv")
    assert config.matting_weight == METHODS["luan"].settings["matting_weight"]
    assert config.scales == 1 and config.filter == "tv"
    assert config.history == Config.make("quality").history


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match=r"^Setting 'method' cannot be 'picasso': .*'gatys'"):
        Config.make(method="picasso")


def test_the_lists_name_methods():
    assert set(COMPARED) | set(ABLATIONS) <= set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_restyles_a_pair(pair, method):
    result = stylize(*pair, config=small(method))
    content = np.moveaxis(pair[0], -1, 0) / np.float32(255)
    assert result.image.shape == content.shape and np.isfinite(result.image).all()
    assert np.abs(result.image - content).max() > 0.01
    assert (len(result.trace) == 0) == (method in WITHOUT_STAGES)


def kinds(method):
    config = Config.make(method=method)
    return [stage.kind for stage in plan_stages(config, 700)]


def test_ablations_differ_in_their_stages_and_filters_alone():
    assert set(kinds("global-only")) == {"global"} and set(kinds("regional-only")) == {"regional"}
    assert kinds("both") == ["global", "regional"] * 3
    evaluations = [
        sum(stage.iterations for stage in plan_stages(Config.make(method=name), 700))
        for name in METHODS
        if name.startswith(("global-only", "regional-only", "both"))
    ]
    assert len(set(evaluations)) == 1
    filters = {Config.make(method=name).filter for name in METHODS if name.startswith("both")}
    assert filters == {"guided", "none", "gaussian", "highpass", "tv"}


def test_without_optimisation_all_else_of_ours_is_kept():
    without = Config.make(method="without-optimisation")
    assert plan_stages(without, 700) == () and without.color_match == Config().color_match
    assert without == Config(method="without-optimisation", rounds=0)


def test_luan_has_two_passes_and_its_term_sets_in_with_the_second(random_image):
    config = Config.make(method="luan", smoothness_weight=0.0)
    assert kinds("luan") == ["regional", "regional"]
    content = random_image(12, 10)
    assert make_image_term(content, config, 0) is None
    term = make_image_term(content, config, 1)
    flat = random_image(12, 10, seed=2).flatten(1).double().numpy()
    laplacian = matting_laplacian(content.numpy(), epsilon=config.matting_epsilon)
    expected = config.matting_weight / 120 * sum(row @ (laplacian @ row) for row in flat)
    assert float(term(random_image(12, 10, seed=2))) == pytest.approx(expected, rel=1e-3)


def test_image_terms_add_up(random_image):
    content, image = random_image(20, 24), random_image(20, 24, seed=3)
    without = {"evenness_weight": 0.0}
    parts = [
        {"evenness_weight": 4.0}, {"edge_weights": {"2": 3.0}}, {"edge_weights": {"4": 5.0}},
        {"smoothness_weight": 2.0}, {"matting_weight": 0.01},
    ]  # fmt: skip
    terms = [float(make_image_term(content, Config(**(without | part)), 0)(image)) for part in parts]
    together = Config(
        evenness_weight=4.0, edge_weights={"2": 3.0, "4": 5.0}, smoothness_weight=2.0, matting_weight=0.01
    )
    assert all(term > 0 for term in terms)
    assert float(make_image_term(content, together, 0)(image)) == pytest.approx(sum(terms), rel=1e-5)
    assert float(make_image_term(content, Config(**parts[0]), 0)(content)) == 0


def test_the_papers_loss_has_no_image_term(random_image):
    paper = Config.make("paper")
    assert make_image_term(random_image(8, 8), paper, 0) is None and not needs_content(paper)
    for terms in ({"matting_weight": 1.0}, {"evenness_weight": 1.0}, {"filter_inside": True}):
        assert needs_content(Config.make("paper", **terms))


def test_li_keeps_edges_that_gatys_lets_go(pair):
    content = np.moveaxis(pair[0], -1, 0) / np.float32(255)

    def lost(method, **settings):
        image = stylize(*pair, config=small(method, global_iterations=25, **settings)).image
        term = make_image_term(
            torch.from_numpy(content), Config(edge_weights={"4": 1.0}, evenness_weight=0.0), 0
        )
        return float(term(torch.from_numpy(image)))

    # The untrained network's losses are larger than a trained one's, so the term's weight is, too.
    assert lost("li", edge_weights={"4": 1e4}) < 0.5 * lost("gatys")


@pytest.mark.parametrize("method", ["yang", "gatys", "reinhard"])
def test_the_contents_colours_can_be_kept(pair, method):
    content = np.moveaxis(pair[0], -1, 0) / np.float32(255)
    image = stylize(*pair, config=small(method, colors="content")).image
    inside = ((image > 0.02) & (image < 0.98)).all(axis=0)
    # In YIQ, equal chrominance means that all three channels were moved by one amount.
    shift = (image - content)[:, inside]
    assert inside.mean() > 0.5
    assert np.ptp(shift, axis=0).max() < 1e-5
    assert np.abs(luminance_of(image) - luminance_of(content)).max() > 0.01


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_1"])
def test_layers_are_controls(pair, layer):
    one = stylize(*pair, config=small("gatys", style_layers={layer: 1.0})).image
    both = stylize(*pair, config=small("gatys", style_layers={"conv1_1": 1.0, "conv2_1": 1.0})).image
    assert np.abs(one - both).max() > 1e-3
