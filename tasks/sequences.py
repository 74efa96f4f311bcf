"""Sequences: where their cuts are, key frames as pictures, and frames under the looks of their keys."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from pst_core.images.input_files import InputFile
from pst_core.sequences.footage import PictureFrames
from pst_core.sequences.video import Coding, VideoFrames
from pst_core.settings.config import OutputSettings
from pst_core.store import Reference
from tasks.results import Shown, Surveyed
from tasks.scoring import PREVIEW_SIDE
from tasks.unit import retry_what_may_pass, unit

Footage = PictureFrames | VideoFrames
RUN = 120
"""Frames in which cuts are looked for at once."""


@unit("survey", run_name="cuts")
def survey(footage: Footage) -> Surveyed:
    """Find which of some frames in a row begin another shot than the frame before them."""
    from pst_core.sequences.cuts import SIDE, find_cuts
    from pst_core.sequences.motion import Small
    from pst_core.sequences.side_by_side import side_by_side

    def small(decode: Callable[[], Any]) -> Small:
        return Small.of(decode().filled, SIDE)

    decodings = footage.decodings(range(footage.count))
    return Surveyed(cuts=tuple(find_cuts(side_by_side(partial(small, each) for each in decodings))))


def cuts_in(
    footage: Footage,
    survey_part: Callable[[Footage], Surveyed],
    seen: Callable[[int], None] = lambda _: None,
) -> list[int]:
    """Places of frames that begin another shot; the frame before a run of them is looked at with it.

    Parameters
    ----------
    survey_part
        `survey`, or what finds out what that has found.
    seen
        Called with how many frames are looked at, after each run of them.
    """
    cuts = []
    for first in range(0, footage.count, RUN):
        begin, stop = max(first - 1, 0), min(first + RUN, footage.count)
        cuts += [begin + cut for cut in survey_part(footage.part(begin, stop)).cuts]
        seen(stop)
    return cuts


@unit("take-frame", run_name="key frame")
def take(footage: Footage) -> Reference:
    """A single frame of a video as a picture."""
    from pst_core.pipeline.artifacts import PICTURE
    from pst_core.sequences.restyling import as_picture

    return PICTURE.keep(as_picture(next(footage.decodings([0]))))


@unit("show-frame", run_name="previews")
def show(footage: Footage, picture: InputFile) -> Shown:
    """Small pictures of a single frame and of what became of it."""
    from pst_core.pictures import thumbnail
    from pst_core.pipeline.artifacts import PREVIEW

    before, after = next(footage.decodings([0]))().on_white, picture.photograph().on_white
    return Shown(
        before=PREVIEW.keep(thumbnail(before, PREVIEW_SIDE)),
        after=PREVIEW.keep(thumbnail(after, PREVIEW_SIDE)),
    )


def _direct(name: str, run_name: str) -> Callable[[Callable[..., None]], Any]:
    """A task whose work lies in an output folder and not in the store, which would hold all of it twice."""
    return task(
        name=name, task_run_name=run_name, cache_policy=NO_CACHE, persist_result=False, retries=3,
        retry_delay_seconds=exponential_backoff(backoff_factor=2), retry_jitter_factor=0.5,
        retry_condition_fn=retry_what_may_pass, log_prints=False,
    )  # fmt: skip


@_direct("restyle-frames", run_name="{named}")
def restyle_frames(
    named: str,  # noqa: ARG001 - what the run is called
    footage: Footage,
    looks: tuple[Reference, Reference],
    wanted: Sequence[tuple[int, float, InputFile | None]],
    settings: OutputSettings,
    publish: Callable[[int, Any], None],
) -> None:
    """Restyle some frames of a span.

    Parameters
    ----------
    looks
        Of the keys at the span's ends.
    wanted
        Of each frame: its place in the footage, its distance between the keys, and its own map.
    publish
        Called with a frame's place and its `pst_core.sequences.restyling.Restyled`, in order, as each is
        finished.
    """
    from pst_core.pipeline.artifacts import LOOK
    from pst_core.sequences.carrying import Key
    from pst_core.sequences.restyling import restyle
    from pst_core.sequences.side_by_side import side_by_side

    before, after = (Key(LOOK.load(look)) for look in looks)
    decodings = footage.decodings([place for place, _, _ in wanted])
    jobs = (
        partial(restyle, decode, (before, after), distance, semantic, settings)
        for decode, (_, distance, semantic) in zip(decodings, wanted, strict=True)
    )
    for (place, _, _), restyled in zip(wanted, side_by_side(jobs), strict=True):
        publish(place, restyled)


@_direct("write-video", run_name="{target.name}")
def write_video(
    pictures: Sequence[Path],
    target: Path,
    coding: Coding,
    sound: Path | None,
    comment: str,
    written: Callable[[int], None],
    overwrite: bool,
) -> None:
    """Make a video of pictures; `written` is called with how many are in it."""
    from pst_core.files import write_atomically
    from pst_core.images.reading import read_photograph
    from pst_core.images.writing import to_levels
    from pst_core.sequences import video_writing
    from pst_core.sequences.side_by_side import side_by_side

    def levels(path: Path) -> Any:  # noqa: ANN401
        picture = read_photograph(path)
        return to_levels(picture.on_white, bit_depth=picture.bit_depth)

    def frames() -> Iterator[Any]:
        for done, frame in enumerate(side_by_side(partial(levels, path) for path in pictures), 1):
            yield frame
            written(done)  # whoever asks for the next one is done with it

    def write(file: Any) -> None:  # noqa: ANN401
        video_writing.write_video(file, target.suffix.lower(), frames(), coding, sound=sound, comment=comment)

    write_atomically(target, write, overwrite=overwrite)
