"""Photographs and maps brought to an evaluation's size, before anything else is done with them."""

from pst_core.images.input_files import InputFile
from pst_core.store import Reference
from tasks.unit import unit


@unit("shrink", run_name="photograph to {side} px")
def shrink(photograph: InputFile, side: int) -> Reference:
    """Shrink a photograph to a long side; it is never enlarged."""
    from pst_core.images.shrinking import shrink_photograph
    from pst_core.pipeline.artifacts import SHRUNK_PHOTOGRAPH

    return SHRUNK_PHOTOGRAPH.keep(shrink_photograph(photograph.photograph(), side))


@unit("shrink-map", run_name="map to {width}x{height}")
def shrink_map(semantic_map: InputFile, photograph: InputFile, width: int, height: int) -> Reference:
    """Lay a semantic map on its photograph and bring it to the shrunk one's size, without new colours."""
    from pst_core.images import shrinking
    from pst_core.pipeline.artifacts import SHRUNK_MAP

    read = semantic_map.semantic_map(), photograph.photograph()
    return SHRUNK_MAP.keep(shrinking.shrink_map(*read, (width, height)))
