"""The walk that every pair takes: the library call, the pipeline and its dry run all follow this one."""

from typing import Protocol, TypeVar

from pst_core.pipeline.plan import Stage, plan_stages, working_sizes
from pst_core.settings.config import PlanSettings

RegionsT = TypeVar("RegionsT")
PreparedT = TypeVar("PreparedT")
ImageT = TypeVar("ImageT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Steps(Protocol[RegionsT, PreparedT, ImageT, ResultT_co]):
    """The steps of one pair; what passes between them (arrays, references) is their own affair."""

    def find_regions(self) -> RegionsT:
        """Cluster the semantic maps, or the photographs, into regions."""

    def prepare(self, regions: RegionsT, size: int) -> PreparedT:
        """Bring the pair to a working size and compute what stays fixed there."""

    def start(self, prepared: PreparedT) -> ImageT:
        """Make the image that the first stage begins with."""

    def enlarge(self, image: ImageT, coarse: PreparedT, fine: PreparedT) -> ImageT:
        """Carry the image from one working size to the next."""

    def optimise(self, image: ImageT, stage: Stage, prepared: PreparedT) -> ImageT:
        """Minimise the loss of one stage."""

    def filter(self, image: ImageT, stage: Stage, prepared: PreparedT) -> ImageT:
        """Filter the result of a stage."""

    def render(self, image: ImageT, prepared: PreparedT) -> ResultT_co:
        """Match colours a last time and bring the image to full size."""


def walk(
    steps: Steps[RegionsT, PreparedT, ImageT, ResultT_co], settings: PlanSettings, content_side: int
) -> tuple[RegionsT, ResultT_co]:
    """Take the steps of a pair in order (paper, figure 2).

    read -> regions -> targets -> (global stage -> filter -> regional stage -> filter) x rounds -> full size

    Parameters
    ----------
    content_side
        Long side of the content photograph in pixels.
    """
    sizes, stages = working_sizes(settings, content_side), plan_stages(settings, content_side)
    regions = steps.find_regions()
    prepared = steps.prepare(regions, sizes[0])
    image = steps.start(prepared)
    for size in sizes:
        if size != sizes[0]:
            finer = steps.prepare(regions, size)
            image, prepared = steps.enlarge(image, prepared, finer), finer
        for stage in (stage for stage in stages if stage.size == size):
            image = steps.filter(steps.optimise(image, stage, prepared), stage, prepared)
    return regions, steps.render(image, prepared)
