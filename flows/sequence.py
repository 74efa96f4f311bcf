"""The flow of a sequence: its cuts, its key frames as pairs, and every frame under the looks of its keys.

A frame is published as soon as it is finished, and found done by the recipe in its picture: an interrupted
sequence goes on with the frame behind the last one.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows import layout
from flows.batch import run_found, run_kept, run_orders
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.layout import sheet_path
from flows.orders.conflicts import OnConflict
from flows.orders.planning import PairOrder, Prober
from flows.orders.sequence_order import FoundSequence, SequenceOrder, check_sequence
from flows.results.frames import FrameResult
from flows.results.looks import find_look
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.outcomes import State as FrameState
from flows.results.sequence_video import VideoResult, check_video_place
from flows.results.table import write_table
from flows.runtime.cancellation import SafePoint, ending_in_order, result_of, safe_points
from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_trouble
from pst_core.errors import PstError
from pst_core.files import write_bytes_atomically
from pst_core.parquet import have_library
from pst_core.printing import counted
from pst_core.report import PROGRAM, package_version
from pst_core.sequences.spans import Span, keys_of, plan_spans
from pst_core.settings.config import PresetName, SequenceSettings
from pst_core.settings.overrides import Overrides, settings_of
from pst_core.steady import read_steadily
from pst_core.store import Reference, open_store
from pst_core.store.handing import bytes_of
from tasks.records import keep_results_in_store
from tasks.results import Shown, Surveyed
from tasks.sequences import Footage, cuts_in, restyle_frames, show, survey, take, write_video

SHOWN = ("frame", "result")
MOST_SHOWN = 24
"""Frames on the contact sheet."""


@flow(name="stylize-sequence", flow_run_name="{source.name} {preset}", persist_result=False)
def stylize_sequence(
    source: Path,
    style: Path,
    out: Path,
    maps: Path | None = None,
    style_map: Path | None = None,
    video: Path | None = None,
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    sequence: SequenceSettings = SequenceSettings(),  # noqa: B008 - frozen
    on_conflict: OnConflict = "changed",
    pool: str | None = None,
) -> State:
    """Restyle a sequence of frames under one look that does not flicker; what is done is not done again.

    Args:
        source: Folder of numbered frames, or a video.
        style: Photograph whose look they get.
        out: Folder for the results.
        maps: Folder of the frames' semantic maps, called like the frames.
        style_map: Semantic map of the style, where there are maps.
        video: Video to be made of the results; of a video there is one in any case.
        preset: Settings of the key frames to begin with.
        settings: Settings that replace the preset's.
        sequence: Which frames are keys.
        on_conflict: What happens to results that are there already.
        pool: Work pool whose workers do the key frames; without one they are done here.
    """
    order = SequenceOrder(
        source=source, style=style, out=out, maps=maps, style_map=style_map, video=video, preset=preset,
        settings=settings_of(settings), sequence=sequence, on_conflict=on_conflict,
    )  # fmt: skip
    found = check_sequence(order)
    check_video_place(order)
    return run_kept(order, lambda: _stylize(order, found, pool))


def run_sequence(order: SequenceOrder, found: FoundSequence, pool: str | None = None) -> Summary:
    """Run a sequence whose frames are known, as `check_sequence` finds them; see `flows.batch.run_found`."""
    return run_found(stylize_sequence, order, lambda: _stylize(order, found, pool), Summary)


def _stylize(order: SequenceOrder, found: FoundSequence, pool: str | None) -> State:
    keep_results_in_store()
    have_library()  # for the table at the end
    with open_store().in_use(), safe_points() as stop_if_asked:
        frames = _Frames(order, found)
        cuts = _cuts(frames.footage, stop_if_asked)
        spans = plan_spans(frames.footage.count, cuts, order.sequence.key_every)
        keyed = _make_keys(frames, keys_of(spans), pool)
        summary = _Spans(frames, keyed, stop_if_asked).run(spans)
        _show(frames, spans, summary)
        if (target := order.video_wanted) is not None and not summary.failed:
            _make_video(frames, summary, target)
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence, data=summary)
    return ended


@dataclass(frozen=True)
class _Frames:
    """The frames of an order, and what becomes of them."""

    order: SequenceOrder
    found: FoundSequence

    @property
    def footage(self) -> Footage:
        """The frames."""
        return self.found.footage

    @property
    def prober(self) -> Prober:
        """What knows files that were read before."""
        return self.found.prober

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """What tells each frame from any other."""
        return self.footage.contents

    def key_order(self, place: int) -> PairOrder:
        """The order of a key frame's pair, whose picture is there; of a video it is made of the frame."""
        order = self.found.key_order(self.order, place)
        if self.found.video is not None:
            taken: Reference = take(self.footage.part(place, place + 1))
            path, data = order.pair.content, bytes_of(taken)
            if not path.is_file() or read_steadily(path) != data:
                write_bytes_atomically(path, data, overwrite=True)
        return order

    def result(self, place: int, looks: tuple[Reference, Reference], distance: float) -> FrameResult:
        """What becomes of a frame under its keys' looks."""
        return FrameResult.of(self.order, self.found, place, self.contents[place], looks, distance)


