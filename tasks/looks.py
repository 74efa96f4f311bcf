"""The look of a finished pair, and other photographs under it."""

from collections.abc import Mapping
from typing import Any

from pst_core.images.input_files import InputFile
from pst_core.images.roles import PHOTOGRAPHS
from pst_core.network.identity import Network
from pst_core.printing import sentence
from pst_core.settings.config import (
    Config,
    FoundRegionSettings,
    OutputSettings,
    SeriesSettings,
    WorkingSettings,
)
from pst_core.store import Reference
from tasks.progress import tell_computed
from tasks.results import Applied, Fitted, FittedRegion
from tasks.scoring import PREVIEW_SIDE
from tasks.unit import unit


def inputs_of_fit(
    picture: Reference,
    regions: Reference,
    photographs: Mapping[str, InputFile],
    config: Config,
    network: Network,
) -> dict[str, Any]:
    """What `fit` takes for a finished pair with these photographs, by role."""
    found = network.finder is not None
    return {
        "picture": picture, "regions": regions, "settings": config.section(WorkingSettings),
        "finding": config.section(FoundRegionSettings) if found else None,
        "network": network if found else None,
        **{role: photographs[role] for role in PHOTOGRAPHS},
    }  # fmt: skip


@unit("fit-look", run_name="look")
def fit(
    picture: Reference,
    content: InputFile,
    style: InputFile,
    regions: Reference,
    settings: WorkingSettings,
    finding: FoundRegionSettings | None,
    network: Network | None,
) -> Fitted:
    """Fit a look to a finished picture; `finding` and `network` are None where maps said the regions."""
    from pst_core.images.limits import HashedFile
    from pst_core.images.reading import read_photograph
    from pst_core.looks.cube import cube_of
    from pst_core.pictures import draw_mask
    from pst_core.pipeline.artifacts import CUBE, LOOK, MASK, REGIONS
    from pst_core.pipeline.look import Finding, fit_look
    from pst_core.store.handing import bytes_of

    result = read_photograph(picture.path, file=HashedFile(bytes_of(picture), picture.sha256))
    pixels = content.photograph().filled
    found = None if finding is None or network is None else Finding.of(finding, network)
    look = fit_look(pixels, style.photograph().filled, REGIONS.load(regions), result.filled, settings, found)
    parts = zip(look.names, look.regions, look.masks_at(pixels), strict=True)
    return Fitted(
        look=LOOK.keep(look), cube=CUBE.keep(cube_of(look.whole, "look")),
        regions=tuple(
            FittedRegion(name=name, cube=CUBE.keep(cube_of(lattice, name)), mask=MASK.keep(draw_mask(mask)))
            for name, lattice, mask in parts
        ),
    )  # fmt: skip


@unit("apply-look", run_name="{photograph.path.name}")
def apply(
    photograph: InputFile,
    semantic_map: InputFile | None,
    look: Reference,
    settings: OutputSettings,
    finding: FoundRegionSettings | None,
    network: Network | None,
    series: SeriesSettings | None,
) -> Applied:
    """Apply a look to a photograph; regions are found if `finding` and `network` say how.

    As one of a series, it takes the look at its own exposure.
    """
    from pst_core.images.carried import carry
    from pst_core.images.writing import as_chunks, encode_levels
    from pst_core.pictures import shrink_levels, thumbnail
    from pst_core.pipeline.applying import levels_of
    from pst_core.pipeline.artifacts import DESCRIPTION, LOOK, PICTURE, PREVIEW
    from pst_core.pipeline.placing import place
    from pst_core.pipeline.series import lattices_for

    given, known = photograph.photograph(), LOOK.load(look)
    semantic = None if semantic_map is None else semantic_map.semantic_map()
    placement, notes = place(known, given, semantic, finding, network)
    lattices, exposed = (*known.regions, known.whole), tuple[str, ...]()
    if series is not None:
        lattices, exposed = lattices_for(known, given, series.exposure_share)
    carried, lost = carry(given.stored, settings.metadata)
    told = *_told(given.notes), *_told(notes, photograph, semantic_map), *exposed, *lost
    depth = given.bit_depth if settings.bit_depth == "auto" else settings.bit_depth
    before = PREVIEW.keep(thumbnail(given.on_white, PREVIEW_SIDE))
    samples = levels_of(lattices, given, placement, 16 if depth == 16 else 8)
    del given  # which takes more memory than all that follows
    photograph.let_go()
    after = PREVIEW.keep(shrink_levels(samples, PREVIEW_SIDE))
    tell_computed()
    return Applied(
        picture=PICTURE.keep(encode_levels(samples)), described=DESCRIPTION.keep(as_chunks(carried)),
        before=before, after=after, notes=told,
    )  # fmt: skip


def _told(notes: tuple[str, ...], *files: InputFile | None) -> tuple[str, ...]:
    """Sentences without the names of files: what is kept must hold under any name."""
    said = []
    for note in notes:
        for file, name in zip(files, ("the photograph", "its map"), strict=False):
            note = note if file is None else note.replace(str(file.path), name)  # noqa: PLW2901
        said.append(sentence(note))
    return tuple(said)
