"""How good a result is: structure kept, colours reached; and how it looks, small."""

from pst_core.images.input_files import InputFile
from pst_core.quality.model_files import ModelFiles
from pst_core.store import Reference, open_store
from tasks.results import Previews, Scored, Scores
from tasks.unit import unit

__all__ = ["score"]


PREVIEW_SIDE = 960  # pixels


@unit("score", run_name="scores")
def score(
    picture: Reference, content: InputFile, style: InputFile, regions: Reference, models: ModelFiles
) -> Scored:
    """Measure a finished picture against both photographs, and by itself."""
    from pst_core.images.reading import read_photograph
    from pst_core.pictures import thumbnail
    from pst_core.pipeline.artifacts import REGIONS
    from pst_core.quality.models import load_quality_models
    from pst_core.quality.scores import score_naturalness, score_result

    store = open_store()
    found = REGIONS.load(regions)
    store.read(picture)  # verified, before it is decoded from its file
    pictures = {
        "content": content.photograph().pixels,
        "style": style.photograph().pixels,
        "result": read_photograph(store.path_of(picture)).pixels,
    }
    loaded = load_quality_models(models.source)
    scores = Scores(
        **score_result(pictures["result"], pictures["content"], pictures["style"], found),
        **score_naturalness(pictures["result"], loaded),
        models={"brisque": loaded.brisque.name, "niqe": loaded.niqe.name},
    )
    previews = {
        role: store.put(thumbnail(pixels, PREVIEW_SIDE), "preview", ".jpg")
        for role, pixels in pictures.items()
    }
    return Scored(scores=scores, previews=Previews(**previews))
