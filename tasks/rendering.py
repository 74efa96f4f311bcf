"""The closing colour match and full resolution."""

from pst_core.images.input_files import InputFile
from pst_core.settings.config import Config
from pst_core.store import Reference, open_store
from tasks.results import Rendered
from tasks.unit import unit

__all__ = ["SETTINGS", "render"]

SETTINGS = (
    "color_match", "detail", "upsampling", "upsampling_radius", "upsampling_epsilon", "unmatched",
    "bit_depth", "device", "colors",
)  # fmt: skip


@unit("render", run_name="full resolution")
def render(image: Reference, working: Reference, content: InputFile, settings: Config) -> Rendered:
    """Bring the last image to the content's full size and encode it, without any file's name in it."""
    from pst_core.images.writing import encode_png
    from pst_core.machine import check_device
    from pst_core.pipeline import finish
    from pst_core.pipeline.artifacts import unpack_image, unpack_working_pair

    store, device = open_store(), check_device(settings.device)
    photograph = content.photograph()
    pair = unpack_working_pair(store.read(working), device)
    matched, strength = finish.match_colors(unpack_image(store.read(image), device), pair, settings)
    full = finish.render(matched, pair, photograph.pixels, settings)
    depth = photograph.bit_depth if settings.bit_depth == "auto" else settings.bit_depth
    picture = encode_png(full, bit_depth=depth, alpha=photograph.alpha, exif=photograph.exif)
    return Rendered(picture=store.put(picture, "picture", ".png"), color_match=strength)
