"""Segmentation clustering (paper, section 3): one k-means over both maps, or regions found without maps."""

from pst_core.images.input_files import InputFiles
from pst_core.network.identity import Network
from pst_core.settings.config import Config
from pst_core.store import open_store
from tasks.results import Segmented
from tasks.unit import unit

__all__ = ["segment", "settings_that_matter"]

_WITH_MAPS = ("regions", "min_region_share")
_WITHOUT_MAPS = ("regions", "segmentation", "seed", "content_layers", "style_layers")


def settings_that_matter(config: Config, files: InputFiles) -> Config:
    """The settings that regions depend on: maps need no network, photographs no palette."""
    return config.only(*(_WITH_MAPS if files.content_map is not None else _WITHOUT_MAPS))


@unit("segment", run_name="regions")
def segment(files: InputFiles, settings: Config, network: Network | None) -> Segmented:
    """Find the regions of both photographs; `network` is None where maps make it needless."""
    from pst_core.machine import reproducible
    from pst_core.pipeline.artifacts import pack_regions
    from pst_core.pipeline.steps import find_regions, open_encoder
    from pst_core.regions.labels import describe_regions

    inputs = files.load()
    with reproducible():
        config = settings if network is None else network.within(settings)
        encoder = None if network is None or settings.segmentation == "deeplab" else open_encoder(config)[1]
        regions = find_regions(inputs, encoder, config)
    reference = open_store().put(pack_regions(regions), "regions", ".parquet")
    return Segmented(
        regions=reference,
        description=describe_regions(regions),
        unmatched=bool(regions.unmatched.any()),
        notes=tuple(_without_paths(note, files) for note in (*inputs.notes, *regions.notes)),
    )


def _without_paths(note: str, files: InputFiles) -> str:
    """Name a file by its part: what is kept must hold under any name."""
    for role, file in files.given.items():
        note = note.replace(str(file.path), f"The {role.replace('_', ' ')}")
    return note
