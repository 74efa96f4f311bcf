"""The regions of a pair with everything in memory: the first step of the walk, or a preview's only one."""

from dataclasses import dataclass

from pst_core.images.inputs import Inputs, Source, load_inputs
from pst_core.network.encoder import Encoder, open_encoder
from pst_core.network.finder import Finder
from pst_core.pipeline import steps
from pst_core.pipeline.notes import notes_of
from pst_core.regions.labels import Regions
from pst_core.settings.config import Config


@dataclass(frozen=True, eq=False)
class Preview:
    """What would be used of a pair, before any work.

    Attributes
    ----------
    notes : tuple of str
        What a person should know.
    """

    inputs: Inputs
    regions: Regions
    notes: tuple[str, ...]


def preview_regions(
    content: Source,
    style: Source,
    content_map: Source | None = None,
    style_map: Source | None = None,
    config: Config | None = None,
) -> Preview:
    """Find the regions that `stylize` would use for the same arguments.

    Raises
    ------
    PstError
        With one sentence that names what is wrong and the way out.
    """
    config = config or Config()
    inputs = load_inputs(content, style, content_map, style_map)
    finder = finder_for(inputs, config)
    encoder, trained = None, True
    if finder is not None and finder.way == "cluster":
        weights, encoder = open_encoder(config, config.layers)
        trained = weights.trained
    regions = regions_of(inputs, finder, encoder, config)
    unmatched = bool(regions.unmatched.any())
    notes = notes_of((*inputs.notes, *regions.notes), config, unmatched=unmatched, trained=trained)
    return Preview(inputs, regions, notes)


def finder_for(inputs: Inputs, config: Config) -> Finder | None:
    """What finds a pair's regions; None where its maps say them."""
    return None if inputs.content_map is not None else Finder.of(config)


def regions_of(inputs: Inputs, finder: Finder | None, encoder: Encoder | None, config: Config) -> Regions:
    """A pair's regions, by its maps or by a finder."""
    if finder is None:
        return steps.regions_of_maps(inputs, config)
    return steps.regions_of_photographs(inputs, finder, encoder, config)
