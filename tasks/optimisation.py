"""One optimisation stage: equation (1) in a global, equation (2) in a regional one."""

from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage
from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.progress import tell
from tasks.results import Optimised
from tasks.unit import unit

__all__ = ["SETTINGS", "optimise"]

SETTINGS = (
    "content_layers", "style_layers", "content_weight", "style_weight", "gram", "optimizer", "step",
    "history", "style_term", "semantic_weight", "edge_weights", "matting_weight", "matting_epsilon",
    "matting_from", "smoothness_weight",
)  # fmt: skip


@unit("optimise", run_name="{stage.name}")
def optimise(
    image: Reference, stage: Stage, targets: Reference, settings: Config, network: Network
) -> Optimised:
    """Minimise the stage's loss over the image; called directly, so that a cancellation reaches it."""
    from pst_core.machine import reproducible
    from pst_core.pipeline.artifacts import pack_image, unpack_image, unpack_targets
    from pst_core.pipeline.steps import open_encoder, run_stage
    from pst_core.pipeline.trace import StageTrace, losses_table

    store, config = open_store(), network.within(settings)
    with reproducible():
        _, encoder = open_encoder(config)
        device = encoder.mean.device
        before, fixed = unpack_image(store.read(image), device), unpack_targets(store.read(targets), device)
        after, trace = run_stage(
            before, stage, fixed, encoder, config, lambda evaluation: tell(stage, evaluation)
        )
    losses = losses_table([StageTrace(stage, tuple(trace))])
    return Optimised(
        image=store.put(pack_image(after), "image", ".parquet"),
        losses=store.put(losses, "losses", ".parquet"),
    )
