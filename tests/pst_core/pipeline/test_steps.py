import inspect

import numpy as np
import pytest
import torch
from scenes import drawn

from pst_core.filters.guided import guided_filter
from pst_core.filters.smoothing import gaussian, highpass, total_variation
from pst_core.network.encoder import open_encoder
from pst_core.optimisation.objectives import regional_losses
from pst_core.optimisation.solver import minimise
from pst_core.optimisation.targets import compute_targets
from pst_core.pipeline import steps
from pst_core.pipeline.plan import Stage
from pst_core.settings.config import Config


def test_each_filter_setting_applies_its_filter(random_image):
    image, content = 1.4 * random_image(16, 16) - 0.2, random_image(16, 16, seed=1)
    settings = {
        "filter_radius": 3,
        "filter_epsilon": 1e-2,
        "filter_sigma": 2.0,
        "filter_strength": 0.9,
        "tv_weight": 0.3,
    }
    expected = {
        "guided": guided_filter(image, content, 3, 1e-2),
        "gaussian": gaussian(image, 2.0),
        "highpass": highpass(image, 2.0, 0.9),
        "tv": total_variation(image, 0.3),
        "none": image,
    }
    for name, outcome in expected.items():
        found = steps._filtered(image, content, Config(filter=name, **settings))
        torch.testing.assert_close(found, outcome.clamp(0, 1))


def test_a_stage_ends_alike_from_starts_that_differ_in_the_last_bits():
    """As it does where another device or number of threads rounds otherwise."""
    config = Config(weights="untrained", precision="float32", device="cpu")
    _, encoder = open_encoder(config, config.layers)
    content, style = (torch.from_numpy(drawn(48, 64, seed=number)) for number in (1, 6))
    everywhere = torch.ones(1, 48, 64)
    targets = compute_targets(encoder, content, style**2, everywhere, everywhere, config)
    stage = Stage(index=0, round=0, kind="regional", size=64, iterations=config.regional_iterations)

    def apart(descend):
        noise = 1e-6 * torch.randn(content.shape, generator=torch.Generator().manual_seed(1))
        here, there = (descend(start)[0] for start in (content, content + noise))
        return np.percentile(255 * (here - there).abs(), 99.9)

    assert apart(lambda start: steps.run_stage(start, stage, targets, encoder, config)) < 0.5
    # With the slopes as they are, levels come of it.
    objective = regional_losses(encoder, targets, config)
    assert apart(lambda start: minimise(start, objective, iterations=stage.iterations)) > 1.5
    exact = config.model_copy(update={"gradients": "exact"})
    found = steps.run_stage(content, stage, targets, encoder, exact)[0]
    assert torch.equal(found, minimise(content, objective, iterations=stage.iterations)[0])


STEPS = [
    function
    for name, function in vars(steps).items()
    if inspect.isfunction(function) and function.__module__ == steps.__name__ and not name.startswith("_")
    and function is not steps.step
]  # fmt: skip
assert len(STEPS) == 8


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_every_step_computes_within_the_block_that_makes_it_reproducible(step, monkeypatch):
    """Seen from inside: the flags of cuDNN, with which its results would differ from run to run."""

    def seen(*_, **__):
        flags = torch.backends.cudnn
        raise LookupError(flags.deterministic, flags.benchmark, flags.allow_tf32)

    parameters = inspect.signature(step).parameters
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with pytest.raises(LookupError) as caught:
        step(**{name: _Raising(seen) for name in parameters})
    assert caught.value.args == (True, False, False)
    assert torch.backends.cudnn.benchmark is True


class _Raising:
    """Anything that is asked of it calls a function."""

    def __init__(self, called):
        object.__setattr__(self, "_called", called)

    def __getattr__(self, name):
        return object.__getattribute__(self, "_called")()

    def __bool__(self):
        return self._called()
