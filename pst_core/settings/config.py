"""Every setting of the method, validated, with its default: the one place where defaults live.

Each step's settings are a section: a model of what that step can read. `Config` is made of all sections and
keeps their flat names, which the command line, files, manifests and forms use. A setting that several steps
read stands in a section that theirs are built on.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pst_core.errors import ConfigError
from pst_core.settings.methods import METHODS, MethodName

PresetName = Literal["default", "fast", "quality", "paper"]
LayerName = Annotated[str, Field(pattern=r"^conv([12]_[12]|[345]_[1-4])$")]
LayerWeight = Annotated[float, Field(ge=0, le=1e12)]
PoolName = Annotated[str, Field(pattern=r"^[1-9]\d?$")]
MetadataPolicy = Literal["all", "without-place", "none"]
Way = Literal["semantic", "onnx", "deeplab", "cluster", "one"]


def _three(value: object) -> object:
    """A number for each of red, green and blue; text has commas between."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)) and len(parts) != 3:
        raise ValueError("three numbers are needed, as in 0.485,0.456,0.406")
    return parts


def _numbers(value: object) -> object:
    """A number for each style; text has commas between, and a number alone is one."""
    if isinstance(value, str):
        return value.split(",")
    return (value,) if isinstance(value, (int, float)) else value


Share = Annotated[float, Field(gt=0, le=1e6)]
Mean = Annotated[float, Field(ge=-1000, le=1000)]
Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
SectionT = TypeVar("SectionT", bound="Settings")


