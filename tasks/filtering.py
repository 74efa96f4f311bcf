"""The filter after every stage (paper, section 3.3)."""

from pst_core.pipeline.plan import Stage
from pst_core.settings.config import FilterSettings
from pst_core.store import Reference
from tasks.unit import unit


@unit("filter", run_name="filter after {stage.name}")
def filter_image(image: Reference, working: Reference, stage: Stage, settings: FilterSettings) -> Reference:  # noqa: ARG001 - the stage is in the name
    """Filter a stage's image with the content as its guide."""
    from pst_core.machine import check_device
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import IMAGE, WORKING_PAIR

    device = check_device(settings.device)
    pair = WORKING_PAIR.load(working, device)
    return IMAGE.keep(steps.filter_stage(IMAGE.load(image, device), pair, settings))
