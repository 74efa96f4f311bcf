"""Photographs and maps brought to an evaluation's size, before anything else is done with them."""

from pst_core.images.input_files import InputFile
from pst_core.store import Reference, open_store
from tasks.unit import unit

__all__ = ["shrink", "shrink_map"]


@unit("shrink", run_name="photograph to {side} px")
def shrink(photograph: InputFile, side: int) -> Reference:
    """Shrink a photograph to a long side; it is never enlarged."""
    from pst_core.images.shrinking import shrink_photograph

    return open_store().put(shrink_photograph(photograph.photograph(), side), "photograph", ".png")


@unit("shrink-map", run_name="map to {width}x{height}")
def shrink_map(semantic_map: InputFile, width: int, height: int) -> Reference:
    """Bring a semantic map to its photograph's size, without new colours."""
    from pst_core.images import shrinking

    data = shrinking.shrink_map(semantic_map.semantic_map(), (width, height))
    return open_store().put(data, "map", ".png")
