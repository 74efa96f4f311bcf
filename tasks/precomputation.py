"""Feature precomputation: what stays fixed while the image changes (paper, equations 1 and 2)."""

from collections.abc import Sequence

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.settings.config import PrecomputationSettings
from pst_core.store import Reference
from tasks.results import Precomputed
from tasks.unit import unit


@unit("precompute", run_name="features at {size} px")
def precompute(
    content: InputFile,
    styles: Sequence[InputFile],
    regions: Sequence[Reference],
    size: int,
    staged: bool,
    settings: PrecomputationSettings,
    network: Network,
) -> Precomputed:
    """Bring the pair to its working size and compute its targets, unless no stage will ask for them."""
    from pst_core.machine import describe_device
    from pst_core.network.encoder import open_encoder
    from pst_core.network.weights import describe_weights
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import REGIONS, TARGETS, WORKING_PAIR

    weights, encoder = open_encoder(network.settings, settings.layers)
    pair, targets = steps.precompute(
        content.photograph().filled, [style.photograph().filled for style in styles],
        [REGIONS.load(each) for each in regions], size, encoder, settings, staged=staged,
    )  # fmt: skip
    return Precomputed(
        working=WORKING_PAIR.keep(pair), targets=TARGETS.keep(targets), weights=describe_weights(weights),
        device=describe_device(encoder.device), dtype=encoder.arithmetic,
    )  # fmt: skip
