"""The filter after every stage (paper, section 3.3)."""

from pst_core.pipeline.plan import Stage
from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.unit import unit

__all__ = ["SETTINGS", "filter_image"]

SETTINGS = (
    "filter", "filter_radius", "filter_epsilon", "filter_sigma", "filter_strength", "tv_weight", "unmatched",
    "device",
)  # fmt: skip


@unit("filter", run_name="filter after {stage.name}")
def filter_image(image: Reference, working: Reference, stage: Stage, settings: Config) -> Reference:  # noqa: ARG001 - the stage is in the name
    """Filter a stage's image with the content as its guide."""
    from pst_core.machine import check_device
    from pst_core.pipeline.artifacts import pack_image, unpack_image, unpack_working_pair
    from pst_core.pipeline.steps import filter_stage

    store, device = open_store(), check_device(settings.device)
    pair = unpack_working_pair(store.read(working), device)
    filtered = filter_stage(unpack_image(store.read(image), device), pair, settings)
    return store.put(pack_image(filtered), "image", ".parquet")
