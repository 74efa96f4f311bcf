"""Photographs under a look: what decides each of them, found done or not, and brought to their places."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.layout import Place
from flows.orders.photograph_order import PhotographOrder
from flows.orders.planning import PairOrder, Prober
from flows.results.conflicts import Wanted, bring_up_to_date, choose, holds
from flows.results.looks import finding_of, network_of
from pst_core.images.writing import embed
from pst_core.network.identity import Network
from pst_core.report import PROGRAM, package_version
from pst_core.settings.config import FoundRegionSettings
from pst_core.store import Reference
from pst_core.store.handing import bytes_of
from tasks.keys import key_of
from tasks.looks import apply
from tasks.results import Applied


@dataclass(frozen=True)
class KnownLook:
    """A look, and what finds its regions in photographs without a map; None where nothing does."""

    look: Reference
    finding: FoundRegionSettings | None = None
    network: Network | None = None

    @classmethod
    def of(cls, look: Reference) -> "KnownLook":
        """A look whose regions are found as its own pair's were.

        Raises
        ------
        PstError
            Something else would find them here.
        """
        config, finder = finding_of(look)
        if config is None:
            return cls(look)
        return cls(look, config.section(FoundRegionSettings), network_of(config, finder))

    @classmethod
    def of_anchor(cls, look: Reference, anchor: PairOrder) -> "KnownLook":
        """The look of a pair whose settings are known."""
        if anchor.pair.content_map is not None:
            return cls(look)
        network = Network.of(anchor.config, has_maps=False)
        return cls(look, anchor.config.section(FoundRegionSettings), network)


@dataclass(frozen=True)
class UnderLook:
    """A photograph under a look: its order, what `tasks.looks.apply` takes, and the key of that."""

    order: PhotographOrder
    inputs: Mapping[str, Any]
    key: str

    @classmethod
    def planned(cls, order: PhotographOrder, known: KnownLook, prober: Prober) -> "UnderLook":
        """Find out all that decides a photograph's result.

        Raises
        ------
        PstError
            A file cannot be read.
        """
        photograph, semantic = order.photograph.content, order.photograph.content_map
        inputs = {
            "photograph": prober(photograph),
            "semantic_map": None if semantic is None else prober(semantic),
            "look": known.look, "settings": order.settings, "series": order.series,
            # What finds regions, only where no map says them.
            "finding": known.finding if semantic is None else None,
            "network": known.network if semantic is None else None,
        }  # fmt: skip
        return cls(order, inputs, key_of(apply.name, inputs))

    @property
    def wanted(self) -> Wanted:
        """Its result, and what happens to another that is in the way."""
        return Wanted(self.order.place, self.key, self.order.on_conflict)

    def publish(self, applied: Applied) -> Place | None:
        """Bring a finished picture up to date; where it lies, or None if what is there is to be left.

        Raises
        ------
        StoreMiss
            It is gone from the store.
        OutputError
            Something is in the way, or the folder cannot be written.
        """
        picture = self._picture(applied)
        while (chosen := choose(self.wanted)) is not None:
            if bring_up_to_date(chosen, {chosen.place.picture: picture}):
                return chosen.place
        return None

    def is_published(self, applied: Applied, place: Place) -> bool:
        """Whether a place holds the picture, unaltered."""
        return holds(place.picture, self._picture(applied))

    def _picture(self, applied: Applied) -> bytes:
        return embed(bytes_of(applied.picture), bytes_of(applied.described), self._recipe())

    def _recipe(self) -> dict[str, Any]:
        """What a result says of itself: what it was made of, by content."""
        files = {name: self.inputs[name] for name in ("photograph", "semantic_map", "look")}
        hashes = {name: file.sha256 for name, file in files.items() if file is not None}
        given = (self.order.settings, self.order.series)
        settings = {
            name: value for each in given if each is not None
            for name, value in each.model_dump(mode="json").items()
        }  # fmt: skip
        made_by = {"program": PROGRAM, "version": package_version()}
        return {**made_by, **hashes, "settings": settings, "key": self.key}
