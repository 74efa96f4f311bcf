"""The image that stages begin with: the first one's, and the one carried to a finer working size."""

from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.unit import unit

__all__ = ["ENLARGE_SETTINGS", "START_SETTINGS", "enlarge", "start"]

START_SETTINGS = ("init", "seed", "unmatched", "device")
ENLARGE_SETTINGS = ("filter_radius", "filter_epsilon", "device")


@unit("start", run_name="first image")
def start(working: Reference, settings: Config) -> Reference:
    """Make the first image: colour transfer per region, the content, or random pixels."""
    from pst_core.machine import check_device
    from pst_core.pipeline.artifacts import pack_image, unpack_working_pair
    from pst_core.pipeline.steps import start_image

    store = open_store()
    pair = unpack_working_pair(store.read(working), check_device(settings.device))
    return store.put(pack_image(start_image(pair, settings)), "image", ".parquet")


@unit("enlarge", run_name="to the next size")
def enlarge(image: Reference, coarse: Reference, fine: Reference, settings: Config) -> Reference:
    """Carry an image to the next working size through the content's structure."""
    from pst_core.machine import check_device
    from pst_core.pipeline import steps as pipeline
    from pst_core.pipeline.artifacts import pack_image, unpack_image, unpack_working_pair

    store, device = open_store(), check_device(settings.device)
    small, large = (unpack_working_pair(store.read(pair), device) for pair in (coarse, fine))
    larger = pipeline.enlarge(unpack_image(store.read(image), device), small, large, settings)
    return store.put(pack_image(larger), "image", ".parquet")