def _cuts(footage: Footage, stop_if_asked: SafePoint) -> list[int]:
    """Places of frames that begin another shot."""

    def surveyed(part: Footage) -> Surveyed:
        stop_if_asked()
        found: Surveyed = survey(part)
        return found

    cuts = cuts_in(footage, surveyed, lambda seen: watcher().frames_gone_through("cuts", seen, footage.count))
    get_run_logger().info("%s, %s", counted(footage.count, "frame"), counted(len(cuts), "cut"))
    return cuts


def _make_keys(frames: _Frames, keys: Sequence[int], pool: str | None) -> dict[int, PairOutcome]:
    """Restyle the key frames as pairs, in a flow run of their own; place -> how it ended."""
    orders = [*map(frames.key_order, keys)]

    @flow(name="restyle-keys", flow_run_name="key frames", persist_result=False)
    def restyle_keys() -> Summary | State:
        """Restyle the key frames of a sequence."""
        watcher().method_started("Key frames")
        out = frames.order.out / layout.KEYS
        return ending_in_order(lambda: run_orders(out, orders, frames.prober, frames.found.notes, pool))

    summary: Summary = result_of(restyle_keys(return_state=True))
    return dict(zip(keys, summary.outcomes, strict=True))


class _Spans:
    """Restyles the frames of spans, one span after another."""

    def __init__(self, frames: _Frames, keyed: Mapping[int, PairOutcome], stop_if_asked: SafePoint) -> None:
        self.frames, self.keyed, self.stop_if_asked = frames, keyed, stop_if_asked
        self.outcomes, self.ended = Outcomes(), set[int]()
        self.results: dict[int, FrameResult] = {}
        self._look = cache(self._read_look)

    def run(self, spans: Sequence[Span]) -> Summary:
        """All of them; how each frame ended."""
        total = self.frames.footage.count
        watcher().method_started("Frames")
        watcher().batch_started(total, ())
        try:
            for span in spans:
                self._do(span)
        finally:
            summary = Summary(self.frames.order.out, self.outcomes, total, of="frame")
            write_table(summary)
            watcher().batch_ended(summary)
        return summary

    def _do(self, span: Span) -> None:
        """One span; what goes wrong is the failure of the frames that are not finished."""
        before = len(self.outcomes)
        try:
            self._restyle(span)
        except Exception as error:
            if is_server_trouble(error):
                raise
            for place in range(span.first, span.stop):
                if place not in self.ended:
                    self._end(place, "failed", error=explain_failure(error)[0])
        counts = Counter(outcome.state for outcome in self.outcomes[before:])
        told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
        get_run_logger().info("%s: %s", self._named(span), told)

    def _restyle(self, span: Span) -> None:
        """Restyle the frames of a span that are not done."""
        looks = self._look(span.before), self._look(span.after)
        missing = [
            place for place in range(span.first, span.stop)
            if not self._is_done(place, self.frames.result(place, looks, span.distance(place)))
        ]  # fmt: skip
        if not missing:
            return
        footage = self.frames.footage.part(span.first, span.stop)
        wanted = [
            (place - span.first, span.distance(place), self.frames.found.map_of(place)) for place in missing
        ]
        restyle_frames(
            self._named(span), footage, looks, wanted, self.frames.order.output,
            lambda place, restyled: self._publish(span.first + place, restyled),
        )  # fmt: skip

    def _read_look(self, key: int) -> Reference:
        """The look of a key frame; raises `PstError` where its pair failed."""
        outcome = self.keyed[key]
        if outcome.state == "failed":
            raise PstError(f"The key frame {outcome.name} beside it failed: {outcome.error}")
        look = find_look(Path(outcome.folder)).kept
        assert look is not None, "a key frame's pair has its look beside it"
        return look

    def _is_done(self, place: int, result: FrameResult) -> bool:
        """Whether there is nothing to be done for a frame, which then ends; or its failure is its own."""
        self.stop_if_asked()
        self.results[place] = result
        try:
            found = result.found()
        except PstError as error:
            self._end(place, "failed", error=explain_failure(error)[0])
            return True
        if found is not None:
            state, picture = found
            self._end(place, state, picture=str(picture))
        return found is not None

    def _publish(self, place: int, restyled: Any) -> None:  # noqa: ANN401 - pst_core.sequences.restyling's
        if place in self.ended:  # the span was begun again, after a fault that passed
            return
        picture = self.results[place].publish(restyled)
        state: FrameState = "skipped" if picture is None else "done"
        self._end(place, state, picture=str(picture or ""), notes=restyled.notes)
        self.stop_if_asked()

    def _end(self, place: int, state: FrameState, **told: Any) -> None:  # noqa: ANN401 - of PairOutcome
        outcome = PairOutcome(
            name=self.frames.found.names[place], state=state, folder=str(self.frames.order.out), steps=1,
            steps_cached=int(state == "cached"), **told,
        )  # fmt: skip
        self.outcomes.add(place, outcome)
        self.ended.add(place)
        watcher().pair_ended(outcome)

    def _named(self, span: Span) -> str:
        names = self.frames.found.names
        return f"{names[span.first]} to {names[span.stop - 1]}"


