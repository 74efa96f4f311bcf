"""A batch as it was ordered: which pairs, with which settings, and where the results go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from flows import layout
from flows.orders.conflicts import OnConflict
from flows.orders.photograph_order import find_anchor
from flows.orders.picture_names import name_pictures
from flows.orders.planning import PairOrder
from flows.orders.saved import SavedOrder
from flows.pairs.find import find_pairs
from flows.pairs.pair import Pair
from pst_core.errors import ConfigError
from pst_core.files import check_writable


class BatchOrder(SavedOrder):
    """A batch as it was ordered; see `flows.batch.stylize_folder`."""

    file: ClassVar[str] = layout.BATCH
    command: ClassVar[str] = "pst run"

    style: Path | None = None
    on_conflict: OnConflict = "changed"
    picture_name: str | None = None
    look: bool = False
    anchor: str | None = None

    def pair_order(self, pair: Pair, picture: str | None = None) -> PairOrder:
        """The order of one of its pairs; see `config_of`."""
        preset = pair.given.get("preset", self.preset)
        return PairOrder(pair, self.out, self.config_of(pair), preset, self.on_conflict, picture, self.look)

    def pictures_of(self, pairs: Sequence[Pair]) -> Sequence[str | None]:
        """Where each pair's picture goes, if not into its own folder."""
        if self.picture_name is None:
            return [None] * len(pairs)
        return name_pictures(pairs, self.picture_name, self.preset)


@dataclass(frozen=True)
class FoundOrders:
    """The orders of every pair of a batch, and what else there is to know of its source.

    Attributes
    ----------
    pairs : tuple of PairOrder
    notes : tuple of str
        See `flows.pairs.find.Found`.
    anchor : int, optional
        Of a series: the place of the pair whose look all others take.
    """

    pairs: tuple[PairOrder, ...]
    notes: tuple[str, ...] = ()
    anchor: int | None = None


def find_orders(order: BatchOrder) -> FoundOrders:
    """Every pair of a batch.

    Raises
    ------
    PairingError, ConfigError
        There are none, or a manifest or a setting is wrong.
    """
    found = find_pairs(
        order.source, pairing=order.pairing, style=order.style, allow_outside=order.allow_outside,
        out=order.out,
    )  # fmt: skip
    pairs = [*map(order.pair_order, found.pairs, order.pictures_of(found.pairs))]
    if order.anchor is None:
        return FoundOrders(tuple(pairs), found.notes)
    anchor = find_anchor(order.anchor, pairs)
    pairs[anchor] = replace(pairs[anchor], look=True)
    return FoundOrders(tuple(pairs), found.notes, anchor)


def check_order(order: BatchOrder) -> FoundOrders:
    """Every pair of a batch, after looking whether its results can be written.

    Raises
    ------
    PairingError, ConfigError, OutputError
        There are no pairs, or they cannot be told apart, or the output folder cannot be written.
    """
    found = find_orders(order)
    check_writable(order.out)
    return found


def load_batch_order(out: Path) -> BatchOrder:
    """The order of the batch that was last run into a folder.

    Raises
    ------
    ConfigError
        There is none, or it cannot be used.
    """
    try:
        return BatchOrder.load(out)
    except FileNotFoundError as error:
        if (out / layout.EVALUATION).exists():
            way_out = f"{out} holds an evaluation: pst resume {out} goes on with it, and finds what is done."
        elif (out / layout.APPLICATION).exists():
            way_out = f"{out} holds photographs under a look: pst resume {out} finds what is done of them."
        elif (out / layout.SEQUENCE).exists():
            way_out = f"{out} holds a sequence: pst resume {out} goes on with it, and finds what is done."
        else:
            what = f"In {out} nothing was made yet" if out.is_dir() else f"There is no folder {out} yet"
            way_out = (
                f"{what} (a dry run only tells): begin with pst run FOLDER --out {out}, or with "
                f"pst run --sequence FRAMES --style FILE --out {out}."
            )
        raise ConfigError(way_out) from error
