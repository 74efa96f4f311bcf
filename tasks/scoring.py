"""How good a result is: structure kept, colours and texture reached; and how it looks, small."""

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
    style: InputFile,
    regions: Reference,
    models: ModelFiles,
    network: Network,
) -> Scored:
    """Measure a finished picture against both photographs, and by itself."""
    from pst_core.images.limits import HashedFile
    from pst_core.images.reading import read_photograph
    from pst_core.machine import reproducible
    from pst_core.network.encoder import open_encoder
    from pst_core.pictures import thumbnail
    from pst_core.pipeline.artifacts import PREVIEW, REGIONS
    from pst_core.quality.measures import REPORTED, take
    from pst_core.quality.models import load_quality_models
    from pst_core.quality.subject import Subject

    file = HashedFile(bytes_of(picture), picture.sha256)
    pictures = {
        "content": content.photograph(),
        "style": style.photograph(),
        "result": read_photograph(picture.path, file=file),
    }
    layers = Layers()
    with reproducible():
        weights, encoder = open_encoder(network.settings, layers.layers)
        subject = Subject(
            pictures["result"].filled, pictures["content"].filled, pictures["style"].filled,
            REGIONS.load(regions), load_quality_models(models.source), encoder,
            tuple(layers.style_layers), f"{weights.name}, sha256 {weights.sha256[:12]}",
        )  # fmt: skip
        taken = take(REPORTED, subject)
    previews = {
        role: PREVIEW.keep(thumbnail(shown.on_white, PREVIEW_SIDE)) for role, shown in pictures.items()
    }
    return Scored(scores=taken.values, models=taken.models, previews=previews)
