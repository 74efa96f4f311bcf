"""Frames of a sequence that are finished: published one by one, found done by the recipe in their picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from flows.layout import Place
from flows.orders.conflicts import OnConflict
from flows.orders.sequence_order import FoundSequence, SequenceOrder
from flows.results.conflicts import Wanted, bring_up_to_date, choose
from pst_core.images.input_files import InputFile
from pst_core.images.png import is_whole
from pst_core.images.writing import embed
from pst_core.report import PROGRAM, package_version
from pst_core.settings.config import OutputSettings
from pst_core.steady import read_steadily
from pst_core.store import Reference
from tasks.keys import key_of

if TYPE_CHECKING:
    from pst_core.sequences.restyling import Restyled


@dataclass(frozen=True)
class FrameResult:
    """A frame's result: what it is made of, and where it goes.

    Attributes
    ----------
    place : Place
    content : str
        What tells the frame from any other.
    looks : pair of Reference
        Of the keys before and after it.
    distance : float
        How far it is from the one to the other.
    semantic_map : InputFile, optional
        Its own.
    settings : OutputSettings
    on_conflict : OnConflict
    """

    place: Place
    content: str
    looks: tuple[Reference, Reference]
    distance: float
    semantic_map: InputFile | None
    settings: OutputSettings
    on_conflict: OnConflict

    @classmethod
    def of(
        cls,
        order: SequenceOrder,
        found: FoundSequence,
        place: int,
        content: str,
        looks: tuple[Reference, Reference],
        distance: float,
    ) -> Self:
        """What becomes of a frame of a sequence, by its place there, under its keys' looks."""
        return cls(
            order.place(found.names[place]), content, looks, distance, found.map_of(place), order.output,
            order.on_conflict,
        )  # fmt: skip

    @property
    def key(self) -> str:
        """What tells the result from any other."""
        made_of = {
            "content": self.content, "looks": self.looks, "distance": self.distance,
            "semantic_map": self.semantic_map, "settings": self.settings,
        }  # fmt: skip
        return key_of("restyle-frame", made_of)

    def found(self) -> tuple[Literal["cached", "skipped"], Path] | None:
        """How the frame stands, and what lies there, if there is nothing to be done; None otherwise.

        Raises
        ------
        OutputError
            Something is in the way that is not this program's, or is not to be replaced.
        """
        wanted = self._wanted
        chosen = choose(wanted)
        if chosen is None:
            return "skipped", self.place.picture
        picture = chosen.place.picture
        if chosen.report.get("key") == wanted.key and is_whole(read_steadily(picture)):
            return "cached", picture
        return None

    def publish(self, restyled: "Restyled") -> Path | None:
        """Write the result; where it lies, or None if another is there by now that is to be left.

        Raises
        ------
        OutputError
            As for `found`, or the folder cannot be written.
        """
        wanted = self._wanted
        picture = embed(restyled.picture, restyled.described, self._recipe(wanted.key))
        while (chosen := choose(wanted)) is not None:
            if bring_up_to_date(chosen, {chosen.place.picture: picture}):
                return chosen.place.picture
        return None

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.place, self.key, self.on_conflict)

    def _recipe(self, key: str) -> dict[str, Any]:
        """What the result says of itself: what it was made of, by content."""
        known = {} if self.semantic_map is None else {"semantic_map": self.semantic_map.sha256}
        return {
            "program": PROGRAM, "version": package_version(), "frame": self.content,
            "looks": [look.sha256 for look in self.looks], "distance": self.distance, **known,
            "settings": self.settings.model_dump(mode="json"), "key": key,
        }  # fmt: skip
