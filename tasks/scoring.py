"""How good a result is: structure kept, colours and texture reached; and how it looks, small."""

from collections.abc import Sequence

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Layers
from pst_core.store import Reference
from pst_core.store.handing import bytes_of
from tasks.results import Scored
from tasks.unit import unit

PREVIEW_SIDE = 960  # pixels


@unit("score", run_name="scores")
def score(
    picture: Reference,
    content: InputFile,
    styles: Sequence[InputFile],
    regions: Sequence[Reference],
    shares: Sequence[float],
    models: ModelFiles,
    network: Network,
) -> Scored:
    """Measure a finished picture against the photographs, and by itself; several styles by their shares."""
    from pst_core.images.limits import HashedFile
    from pst_core.images.reading import read_photograph
    from pst_core.machine import reproducible
    from pst_core.network.encoder import open_encoder
    from pst_core.pictures import thumbnail, thumbnail_of_several
    from pst_core.pipeline.artifacts import PREVIEW, REGIONS
    from pst_core.quality.measures import REPORTED, take_mean
    from pst_core.quality.models import load_quality_models
    from pst_core.quality.subject import Subject

    file = HashedFile(bytes_of(picture), picture.sha256)
    pictures = {"content": content.photograph(), "result": read_photograph(picture.path, file=file)}
    looks = [style.photograph() for style in styles]
    layers = Layers()
    with reproducible():
        weights, encoder = open_encoder(network.settings, layers.layers)
        subjects = [
            Subject(
                pictures["result"].filled, pictures["content"].filled, look.filled,
                REGIONS.load(found), load_quality_models(models.source), encoder,
                tuple(layers.style_layers), f"{weights.name}, sha256 {weights.sha256[:12]}",
            )
            for look, found in zip(looks, regions, strict=True)
        ]  # fmt: skip
        taken = take_mean(REPORTED, subjects, shares)
    shown = {role: thumbnail(photograph.on_white, PREVIEW_SIDE) for role, photograph in pictures.items()}
    shown["style"] = thumbnail_of_several([look.on_white for look in looks], PREVIEW_SIDE)
    previews = {role: PREVIEW.keep(picture) for role, picture in shown.items()}
    return Scored(scores=taken.values, models=taken.models, previews=previews)
