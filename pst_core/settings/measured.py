"""What each preset reaches, as measured: the one place for these figures."""

from dataclasses import dataclass

from pst_core.settings.config import PresetName

COMMAND = "python tests/benchmarks/quality.py --rows with-maps,quality, and --rows with-maps --preset fast"
"""What measures them: Luan et al.'s pairs with maps, at native size."""


@dataclass(frozen=True)
class Measured:
    """Means over pairs, and the time that they take.

    Attributes
    ----------
    pairs : int
        How many pairs were measured.
    ssim : float
        Structure kept, to the content; an unchanged picture has 1.
    color_distance : float
        To the style, in CIELAB units; 0 is none.
    gram_distance : float
        Of texture, to the style; 0 is none.
    time : float
        Of a run on a CPU, over that of the default preset.
    """

    pairs: int
    ssim: float
    color_distance: float
    gram_distance: float
    time: float

    def __str__(self) -> str:
        figures = (
            f"SSIM {self.ssim:.2f}, colour distance {self.color_distance:.1f}, "
            f"Gram distance {self.gram_distance:.2f} over {self.pairs} pairs"
        )
        return figures if self.time == 1 else f"{figures}, {self.time:g} times the default's time"


MEASURED: dict[PresetName, Measured] = {
    "default": Measured(pairs=36, ssim=0.691, color_distance=1.50, gram_distance=0.235, time=1),
    "fast": Measured(pairs=36, ssim=0.696, color_distance=1.90, gram_distance=0.312, time=0.5),
    "quality": Measured(pairs=36, ssim=0.609, color_distance=1.24, gram_distance=0.102, time=9),
}
