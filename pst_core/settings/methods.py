"""The paper's method, those it is compared with, and its ablations: settings of the same parts, by name.

What is given by name goes before a method's settings, and these go before a preset's. Weights of
the literature assume one scale of features (Caffe's VGG-19 on [0, 255]). Here features are divided by their
layer's mean on the pair, Grams by their positions, and image terms are means over pixels: the ratio of
content to style weight is the literature's, and image terms are weighted so that they do on that scale what
they are there for. The literature lets 500 to 2000 evaluations run; ITERATIONS is where pictures have
stopped changing to the eye.
"""

from dataclasses import dataclass
from typing import Any, Literal

MethodName = Literal[
    "yang", "gatys", "champandard", "li", "luan", "reinhard", "linear", "histogram",
    "regional-only", "global-only", "both", "regional-only-unfiltered", "global-only-unfiltered",
    "both-unfiltered", "both-gaussian", "both-highpass", "both-tv", "without-optimisation",
]  # fmt: skip

ITERATIONS = 300
ROUNDS = 3

# What none of the others has of ours: small working size, colour start and match, guided upsampling.
_PLAIN: dict[str, Any] = {
    "size": 700, "scales": 1, "init": "content", "filter": "none", "upsampling": "bicubic",
    "color_match": 0.0, "detail": 0.0, "color_weight": 0.0, "evenness_weight": 0.0,
    "filter_inside": False, "common_content": "none", "max_slope": None, "rim_removal": 0.0,
    "gradients": "exact",
}  # fmt: skip
_GLOBAL: dict[str, Any] = {"rounds": 1, "global_iterations": ITERATIONS, "regional_iterations": 0}
_REGIONAL: dict[str, Any] = {"rounds": 1, "global_iterations": 0, "regional_iterations": ITERATIONS}
# Colours alone, at full size up to 2048 pixels, beyond it through the content's structure.
_COLORS: dict[str, Any] = _PLAIN | {"size": 2048, "rounds": 0, "upsampling": "guided"}
_STAGED: dict[str, Any] = _PLAIN | {"filter": "guided", "rounds": ROUNDS}


@dataclass(frozen=True)
class Method:
    """A method as settings.

    Attributes
    ----------
    title : str
        Name in tables and figures.
    source : str
        Who described it.
    settings : dict
        What it sets.
    """

    title: str
    source: str
    settings: dict[str, Any]


def _staged(title: str, each: int, *, regional: bool, whole: bool, **settings: Any) -> Method:  # noqa: ANN401
    """The paper's stages without anything of ours; equal evaluations, whichever stages there are."""
    stages = {"global_iterations": each * whole, "regional_iterations": each * regional}
    return Method(title, "Yang 2019, section 4.3.1", _STAGED | stages | settings)


METHODS: dict[MethodName, Method] = {
    "yang": Method("Yang, ours", "Yang 2019, with the additions described in the README", {}),
    "gatys": Method(
        "Gatys et al.", "Gatys, Ecker and Bethge 2016",
        _PLAIN | _GLOBAL | {"content_weight": 5.0, "style_weight": 100.0},
    ),
    "champandard": Method(
        "Champandard", "Champandard 2016",
        _PLAIN | {
            "scales": 3, "rounds": 3, "global_iterations": 0, "regional_iterations": ITERATIONS // 3,
            "style_term": "patches", "style_layers": {"conv3_1": 1.0, "conv4_1": 1.0},
            "content_weight": 10.0, "style_weight": 25.0, "semantic_weight": 10.0, "smoothness_weight": 50.0,
        },
    ),
    "li": Method(
        "Li et al.", "Li, Xu, Nie and Chua 2017",
        _PLAIN | _GLOBAL | {
            "content_weight": 20.0, "style_weight": 100.0, "edge_weights": {"4": 100.0, "16": 100.0},
            "smoothness_weight": 100.0,
        },
    ),
    "luan": Method(
        "Luan et al.", "Luan, Paris, Shechtman and Bala 2017",
        # Two passes: the second starts from the first's image, and the photorealism term sets in.
        _PLAIN | _REGIONAL | {
            "rounds": 2, "regional_iterations": ITERATIONS // 2, "content_weight": 5.0, "style_weight": 100.0,
            "matting_weight": 1e4, "matting_from": 2, "smoothness_weight": 100.0,
        },
    ),
    "reinhard": Method("Reinhard et al.", "Reinhard et al. 2001", _COLORS | {"init": "reinhard"}),
    "linear": Method(
        "Linear transfer", "Monge-Kantorovich map, Pitie and Kokaram 2007", _COLORS | {"init": "linear"}
    ),
    "histogram": Method(
        "Histogram matching", "cumulative histograms, by channel", _COLORS | {"init": "histogram"}
    ),
    "regional-only": _staged("Regional only", 40, regional=True, whole=False),
    "global-only": _staged("Global only", 40, regional=False, whole=True),
    "both": _staged("Both", 20, regional=True, whole=True),
    "regional-only-unfiltered": _staged(
        "Regional, no filter", 40, regional=True, whole=False, filter="none"
    ),
    "global-only-unfiltered": _staged("Global, no filter", 40, regional=False, whole=True, filter="none"),
    "both-unfiltered": _staged("Both, no filter", 20, regional=True, whole=True, filter="none"),
    "both-gaussian": _staged("Both, Gaussian", 20, regional=True, whole=True, filter="gaussian"),
    "both-highpass": _staged("Both, high-pass", 20, regional=True, whole=True, filter="highpass"),
    "both-tv": _staged("Both, total variation", 20, regional=True, whole=True, filter="tv"),
    "without-optimisation": Method(
        "Ours, without optimisation", "ours: colour start and closing match alone", {"rounds": 0}
    ),
}  # fmt: skip
COMPARED: tuple[MethodName, ...] = ("gatys", "champandard", "li", "luan", "reinhard", "histogram", "yang")
ANSWERING: tuple[MethodName, ...] = ("linear", "histogram", "yang")
"""Those that are compared where the right answer is known: all but ours change every pixel by one map."""
ABLATIONS: tuple[MethodName, ...] = (
    "regional-only", "global-only", "both", "without-optimisation", "yang",
)  # fmt: skip
