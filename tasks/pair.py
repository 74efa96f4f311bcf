"""The steps of one pair as tasks: `walk`'s order, each step's own settings, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect import Task
from pydantic import BaseModel, ConfigDict

from pst_core.images.input_files import InputFiles, reading_once
from pst_core.network.identity import Network
from pst_core.pipeline.plan import Stage, plan_stages, working_sizes
from pst_core.pipeline.walk import walk
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import (
    Config,
    FilterSettings,
    FinishSettings,
    GuidedFilterSettings,
    PrecomputationSettings,
    StageSettings,
    StartSettings,
)
from pst_core.store import Reference
from pst_core.store.handing import handing_on
from tasks.explaining import explain
from tasks.filtering import filter_image
from tasks.keys import key_of
from tasks.looks import fit, inputs_of_fit
from tasks.optimisation import optimise
from tasks.precomputation import precompute
from tasks.progress import announcing
from tasks.rendering import render
from tasks.results import Explained, Fitted, Optimised, Precomputed, Rendered, Scored, Segmented
from tasks.scoring import score
from tasks.segmentation import region_settings, segment
from tasks.starting import enlarge, start


class Made(BaseModel):
    """Everything about a finished pair that does not depend on where it goes.

    Attributes
    ----------
    segmented : tuple of Segmented
        Of the content with each style.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Config
    segmented: tuple[Segmented, ...]
    precomputed: Precomputed
    rendered: Rendered
    scored: Scored
    explained: Explained
    fitted: Fitted | None = None


class _Steps:
    """`pst_core.pipeline.walk.Steps` over tasks and references, each with its own section of the settings."""

    def __init__(self, files: InputFiles, config: Config, network: Network, run: Callable[..., Any]) -> None:
        self.files, self.config, self.network, self.run = files, config, network, run
        self.stages = plan_stages(config, files.content.side)
        self.losses: list[Reference] = []
        self.precomputed: Precomputed

    def find_regions(self) -> tuple[Segmented, ...]:
        """See `tasks.segmentation`; as often as there are styles."""
        network = None if self.files.content_map is not None else self.network
        return tuple(
            self.run(segment, files=files, settings=region_settings(self.config, files), network=network)
            for files in self.files.by_style
        )

    def prepare(self, regions: tuple[Segmented, ...], size: int) -> Precomputed:
        """See `tasks.precomputation`."""
        self.precomputed = self.run(
            precompute, content=self.files.content, styles=self.files.styles, regions=_references(regions),
            size=size, staged=bool(self.stages), settings=self.config.section(PrecomputationSettings),
            network=self.network,
        )  # fmt: skip
        return self.precomputed

    def start(self, prepared: Precomputed) -> Reference:
        """See `tasks.starting`."""
        image: Reference = self.run(
            start, working=prepared.working, settings=self.config.section(StartSettings)
        )
        return image

    def enlarge(self, image: Reference, coarse: Precomputed, fine: Precomputed) -> Reference:
        """See `tasks.starting`."""
        larger: Reference = self.run(
            enlarge, image=image, coarse=coarse.working, fine=fine.working,
            settings=self.config.section(GuidedFilterSettings),
        )  # fmt: skip
        return larger

    def optimise(self, image: Reference, stage: Stage, prepared: Precomputed) -> Reference:
        """See `tasks.optimisation`."""
        done: Optimised = self.run(
            optimise, image=image, stage=stage, targets=prepared.targets,
            settings=self.config.section(StageSettings), network=self.network,
        )  # fmt: skip
        self.losses.append(done.losses)
        return done.image

    def filter(self, image: Reference, stage: Stage, prepared: Precomputed) -> Reference:
        """See `tasks.filtering`."""
        filtered: Reference = self.run(
            filter_image, image=image, working=prepared.working, stage=stage,
            settings=self.config.section(FilterSettings),
        )  # fmt: skip
        return filtered

    def render(self, image: Reference, prepared: Precomputed) -> Rendered:
        """See `tasks.rendering`."""
        rendered: Rendered = self.run(
            render, image=image, working=prepared.working, content=self.files.content,
            settings=self.config.section(FinishSettings),
        )  # fmt: skip
        return rendered


@contextmanager
def passing_in_memory() -> Iterator[None]:
    """Within the block, which is one pair's, read its files once, and hand on what its steps keep."""
    with reading_once(), handing_on():
        yield


def make_pair(
    files: InputFiles,
    config: Config,
    network: Network,
    run: Callable[..., Any],
    computed: Callable[[], None] = lambda: None,
    *,
    look: bool = False,
) -> tuple[Made, tuple[str, ...]]:
    """Take every step of a pair.

    Parameters
    ----------
    run
        Called with a task and its inputs by name: it runs the task, or only looks up what it would return.
    computed
        Called when the picture is computed; what is left is to encode, measure and explain it.
    look
        Whether to fit a look to it, besides.

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
    with passing_in_memory():
        with announcing(computed):
            segmented, rendered = walk(steps, config, files.content.side)
        regions = _references(segmented)
        scored = noted(
            score, picture=rendered.picture, content=files.content, styles=files.styles, regions=regions,
            shares=config.shares_of(len(files.styles)), models=ModelFiles.at(None), network=network,
        )  # fmt: skip
        explained = noted(explain, stages=steps.stages, losses=tuple(steps.losses), regions=regions)
        fitted = None
        if look:
            parts = rendered.picture, regions[0]
            fitted = noted(fit, **inputs_of_fit(*parts, files.given, config, network))
    made = Made(
        config=config, segmented=segmented, precomputed=steps.precomputed, rendered=rendered, scored=scored,
        explained=explained, fitted=fitted,
    )  # fmt: skip
    return made, tuple(keys)


def _references(segmented: tuple[Segmented, ...]) -> tuple[Reference, ...]:
    return tuple(each.regions for each in segmented)


def count_steps(config: Config, files: InputFiles, *, look: bool = False) -> int:
    """How many tasks a pair takes: each stage and its filter, and what comes before and after."""
    side, styles = files.content.side, len(files.styles)
    return 2 * len(plan_stages(config, side)) + 2 * len(working_sizes(config, side)) + styles + 3 + look


def pair_key(files: InputFiles, config: Config, network: Network) -> str:
    """The key under which a finished pair's receipt is kept."""
    models = ModelFiles.at(None)
    return key_of("pair", {"files": files, "config": config, "network": network, "models": models})
