"""Every measure of one result: the paper's Table 1 is made of these."""

from pst_core.images.input_files import InputFile
from pst_core.network.identity import Network
from pst_core.quality.measures import ANSWERED, TABULATED, Measures, take
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Layers
from pst_core.store import Reference
from tasks.unit import unit


@unit("measure", run_name="measures")
def measure(
    picture: InputFile,
    content: InputFile,
    style: InputFile,
    regions: Reference,
    models: ModelFiles,
    network: Network,
    answer: InputFile | None,
) -> Measures:
    """Measure a picture, whoever made it, against content and style; or right answer, where it is known."""
    from pst_core.images.transparency import fill
    from pst_core.machine import reproducible
    from pst_core.network.encoder import open_encoder
    from pst_core.pipeline.artifacts import REGIONS
    from pst_core.quality.models import load_quality_models
    from pst_core.quality.subject import Subject, fit_to

    layers, original = Layers(), content.photograph()
    with reproducible():
        weights, encoder = open_encoder(network.settings, layers.layers)
        # Of a picture that shows what the content does not, either: it is measured where both can be seen.
        image = fill(fit_to(picture.photograph().filled, original.pixels.shape), original.alpha)
        subject = Subject(
            image, original.filled, style.photograph().filled,
            REGIONS.load(regions), load_quality_models(models.source), encoder,
            tuple(layers.style_layers), f"{weights.name}, sha256 {weights.sha256[:12]}",
            None if answer is None else answer.photograph().filled,
        )  # fmt: skip
        return take(TABULATED if answer is None else ANSWERED, subject)