def _show(frames: _Frames, spans: Sequence[Span], summary: Summary) -> None:
    """The contact sheet in the folder, and the run's pages in the UI."""
    shown = Outcomes.of(_with_previews(frames, keys_of(spans), summary))
    sheet = draw_sheet(Summary(summary.out, shown, len(shown)), SHOWN)
    if sheet is not None:
        write_bytes_atomically(sheet_path(summary.out, pictures_together=True), sheet, overwrite=True)
    show_batch(summary, sheet, SHOWN)


def _with_previews(frames: _Frames, keys: Sequence[int], summary: Summary) -> Iterator[PairOutcome]:
    """How some of the key frames ended, as frames, with small pictures of them."""
    for key in keys[:: -(-len(keys) // MOST_SHOWN)]:
        outcome = summary.outcomes[key]
        if outcome.state in ("done", "cached"):
            shown: Shown = show(frames.footage.part(key, key + 1), frames.prober(Path(outcome.picture)))
            previews = dict(zip(SHOWN, (shown.before, shown.after), strict=True))
            yield outcome.model_copy(update={"previews": previews})


def _make_video(frames: _Frames, summary: Summary, target: Path) -> None:
    """A video of all results, if it is not there."""
    pictures = [Path(outcome.picture) for outcome in summary.outcomes]
    made = VideoResult.of(frames.order, frames.found, target, pictures)
    if (chosen := made.found()) is None:
        return
    path = chosen.place.picture
    watcher().waiting(f"Writing {path}.")
    said = json.dumps({"program": PROGRAM, "version": package_version(), "key": made.wanted.key})

    def written(done: int) -> None:
        watcher().frames_gone_through(target.name, done, len(pictures))

    write_video(pictures, path, made.coding, made.sound, said, written, overwrite=chosen.taken)
