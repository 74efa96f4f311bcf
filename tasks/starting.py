"""The image that stages begin with: the first one's, and the one carried to a finer working size."""

from pst_core.settings.config import GuidedFilterSettings, StartSettings
from pst_core.store import Reference
from tasks.unit import unit


@unit("start", run_name="first image")
def start(working: Reference, settings: StartSettings) -> Reference:
    """Make the first image: colour transfer per region, the content, or random pixels."""
    from pst_core.machine import check_device
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import IMAGE, WORKING_PAIR

    pair = WORKING_PAIR.load(working, check_device(settings.device))
    return IMAGE.keep(steps.start_image(pair, settings))


@unit("enlarge", run_name="to the next size")
def enlarge(
    image: Reference, coarse: Reference, fine: Reference, settings: GuidedFilterSettings
) -> Reference:
    """Carry an image to the next working size through the content's structure."""
    from pst_core.machine import check_device
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import IMAGE, WORKING_PAIR

    device = check_device(settings.device)
    small, large = (WORKING_PAIR.load(pair, device) for pair in (coarse, fine))
    return IMAGE.keep(steps.enlarge(IMAGE.load(image, device), small, large, settings))
