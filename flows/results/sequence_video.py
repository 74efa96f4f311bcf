"""The video of a sequence's results: what it is made of, where it goes, and where it stands."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from flows.layout import Place
from flows.orders.sequence_order import FoundSequence, SequenceOrder
from flows.results.conflicts import Chosen, Wanted, choose
from flows.results.standing import LEFT, Standing
from flows.runtime.failures import explain_failure
from pst_core.errors import PstError
from pst_core.sequences.video import Coding
from tasks.keys import key_of

MISSING = "missing: the next run makes it"
INCOMPLETE = "out of date: not all frames are there that it is to be made of"
STALE = "out of date: its frames, its rate or its sound changed since it was made"


@dataclass(frozen=True)
class VideoResult:
    """A video of a sequence's results.

    Attributes
    ----------
    wanted : Wanted
        Its key says what it is made of; empty as long as not all frames are there.
    coding : Coding
    sound : Path, optional
        The video whose sound it gets.
    """

    wanted: Wanted
    coding: Coding
    sound: Path | None

    @classmethod
    def of(
        cls, order: SequenceOrder, found: FoundSequence, target: Path, pictures: Sequence[Path] | None
    ) -> "VideoResult":
        """That of finished frames, in order; None where they are not all there."""
        video = found.video
        coding = Coding.at_rate(order.sequence.rate) if video is None else video.coding
        made_of = {
            "frames": [found.prober(picture).sha256 for picture in pictures or ()], "suffix": target.suffix,
            "coding": coding.model_dump(mode="json"), "sound": None if video is None else video.sha256,
        }  # fmt: skip
        key = "" if pictures is None else key_of("write-video", made_of)
        wanted = Wanted(Place(order.out, target), key, order.on_conflict)
        return cls(wanted, coding, None if video is None else video.path)

    def found(self) -> Chosen | None:
        """What is to be written; None where it is there, or what is there is to be left.

        Raises
        ------
        OutputError
            Something is in the way that is not this program's, or is not to be replaced.
        """
        chosen = choose(self.wanted)
        return None if chosen is None or self._is(chosen) else chosen

    def looked_at(self) -> tuple[Literal["done", "new", "left"], str]:
        """State of the video, and why; raises as `found` does."""
        chosen = choose(_as_far_as_known(self.wanted))
        if chosen is None:
            return "left", LEFT
        if self._is(chosen):
            return "done", ""
        if not chosen.taken:
            return "new", MISSING
        return "new", STALE if self.wanted.key else INCOMPLETE

    def _is(self, chosen: Chosen) -> bool:
        return chosen.taken and chosen.report.get("key") == self.wanted.key


def _as_far_as_known(wanted: Wanted) -> Wanted:
    """What is wanted; as long as no key is known, a video of ours that is there may be the very one."""
    unknown = not wanted.key and wanted.on_conflict == "fail"
    return replace(wanted, on_conflict="changed") if unknown else wanted


def check_video_place(order: SequenceOrder) -> None:
    """Find out before long work whether what lies where a sequence's video goes may be replaced.

    Raises
    ------
    OutputError
        It may not.
    """
    if (target := order.video_wanted) is not None:
        choose(_as_far_as_known(Wanted(Place(order.out, target), "", order.on_conflict)))


def find_video_standing(
    order: SequenceOrder, found: FoundSequence, pictures: Sequence[Path | None]
) -> Standing | None:
    """Where the video of a sequence stands; None where there is to be none.

    Parameters
    ----------
    pictures
        Each frame's result, as far as they are there.
    """
    target = order.video_wanted
    if target is None:
        return None
    there = [picture for picture in pictures if picture is not None]
    # What is not there needs no reading of its frames.
    complete = len(there) == len(pictures) and os.path.lexists(target)
    state: Literal["done", "new", "left", "failed"]
    try:
        state, why = VideoResult.of(order, found, target, there if complete else None).looked_at()
    except PstError as error:
        state, why = "failed", explain_failure(error)[0]
    return Standing(
        name=target.name, state=state, folder=str(target.parent), steps=1, steps_kept=int(state == "done"),
        why=why,
    )  # fmt: skip
