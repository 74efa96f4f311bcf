"""Feature precomputation: what stays fixed while the image changes (paper, equations 1 and 2)."""

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.results import Precomputed
from tasks.unit import unit

__all__ = ["SETTINGS", "precompute"]

SETTINGS = (
    "mask_softness", "content_layers", "style_layers", "gram", "layer_scale", "unmatched", "style_term",
    "edge_weights", "matting_weight", "colors",
)  # fmt: skip


@unit("precompute", run_name="features at {size} px")
def precompute(
    content: InputFile,
    style: InputFile,
    regions: Reference,
    size: int,
    staged: bool,
    settings: Config,
    network: Network,
) -> Precomputed:
    """Bring the pair to its working size and compute its targets, unless no stage will ask for them."""
    from pst_core.machine import describe_device, reproducible
    from pst_core.network.weights import describe_weights
    from pst_core.optimisation.targets import NO_TARGETS
    from pst_core.pipeline.artifacts import pack_targets, pack_working_pair, unpack_regions
    from pst_core.pipeline.steps import open_encoder, prepare, targets_of

    store, config = open_store(), network.within(settings)
    with reproducible():
        weights, encoder = open_encoder(config)
        pair = prepare(
            content.photograph().pixels, style.photograph().pixels, unpack_regions(store.read(regions)),
            size, config, encoder.mean.device,
        )  # fmt: skip
        targets = targets_of(pair, encoder, config) if staged else NO_TARGETS
    return Precomputed(
        working=store.put(pack_working_pair(pair), "working-pair", ".parquet"),
        targets=store.put(pack_targets(targets), "targets", ".parquet"),
        weights=describe_weights(weights),
        device=describe_device(encoder.mean.device),
        dtype=str(encoder.dtype).removeprefix("torch."),
    )
