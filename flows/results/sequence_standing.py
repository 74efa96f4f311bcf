"""Where the key frames of a sequence stand, and its frames, found without computing anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows import layout
from flows.orders.planning import PairOrder, plan_pair
from flows.orders.sequence_order import FoundSequence, SequenceOrder
from flows.results.conflicts import Wanted, choose
from flows.results.finished import find_made
from flows.results.frames import FrameResult
from flows.results.sequence_video import find_video_standing
from flows.results.standing import LEFT, Standing, stand
from flows.results.table import failures_of
from flows.runtime.failures import explain_failure
from pst_core.errors import PstError
from pst_core.sequences.spans import Span, keys_of, plan_spans
from pst_core.store import Reference, StoreMiss
from tasks.keys import key_of
from tasks.records import look_up
from tasks.results import Surveyed
from tasks.sequences import Footage, cuts_in, survey

_NO_KEY = ""
"""Of a result of which it is not known yet what makes it: no result that is there has it."""


@dataclass(frozen=True)
class SequenceStanding:
    """Where a sequence stands.

    Attributes
    ----------
    cuts : int or None
        How many there are; None as long as no run has looked for them. Keys are then those of a single shot.
    keys, frames : tuple of Standing
        Of the key frames as pairs, and of every frame; a frame is one step.
    video : Standing or None
        Of the video of the results, which is one step; None where there is to be none.
    """

    cuts: int | None
    keys: tuple[Standing, ...]
    frames: tuple[Standing, ...]
    video: Standing | None


@dataclass(frozen=True)
class _Key:
    """Where a key frame stands, and its look, if that is known."""

    standing: Standing
    look: Reference | None


@dataclass(frozen=True)
class _Frame:
    """Where a frame stands, and its result, if there is one that stays."""

    standing: Standing
    picture: Path | None


def find_sequence_standing(order: SequenceOrder, found: FoundSequence) -> SequenceStanding:
    """Look at each key frame of a sequence, and at each frame."""
    cuts = _known_cuts(found.footage)
    spans = plan_spans(found.footage.count, cuts or [], order.sequence.key_every)
    keys = _keys(order, found, keys_of(spans))
    frames = _Frames(order, found, keys)
    looked_at = [each for span in spans for each in frames.of_span(span)]
    return SequenceStanding(
        cuts=None if cuts is None else len(cuts), keys=tuple(key.standing for key in keys.values()),
        frames=tuple(frame.standing for frame in looked_at),
        video=find_video_standing(order, found, [frame.picture for frame in looked_at]),
    )  # fmt: skip


def _known_cuts(footage: Footage) -> list[int] | None:
    """Places of frames that begin another shot, if a run has looked for them."""

    def looked_up(part: Footage) -> Surveyed:
        surveyed: Surveyed = look_up(key_of(survey.name, {"footage": part}))
        return surveyed

    try:
        return cuts_in(footage, looked_up)
    except StoreMiss:
        return None


def _keys(order: SequenceOrder, found: FoundSequence, places: Sequence[int]) -> dict[int, _Key]:
    failures = failures_of(order.out / layout.KEYS)
    return {place: _key(found.key_order(order, place), found, failures) for place in places}


def _key(order: PairOrder, found: FoundSequence, failures: Mapping[str, str]) -> _Key:
    if found.video is not None and not order.pair.content.is_file():
        why = "its picture is yet to be taken out of the video"
        return _Key(Standing(name=order.name, state="new", folder=str(order.place.folder), why=why), None)
    standing = stand(order, found.prober, failures.get(order.name))
    if standing.state not in ("done", "kept"):
        return _Key(standing, None)
    made = find_made(plan_pair(order, found.prober))
    return _Key(standing, None if made is None or made[0].fitted is None else made[0].fitted.look)


class _Frames:
    """Tells where frames stand between key frames whose own standing is known."""

    def __init__(self, order: SequenceOrder, found: FoundSequence, keys: Mapping[int, _Key]) -> None:
        self.order, self.found, self.keys = order, found, keys
        self.failures = failures_of(order.out)
        self.contents = found.footage.contents

    def of_span(self, span: Span) -> Iterator[_Frame]:
        """Where each frame of a span stands."""
        return (self._of_frame(place, span) for place in range(span.first, span.stop))

    def _of_frame(self, place: int, span: Span) -> _Frame:
        name, picture = self.found.names[place], None
        try:
            state, why, picture = self._looked_at(place, span)
        except PstError as error:
            state, why = "failed", explain_failure(error)[0]
        if state == "new" and name in self.failures:
            why = f"failed before: {self.failures[name]}"
        folder = str(self.order.place(name).picture.parent)
        standing = Standing(
            name=name, state=state, folder=folder, steps=1, steps_kept=int(state == "done"), why=why
        )
        return _Frame(standing, picture)

    def _looked_at(
        self, place: int, span: Span
    ) -> tuple[Literal["done", "new", "left", "failed"], str, Path | None]:
        """State of a frame, why, and its result; raises `PstError` where that cannot be written."""
        before, after = self.keys[span.before], self.keys[span.after]
        for key in (before, after):
            if key.standing.state == "failed":
                return "failed", f"the key frame {key.standing.name} beside it cannot be done", None
        if before.look is None or after.look is None:
            wanted = Wanted(self.order.place(self.found.names[place]), _NO_KEY, self.order.on_conflict)
            return ("new", "", None) if choose(wanted) is not None else ("left", LEFT, wanted.place.picture)
        looks, distance = (before.look, after.look), span.distance(place)
        there = FrameResult.of(self.order, self.found, place, self.contents[place], looks, distance).found()
        if there is None:
            return "new", "", None
        state, picture = there
        return ("done", "", picture) if state == "cached" else ("left", LEFT, picture)
