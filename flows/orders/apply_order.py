"""A look that is to be applied to a folder of photographs, as it was ordered."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from flows import layout
from flows.layout import place_of
from flows.orders.conflicts import OnConflict
from flows.orders.photograph_order import PhotographOrder
from flows.orders.picture_names import EXTENSION
from flows.orders.saved import KeptOrder
from flows.pairs.find import Found, find_contents
from flows.pairs.pair import Pair
from pst_core.files import check_writable
from pst_core.settings.config import OutputSettings


class ApplyOrder(KeptOrder):
    """A look and what it is applied to; see `flows.apply.apply_folder`."""

    file: ClassVar[str] = layout.APPLICATION
    command: ClassVar[str] = "pst apply"

    look: Path
    maps: Path | None = None
    whole: bool = False
    on_conflict: OnConflict = "changed"
    settings: OutputSettings = OutputSettings()

    def photograph_order(self, photograph: Pair) -> PhotographOrder:
        """The order of one of its photographs."""
        place = place_of(self.out, photograph.name, f"{photograph.name}{EXTENSION}")
        if self.whole:
            photograph = replace(photograph, content_map=None)
        return PhotographOrder(photograph, place, self.on_conflict, self.settings)


def check_photographs(order: ApplyOrder) -> Found:
    """The photographs of an order, after looking whether results can be written.

    Raises
    ------
    PairingError, OutputError
        There are none, or the output folder cannot be written.
    """
    found = find_contents(order.source, maps=order.maps, out=order.out)
    check_writable(order.out)
    return found


def load_apply_order(out: Path) -> ApplyOrder | None:
    """What was last applied into a folder; None if nothing was.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    try:
        return ApplyOrder.load(out)
    except FileNotFoundError:
        return None
