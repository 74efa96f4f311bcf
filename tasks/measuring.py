"""Every measure of one result: the paper's Table 1 is made of these."""

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Layers
from pst_core.store import Reference
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
    from pst_core.network.encoder import open_encoder
    from pst_core.pipeline.artifacts import REGIONS
    from pst_core.quality.measures import Subject, fit_to, measure_result
    from pst_core.quality.models import load_quality_models

    layers = Layers()
    loaded = load_quality_models(models.source)
    original, there = content.photograph().pixels, style.photograph().pixels
    image = fit_to(picture.photograph().pixels, original.shape)
    with reproducible():
        weights, encoder = open_encoder(network.settings, layers.layers)
        subject = Subject(image, original, there, REGIONS.load(regions))
        values, reasons = measure_result(subject, loaded, encoder, tuple(layers.style_layers))
    return Measures(
        values=values,
        reasons=reasons,
        models={
            "brisque": loaded.brisque.name,
            "niqe": loaded.niqe.name,
            "gram_distance": f"{weights.name}, sha256 {weights.sha256[:12]}",
        },
    )
