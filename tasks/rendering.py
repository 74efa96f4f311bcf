"""The closing colour match and full resolution."""

from pst_core.images.input_files import InputFile
from pst_core.settings.config import FinishSettings
from pst_core.store import Reference
from tasks.progress import tell_computed
from tasks.results import Rendered
from tasks.unit import unit


@unit("render", run_name="full resolution")
def render(image: Reference, working: Reference, content: InputFile, settings: FinishSettings) -> Rendered:
    """Bring the last image to the content's full size and encode it, without any file's name in it."""
    from pst_core.images.carried import carry
    from pst_core.images.writing import as_chunks, encode_png
    from pst_core.machine import check_device
    from pst_core.pipeline import steps
    from pst_core.pipeline.artifacts import DESCRIPTION, IMAGE, PICTURE, WORKING_PAIR

    device, photograph = check_device(settings.device), content.photograph()
    pair = WORKING_PAIR.load(working, device)
    full, strength = steps.render(IMAGE.load(image, device), pair, photograph.filled, settings)
    tell_computed()
    depth = photograph.bit_depth if settings.bit_depth == "auto" else settings.bit_depth
    full = photograph.with_hidden(full)
    carried, notes = carry(photograph.stored, settings.metadata)
    picture = encode_png(full, bit_depth=depth, alpha=photograph.alpha)
    return Rendered(
        picture=PICTURE.keep(picture), described=DESCRIPTION.keep(as_chunks(carried)), color_match=strength,
        notes=notes,
    )  # fmt: skip
