"""One optimisation stage: equation (1) in a global, equation (2) in a regional one."""

from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage
from pst_core.settings.config import StageSettings
from pst_core.store import Reference
from tasks.progress import tell
from tasks.results import Optimised
from tasks.unit import unit


@unit("optimise", run_name="{stage.name}")
def optimise(
    image: Reference, stage: Stage, targets: Reference, settings: StageSettings, network: Network
) -> Optimised:
    """Minimise the stage's loss over the image; called directly, so that a cancellation reaches it."""
    from pst_core.network.encoder import open_encoder
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import IMAGE, LOSSES, TARGETS
    from pst_core.pipeline.trace import StageTrace, losses_table

    _, encoder = open_encoder(network.settings, settings.layers)
    before, fixed = IMAGE.load(image, encoder.device), TARGETS.load(targets, encoder.device)
    after, trace = steps.run_stage(before, stage, fixed, encoder, settings, tell)
    losses = losses_table([StageTrace(stage, tuple(trace))])
    return Optimised(image=IMAGE.keep(after), losses=LOSSES.keep(losses))
