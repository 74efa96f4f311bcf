"""Pairs with a known right answer, each made of a single photograph."""

from pst_core.images.input_files import InputFile
from tasks.results import Parts
from tasks.unit import unit


@unit("split", run_name="parts and grade {seed}")
def split(photograph: InputFile, seed: int) -> Parts:
    """Make content, style and right answer of a photograph; what is transparent is as on white paper."""
    import numpy as np

    from pst_core.images import png
    from pst_core.images.writing import to_levels
    from pst_core.pipeline.artifacts import SHRUNK_PHOTOGRAPH
    from pst_core.quality.self_reference import self_reference

    levels = np.asarray(to_levels(photograph.photograph().on_white), np.uint8)
    made = self_reference(levels, seed)
    return Parts(**{role: SHRUNK_PHOTOGRAPH.keep(png.encode(part)) for role, part in made._asdict().items()})
