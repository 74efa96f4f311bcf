import torch

from pst_core.filters.guided import guided_filter
from pst_core.filters.smoothing import gaussian, highpass, total_variation
from pst_core.pipeline.steps import apply_filter
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
        found = apply_filter(image, content, Config(filter=name, **settings))
        torch.testing.assert_close(found, outcome.clamp(0, 1))
