"""What explains a result to a person: the losses as a table and as a curve, the regions as a picture."""

from collections.abc import Sequence

from pst_core.pipeline.plan import Stage
from pst_core.store import Reference, open_store
from tasks.results import Explained
from tasks.unit import unit

__all__ = ["explain"]


@unit("explain", run_name="report")
def explain(stages: Sequence[Stage], losses: Sequence[Reference], regions: Reference) -> Explained:
    """Join the stages' losses, draw their curve, and draw the regions of both photographs."""
    from pst_core.pictures import draw_losses, draw_regions
    from pst_core.pipeline.artifacts import REGIONS
    from pst_core.pipeline.trace import join_losses, read_trace, summarise_losses

    store = open_store()
    table = join_losses([store.read(each) for each in losses])
    trace = read_trace(table, stages)
    found = REGIONS.load(regions)
    return Explained(
        losses=store.put(table, "losses", ".parquet"),
        curve=store.put(draw_losses(trace), "curve", ".png"),
        region_map=store.put(draw_regions(found), "region-map", ".png"),
        stages=tuple(summarise_losses(trace)),
    )
