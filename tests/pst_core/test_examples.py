"""The examples in docstrings do what they say."""

import doctest
from importlib import import_module

import pytest

WITH_EXAMPLES = (
    "pst_core.pipeline.stylize.stylize",
    "pst_core.settings.config.Config",
    "pst_core.quality.distances.structural_similarity",
    "pst_core.quality.rims.rim_overshoot",
    "pst_core.quality.slopes.largest_slope",
    "pst_core.quality.answers.peak_signal_to_noise",
    "pst_core.printing.counted",
    "pst_core.shapes.expect_shapes",
    "pst_core.filters.guided.guided_filter",
    "pst_core.optimisation.losses.regional_gram",
    "pst_core.color.baselines.reinhard",
    "pst_core.regions.maps.cluster_maps",
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_runs(name):
    module = import_module(name.rpartition(".")[0])
    (found,) = doctest.DocTestFinder(recurse=False).find(
        getattr(module, name.rpartition(".")[2]), name, module
    )
    assert found.examples, f"{name} has no example"
    said = []
    failures = doctest.DocTestRunner(verbose=False).run(found, out=said.append).failed
    assert failures == 0, "".join(said)
