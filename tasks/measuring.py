"""Every measure of one result: the paper's Table 1 is made of these."""

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.results import Measures
from tasks.unit import unit

__all__ = ["measure"]


@unit("measure", run_name="measures")
def measure(
    picture: InputFile,
    content: InputFile,
    style: InputFile,
    regions: Reference,
    models: ModelFiles,
    network: Network,
) -> Measures:
    """Measure a picture, whoever made it, against its content and its style."""
    from pst_core.machine import reproducible
    from pst_core.pipeline.artifacts import unpack_regions
    from pst_core.pipeline.steps import open_encoder
    from pst_core.quality.measures import Subject, fit_to, measure_result
    from pst_core.quality.models import load_quality_models

    config = network.within(Config())
    loaded = load_quality_models(models.source)
    original, there = content.photograph().pixels, style.photograph().pixels
    image = fit_to(picture.photograph().pixels, original.shape)
    with reproducible():
        weights, encoder = open_encoder(config)
        subject = Subject(image, original, there, unpack_regions(open_store().read(regions)))
        values, reasons = measure_result(subject, loaded, encoder, tuple(config.style_layers))
    return Measures(
        values=values,
        reasons=reasons,
        models={
            "brisque": loaded.brisque.name,
            "niqe": loaded.niqe.name,
            "gram_distance": f"{weights.name}, sha256 {weights.sha256[:12]}",
        },
    )
