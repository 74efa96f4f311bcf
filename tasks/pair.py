"""The steps of one pair as tasks: `walk`'s order, each step's own settings, and nothing else."""

from collections.abc import Callable
from typing import Any

from prefect import Task
from pydantic import BaseModel, ConfigDict

from pst_core.images.input_files import InputFiles
from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage, plan_stages, working_sizes
from pst_core.pipeline.walk import walk
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Config
from pst_core.store import Reference
from tasks import filtering, optimisation, precomputation, rendering, starting
from tasks.explaining import explain
from tasks.filtering import filter_image
from tasks.keys import key_of
from tasks.optimisation import optimise
from tasks.precomputation import precompute
from tasks.rendering import render
from tasks.results import Explained, Precomputed, Rendered, Scored, Segmented
from tasks.scoring import score
from tasks.segmentation import segment, settings_that_matter
from tasks.starting import enlarge, start

__all__ = ["Made", "count_steps", "make_pair", "pair_key"]


class Made(BaseModel):
    """Everything about a finished pair that does not depend on where it goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Config
    segmented: Segmented
    precomputed: Precomputed
    rendered: Rendered
    scored: Scored
    explained: Explained


class _Steps:
    """`pst_core.pipeline.walk.Steps` over tasks and references."""

    def __init__(self, files: InputFiles, config: Config, network: Network, run: Callable[..., Any]) -> None:
        self.files, self.config, self.network, self.run = files, config, network, run
        self.losses: list[Reference] = []
        self.precomputed: Precomputed

    def find_regions(self) -> Segmented:
        """See `tasks.segmentation`."""
        network = None if self.files.content_map is not None else self.network
        settings = settings_that_matter(self.config, self.files)
        found: Segmented = self.run(segment, files=self.files, settings=settings, network=network)
        return found

    def prepare(self, regions: Segmented, size: int) -> Precomputed:
        """See `tasks.precomputation`."""
        self.precomputed = self.run(
            precompute, content=self.files.content, style=self.files.style, regions=regions.regions,
            size=size, staged=bool(plan_stages(self.config, self.files.content.side)),
            settings=self.config.only(*precomputation.SETTINGS), network=self.network,
        )  # fmt: skip
        return self.precomputed

    def start(self, prepared: Precomputed) -> Reference:
        """See `tasks.starting`."""
        settings = self.config.only(*starting.START_SETTINGS)
        image: Reference = self.run(start, working=prepared.working, settings=settings)
        return image

    def enlarge(self, image: Reference, coarse: Precomputed, fine: Precomputed) -> Reference:
        """See `tasks.starting`."""
        settings = self.config.only(*starting.ENLARGE_SETTINGS)
        larger: Reference = self.run(
            enlarge, image=image, coarse=coarse.working, fine=fine.working, settings=settings
        )
        return larger

    def optimise(self, image: Reference, stage: Stage, prepared: Precomputed) -> Reference:
        """See `tasks.optimisation`."""
        done = self.run(
            optimise, image=image, stage=stage, targets=prepared.targets,
            settings=self.config.only(*optimisation.SETTINGS), network=self.network,
        )  # fmt: skip
        self.losses.append(done.losses)
        optimised: Reference = done.image
        return optimised

    def filter(self, image: Reference, stage: Stage, prepared: Precomputed) -> Reference:
        """See `tasks.filtering`."""
        settings = self.config.only(*filtering.SETTINGS)
        filtered: Reference = self.run(
            filter_image, image=image, working=prepared.working, stage=stage, settings=settings
        )
        return filtered

    def render(self, image: Reference, prepared: Precomputed) -> Rendered:
        """See `tasks.rendering`."""
        settings = self.config.only(*rendering.SETTINGS)
        rendered: Rendered = self.run(
            render, image=image, working=prepared.working, content=self.files.content, settings=settings
        )
        return rendered


def make_pair(
    files: InputFiles, config: Config, network: Network, run: Callable[..., Any]
) -> tuple[Made, tuple[str, ...]]:
    """Take every step of a pair.

    Parameters
    ----------
    run
        Called with a task and its inputs by name: it runs the task, or only looks up what it would return.

    Returns
    -------
    made : Made
    keys : tuple of str
        Cache key of every step taken.
    """
    keys: list[str] = []

    def noted(unit: Task[..., Any], **inputs: Any) -> Any:  # noqa: ANN401
        keys.append(key_of(unit.name, inputs))
        return run(unit, **inputs)

    steps = _Steps(files, config, network, noted)
    segmented, rendered = walk(steps, config, files.content.side)
    scored = noted(
        score, picture=rendered.picture, content=files.content, style=files.style,
        regions=segmented.regions, models=ModelFiles.at(None),
    )  # fmt: skip
    stages = plan_stages(config, files.content.side)
    explained = noted(explain, stages=stages, losses=tuple(steps.losses), regions=segmented.regions)
    made = Made(
        config=config, segmented=segmented, precomputed=steps.precomputed, rendered=rendered, scored=scored,
        explained=explained,
    )  # fmt: skip
    return made, tuple(keys)


def count_steps(config: Config, content_side: int) -> int:
    """How many tasks a pair takes: each stage and its filter, and what comes before and after."""
    sizes = len(working_sizes(config, content_side))
    return 2 * len(plan_stages(config, content_side)) + 2 * sizes + 4


def pair_key(files: InputFiles, config: Config, network: Network) -> str:
    """The key under which a finished pair's receipt is kept."""
    models = ModelFiles.at(None)
    return key_of("pair", {"files": files, "config": config, "network": network, "models": models})
