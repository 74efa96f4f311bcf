"""What explains a result to a person: the losses as a table and as a curve, the regions as a picture."""

from collections.abc import Sequence

from pst_core.pipeline.plan import Stage
from pst_core.store import Reference
from tasks.results import Explained
from tasks.unit import unit


@unit("explain", run_name="report")
def explain(stages: Sequence[Stage], losses: Sequence[Reference], regions: Sequence[Reference]) -> Explained:
    """Join the stages' losses, draw their curve, and draw the regions of the photographs."""
    from pst_core.pictures import draw_losses, draw_regions
    from pst_core.pipeline.artifacts import CURVE, LOSSES, REGION_MAP, REGIONS
    from pst_core.pipeline.trace import join_losses, read_trace, summarise_losses

    table = join_losses([LOSSES.load(each) for each in losses])
    trace = read_trace(table, stages)
    return Explained(
        losses=LOSSES.keep(table),
        curve=CURVE.keep(draw_losses(trace)),
        region_map=REGION_MAP.keep(draw_regions(*(REGIONS.load(each) for each in regions))),
        stages=tuple(summarise_losses(trace)),
    )