class Settings(BaseModel):
    """Settings by name; frozen, and refusing names that there are none of."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)

    def section(self, kind: type[SectionT]) -> SectionT:
        """The settings that one step can read, as it is given them; they were validated with all others."""
        return kind.model_construct(**{name: getattr(self, name) for name in kind.model_fields})


class OnDevice(Settings):
    """Where a step computes: no part of what it makes."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """Device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`."""


class WithSeed(Settings):
    """What draws at random."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of everything random."""


class Unmatched(Settings):
    """What becomes of a region without a counterpart."""

    unmatched: Literal["style", "leave"] = "style"
    """A content region that the style lacks takes the whole style's statistics, or is left as it is."""


class Layers(Settings):
    """Which features are looked at."""

    content_layers: dict[LayerName, LayerWeight] = {"conv4_2": 1.0}
    """Weight alpha of each content layer."""
    style_layers: dict[LayerName, LayerWeight] = {
        "conv1_1": 0.2, "conv2_1": 0.2, "conv3_1": 0.2, "conv4_1": 0.2, "conv5_1": 0.2,
    }  # fmt: skip
    """Weight beta of each style layer."""

    @property
    def layers(self) -> frozenset[str]:
        """All layers whose features are asked for."""
        return frozenset(self.content_layers) | frozenset(self.style_layers)

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if not any(self.style_layers.values()):
            raise ValueError("style_layers must name at least one layer with a weight above 0")
        return self


class RegionCount(Settings):
    """How many regions there are."""

    regions: int | None = Field(default=None, ge=1, le=64)
    """Number of regions R; found from the maps when not given."""


class MapRegionSettings(RegionCount):
    """Regions from semantic maps (paper, section 3)."""

    min_region_share: float = Field(default=0.005, gt=0, le=0.2)
    """A colour is a region of its own from this share of both maps' pixels on."""


class FoundRegionSettings(RegionCount, Layers, WithSeed, OnDevice):
    """Regions found in the photographs themselves."""

    segmentation: Literal["auto", Way] = "auto"
    """What finds regions without maps: `semantic` (a network of transformers), `onnx` (a network's file),
    `deeplab` (torchvision's DeepLabV3), `cluster` (what the photographs show by themselves), `one` (a single
    region); `auto`: a semantic network that is on this machine, else `cluster`."""
    segmentation_model: str | None = None
    """`semantic`: a folder, or a model's name on the hub; `onnx`: a file. Otherwise
    $PST_SEMANTIC_MODEL, else a SegFormer trained on ADE20K."""
    segmentation_merges: str | None = None
    """TOML file of classes that are one region, besides those of ADE20K: water = ["pond", "sea"]."""
    onnx_size: str | None = Field(default=None, pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    """`onnx`: width and height in pixels that the network takes; else what its file says, else 512x512."""
    onnx_mean: Annotated[tuple[Mean, Mean, Mean], BeforeValidator(_three)] = (0.485, 0.456, 0.406)
    """`onnx`: mean of red, green and blue on [0, 1], subtracted before the network."""
    onnx_deviation: Annotated[tuple[Deviation, Deviation, Deviation], BeforeValidator(_three)] = (
        0.229, 0.224, 0.225,
    )  # fmt: skip
    """`onnx`: what red, green and blue are then divided by; 0.00392157 three times gives 0 to 255."""
    onnx_classes: str | None = None
    """`onnx`: text file of the classes' names in the network's order, one a line."""


class EncoderSettings(OnDevice):
    """VGG-19 and its arithmetic."""

    weights: str | None = None
    """VGG-19 weights: a file, or `untrained`; otherwise $PST_VGG19_WEIGHTS, else torchvision's."""
    weights_convention: Literal["auto", "torchvision", "caffe"] = "auto"
    """Input that the weights expect; `auto`: Caffe's if the file names its layers `conv1_1.weight`."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; Gram matrices and losses are always float32."""


class Colors(Settings):
    """Whose colours the result has."""

    colors: Literal["style", "content"] = "style"
    """Whose colours the result has; `content` transfers luminance alone (Gatys et al. 2017)."""


class WorkingSettings(Colors):
    """A pair at its working size."""

    mask_softness: int = Field(default=4, ge=1, le=512)
    """Window radius, in working pixels, in which region borders may move to the photograph's edges."""
    common_content: Literal["auto", "none"] = "auto"
    """Without maps, if both photographs show the same: a look read off that, and given evenly, or not."""


class ColorTerm(Settings):
    """Colour distributions as a part of the losses."""

    color_weight: float = Field(default=2000.0, ge=0, le=1e12)
    """Weight of the squared distance of each region's colours to the style's; 1 is 100 CIELAB units."""


class StageCounts(Settings):
    """How many stages there are, and how long each is."""

    rounds: int = Field(default=1, ge=0, le=1000)
    """Rounds of global stage, filter, regional stage, filter."""
    global_iterations: int = Field(default=2, ge=0, le=100_000)
    """Optimiser iterations in each global stage."""
    regional_iterations: int = Field(default=14, ge=0, le=100_000)
    """Optimiser iterations in each regional stage."""

    @property
    def staged(self) -> bool:
        """Whether there is any stage at all."""
        return self.rounds > 0 and self.global_iterations + self.regional_iterations > 0


class ComparedFeatures(Layers, ColorTerm):
    """What targets and losses must agree on (equations 1 and 2)."""

    gram: Literal["normalized", "paper"] = "normalized"
    """Gram matrices divided by the number of positions (a region's: by its mask's sum), or literal."""
    style_term: Literal["gram", "patches"] = "gram"
    """What regional stages match: Gram matrices, or 3x3 patches and their regions (Champandard 2016)."""
    edge_weights: dict[PoolName, LayerWeight] = {}
    """Weights of the Laplacian term (Li et al. 2017) by pooling in pixels, as 4=100,16=100."""
    matting_weight: float = Field(default=0.0, ge=0, le=1e12)
    """Weight of the matting Laplacian's term (Luan et al. 2017), a mean over pixels."""
    evenness_weight: float = Field(default=2000.0, ge=0, le=1e12)
    """Weight of how unevenly flat areas of the content are changed, a mean over pixels."""
    filter_inside: bool = True
    """Stages minimise the loss of the image as the filter after them leaves it; the guided filter alone."""


class TargetSettings(ComparedFeatures, Unmatched):
    """What stays fixed while the image changes."""

    layer_scale: Literal["pair", "none"] = "pair"
    """Features divided by the layer's mean activation on the pair at hand, or taken as they are."""


class PrecomputationSettings(WorkingSettings, TargetSettings):
    """A pair at its working size, and its targets."""

    shares: Annotated[tuple[Share, ...] | None, BeforeValidator(_numbers)] = None
    """Of several styles: how much of each there is, in their order, as 0.7,0.3; alike unless given."""

    def shares_of(self, styles: int) -> tuple[float, ...]:
        """The share of each of so many styles, together 1.

        Raises
        ------
        ConfigError
            There are more or fewer shares than styles, or styles that cannot be mixed.
        """
        shares = self.shares or (1.0,) * styles
        if len(shares) != styles:
            given = ",".join(f"{share:g}" for share in shares)
            raise ConfigError(
                f"The shares {given} are {len(shares)} and the styles {styles}: give a share for each style."
            )
        if styles > 1 and self.style_term == "patches":
            raise ConfigError(
                "Patches are taken from one style: give one, or use another --method or --style-term gram."
            )
        return tuple(share / sum(shares) for share in shares)


class LossSettings(ComparedFeatures):
    """The losses (equations 1 and 2), and what the compared methods add."""

    content_weight: float = Field(default=1.0, ge=0, le=1e12)
    """Factor on the whole content loss."""
    style_weight: float = Field(default=20.0, ge=0, le=1e12)
    """Factor on the whole style loss."""
    semantic_weight: float = Field(default=10.0, ge=0, le=1e6)
    """`patches`: weight of the regions against the features in finding a patch's counterpart."""
    matting_epsilon: float = Field(default=1e-7, gt=0, le=1)
    """Regulariser of the matting Laplacian, on [0, 1] squared."""
    matting_from: int = Field(default=1, ge=1, le=1000)
    """Round in which the matting Laplacian's term sets in, counted from 1."""
    smoothness_weight: float = Field(default=0.0, ge=0, le=1e12)
    """Weight of the total variation of the image, a mean over pixels."""


class SolverSettings(Settings):
    """How a loss is minimised."""

    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    """Optimiser of the stages."""
    step: float = Field(default=1.0, gt=0, le=10)
    """Step length: factor on the L-BFGS step; for Adam, hundredths of the pixel range."""
    history: int = Field(default=20, ge=1, le=200)
    """Curvature pairs that L-BFGS remembers."""
    gradients: Literal["even", "exact"] = "even"
    """`even`: where the loss's own jump, they change gradually, and every device ends alike; or `exact`."""


class PlanSettings(StageCounts):
    """Which stages there are, and at which sizes."""

    size: int | None = Field(default=256, ge=32, le=16384)
    """Working size: long side in pixels at which the image is optimised; none: the content's own."""
    scales: int = Field(default=1, ge=1, le=6)
    """Coarse-to-fine: the rounds are spread over this many sizes, each twice the one before."""


class StartSettings(WithSeed, OnDevice, Unmatched):
    """The image that the first stage begins with."""

    init: Literal["color", "content", "random", "reinhard", "linear", "histogram"] = "color"
    """Start: `color` transfer per region, the content, random pixels, or whole-image colour transfers."""


class GuidedFilterSettings(OnDevice):
    """The guided filter, after stages and from one working size to the next."""

    filter_radius: int = Field(default=4, ge=1, le=512)
    """Window radius in pixels of the working image (guided: a (2r+1) x (2r+1) window)."""
    filter_epsilon: float = Field(default=1e-4, gt=0, le=1)
    """Guided filter's regulariser, on [0, 1] squared."""


class ChosenFilter(GuidedFilterSettings):
    """Which filter follows a stage."""

    filter: Literal["guided", "gaussian", "highpass", "tv", "none"] = "guided"
    """Filter after every stage; `guided` has the content as its colour guide."""


class StageSettings(SolverSettings, LossSettings, ChosenFilter):
    """One optimisation stage."""


class FilterSettings(ChosenFilter, Unmatched):
    """The filter after every stage."""

    filter_sigma: float = Field(default=1.0, gt=0, le=100)
    """Standard deviation in pixels of the Gaussian in `gaussian` and `highpass`."""
    filter_strength: float = Field(default=0.5, gt=0, le=10)
    """`highpass`: gain of the detail added back."""
    tv_weight: float = Field(default=0.05, gt=0, le=10)
    """`tv`: weight of Chambolle's denoising; larger is smoother."""


class OutputSettings(Settings):
    """How a picture is written."""

    bit_depth: Literal["auto", 8, 16] = "auto"
    """Bits per channel of the result; `auto`: the content's, where the format can."""
    metadata: MetadataPolicy = "without-place"
    """What goes along of the content's EXIF, XMP, IPTC and DPI: all, all but the place, or none."""


class SeriesSettings(Settings):
    """How other photographs take the look of a series' anchor."""

    exposure_share: float = Field(default=0.25, ge=0, le=1)
    """Share of its own exposure that a photograph of a series (`--anchor`) keeps under the anchor's look."""


class SequenceSettings(Settings):
    """Which frames of a sequence are keys, and how fast they follow one another."""

    key_every: int = Field(default=24, ge=1, le=10_000)
    """Frames from one key frame to the next at most."""
    rate: float = Field(default=24.0, gt=0, le=1000)
    """Frames a second of a video that is made of frames that have no rate."""


class FinishSettings(OutputSettings, Colors, ColorTerm, StageCounts, OnDevice, Unmatched):
    """The closing colour match, full size, and how much of the style is shown."""

    strength: float = Field(default=1.0, ge=0, le=2)
    """How much of the style is shown: 0 leaves the content as it is, 1 is the result; above 1 the change of
    colours goes on, and light and texture stay as they are at 1."""
    color_match: float | Literal["auto"] = "auto"
    """Strength in [0, 1] of the closing colour match per region; `auto`: none after stages whose losses hold
    the colours already, else the largest that keeps structure."""
    max_slope: float | None = Field(default=10.0, ge=1, le=1000)
    """Largest slope of the change of colours inside a region: what is steeper is held back; none: nothing."""
    detail: float = Field(default=1.0, ge=0, le=1)
    """How far fine detail (not edges) goes back to the content's, from 0 to 1: the style damps it."""
    rim_removal: float = Field(default=1.0, ge=0, le=1)
    """How far light and dark rims along the content's strong edges are taken away again, from 0 to 1."""
    upsampling: Literal["guided", "bicubic"] = "guided"
    """How the working image becomes full size: through the content's structure, or plainly."""
    upsampling_radius: int = Field(default=4, ge=1, le=512)
    """Window radius, in working pixels, of the guided upsampling."""
    upsampling_epsilon: float = Field(default=1e-4, gt=0, le=1)
    """Regulariser of the guided upsampling, on [0, 1] squared."""
    upsampling_tolerance: float | None = Field(default=0.01, gt=0, le=1)
    """Error on [0, 1] at which a window of the guided upsampling has half its say; none: all have one."""

    @model_validator(mode="after")
    def _check_color_match(self) -> Self:
        if self.color_match != "auto" and not 0 <= self.color_match <= 1:
            raise ValueError("color_match must be `auto` or a number from 0 to 1")
        return self


class Config(
    FinishSettings, FilterSettings, StartSettings, PlanSettings, StageSettings, PrecomputationSettings,
    EncoderSettings, FoundRegionSettings, MapRegionSettings, SeriesSettings,
):  # fmt: skip
    """All settings of one style transfer.

    The defaults are the preset ``default``. Where the paper and good practice differ, one field
    switches between them (``gram``, ``layer_scale``, ``init``, ``size``, ``upsampling``, ``color_match``).

    Examples
    --------
    >>> Config.make("quality", seed=7).section(PlanSettings).size
    700
    """

    method: MethodName = "yang"
    """Whose way is followed; `pst methods` lists them. Settings given by name go before its own."""

    @classmethod
    def make(cls, preset: str = "default", **settings: Any) -> "Config":  # noqa: ANN401
        """Build the settings of a preset, with those of a method and some others changed.

        Raises
        ------
        ConfigError
            If the preset or a setting does not exist, or a value is out of its range.
        """
        if preset not in PRESETS:
            raise ConfigError(f"There is no preset {preset!r}: choose one of {', '.join(PRESETS)}.")
        try:
            return cls(**(PRESETS[preset] | _of_method(settings.get("method")) | settings))
        except ValidationError as error:
            raise ConfigError(explain(error)) from error


def _of_method(method: object) -> dict[str, Any]:
    """What a method sets; nothing for a name that validation will refuse."""
    return next((each.settings for name, each in METHODS.items() if name == method), {})


def explain(error: ValidationError) -> str:
    """One sentence for the first thing that pydantic refused."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"There is no setting {name!r}: `pst stylize --help` lists them all."
    reason = first["msg"].removeprefix("Value error, ")
    if not name:
        return f"{reason[0].upper()}{reason[1:]}."
    return f"Setting {name!r} cannot be {first['input']!r}: {reason[0].lower()}{reason[1:]}."


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"size": 128},
    "quality": {
        "size": 700, "scales": 2, "rounds": 2, "regional_iterations": 16, "style_weight": 100.0,
        "evenness_weight": 300.0, "max_slope": 12.0, "detail": 0.8,
    },
    # The paper taken literally: random start, literal Gram, MATLAB's guided filter, full resolution.
    "paper": {
        "gram": "paper", "layer_scale": "none", "style_weight": 1.0, "size": None, "init": "random",
        "rounds": 5, "global_iterations": 100, "regional_iterations": 100, "filter_radius": 2,
        "filter_epsilon": 0.01, "color_match": 0.0, "detail": 0.0, "precision": "float32",
        "color_weight": 0.0, "evenness_weight": 0.0, "filter_inside": False,
        "common_content": "none", "max_slope": None, "rim_removal": 0.0,
        "upsampling_tolerance": None, "gradients": "exact",
    },
}  # fmt: skip
