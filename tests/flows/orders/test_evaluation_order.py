"""Orders of evaluations: what limits the compared methods."""

import pytest

from flows.orders.evaluation_order import limited_settings
from pst_core.pipeline.plan import plan_stages
from pst_core.settings.config import Config
from pst_core.settings.methods import METHODS


@pytest.mark.parametrize("method", METHODS)
def test_evaluations_are_limited_for_the_compared_methods_alone(method):
    limited = limited_settings(method, 60)
    total = sum(stage.iterations for stage in plan_stages(Config.make(method=method, **limited), 700))
    if method in ("yang", "reinhard", "linear", "histogram", "without-optimisation"):
        assert limited == {}
    else:
        assert total == 60
    assert limited_settings(method, None) == {}
