"""Segmentation clustering (paper, section 3): one k-means over both maps, or regions found without maps."""

from pst_core.images.input_files import InputFiles
from pst_core.images.roles import in_words
from pst_core.network.identity import Network
from pst_core.settings.config import Config, FoundRegionSettings, MapRegionSettings
from tasks.results import Segmented
from tasks.unit import unit

RegionSettings = MapRegionSettings | FoundRegionSettings


def region_settings(config: Config, files: InputFiles) -> RegionSettings:
    """The section that a pair's regions depend on: maps need no network, photographs no palette."""
    if files.content_map is not None:
        return config.section(MapRegionSettings)
    return config.section(FoundRegionSettings)


@unit("segment", run_name="regions")
def segment(files: InputFiles, settings: RegionSettings, network: Network | None) -> Segmented:
    """Find the regions of both photographs; `network` is None where maps make it needless."""
    from pst_core.network.encoder import open_encoder
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import REGIONS
    from pst_core.regions.labels import describe_regions

    inputs = files.load()
    if isinstance(settings, MapRegionSettings):
        regions = steps.regions_of_maps(inputs, settings)
    else:
        assert network is not None and network.finder is not None
        encoder = None
        if network.finder.way == "cluster":
            encoder = open_encoder(network.settings, settings.layers)[1]
        regions = steps.regions_of_photographs(inputs, network.finder, encoder, settings)
    return Segmented(
        regions=REGIONS.keep(regions),
        description=describe_regions(regions),
        unmatched=bool(regions.unmatched.any()),
        notes=tuple(_without_paths(note, files) for note in (*inputs.notes, *regions.notes)),
    )


def _without_paths(note: str, files: InputFiles) -> str:
    """Name a file by its part: what is kept must hold under any name."""
    for role, file in files.given.items():
        note = note.replace(str(file.path), f"the {in_words(role)}")
    return note[:1].upper() + note[1:]
