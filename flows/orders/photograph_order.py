"""A photograph that is to take a look, and a series of them that takes its anchor's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from flows.layout import Place
from flows.orders.conflicts import OnConflict
from flows.orders.planning import PairOrder
from flows.pairs.names import show
from flows.pairs.pair import Pair, PairingError
from pst_core.errors import ConfigError
from pst_core.images.roles import STYLES
from pst_core.settings.config import OutputSettings, SeriesSettings

_NEAREST = 3  # names that are offered in place of one that is not there
_OWN = {*OutputSettings.model_fields, *SeriesSettings.model_fields}


@dataclass(frozen=True, slots=True)
class PhotographOrder:
    """A photograph that is to take a look.

    Attributes
    ----------
    photograph : Pair
        The content is it; its map says where regions lie, if it has one.
    place : Place
        Where the result goes, if nothing is in the way.
    on_conflict : OnConflict
        What happens to a result that is there already.
    settings : OutputSettings
    series : SeriesSettings, optional
        How it takes the look of a series' anchor.
    """

    photograph: Pair
    place: Place
    on_conflict: OnConflict
    settings: OutputSettings
    series: SeriesSettings | None = None


def order_in_series(order: PairOrder, anchor: PairOrder) -> PhotographOrder:
    """What a pair of a series comes to: its content under the anchor's look.

    Its map says where regions lie only if the anchor's said it there.
    """
    pair = order.pair if anchor.pair.content_map is not None else replace(order.pair, content_map=None)
    settings = order.config.section(OutputSettings), order.config.section(SeriesSettings)
    return PhotographOrder(pair, order.place, order.on_conflict, *settings)


def find_anchor(name: str, orders: Sequence[PairOrder]) -> int:
    """The place of a series' anchor among all of its pairs: by a pair's name, else its content's file name.

    The file name may lack its extension, as long as a single photograph is called so.

    Raises
    ------
    PairingError, ConfigError
        There is no such pair, or several, or others have another style or other settings.
    """
    found = _called(name, orders)
    if len(found) > 1:
        raise PairingError(_ambiguous(name, [orders[place] for place in found]))
    if not found:
        near = get_close_matches(name, [order.name for order in orders], _NEAREST, 0.0)
        raise PairingError(
            f"There is no photograph {name!r} for --anchor: the nearest are {', '.join(near)}."
        )
    anchor = orders[found[0]]
    for order in orders:
        _check_alike(order, anchor)
    return found[0]


def _called(name: str, orders: Sequence[PairOrder]) -> list[int]:
    """Places of the pairs that are called so, by the first kind of name by which any is."""
    contents = [order.pair.content for order in orders]
    kinds = (
        [order.name for order in orders],
        [each.name for each in contents],
        [each.stem for each in contents],
    )
    return next((found for names in kinds if (found := _places(name, names))), [])


def _places(name: str, names: Sequence[str]) -> list[int]:
    return [place for place, each in enumerate(names) if each == name]


def _ambiguous(name: str, orders: Sequence[PairOrder]) -> str:
    """One sentence on photographs that are called the same: by file names where these differ."""
    known, what = [show(order.pair.content.name) for order in orders], "the whole file name"
    if len({*known}) < len(known):
        known, what = [order.name for order in orders], "a pair's name"
    more = f" and {len(known) - _NEAREST} more" if len(known) > _NEAREST else ""
    return (
        f"{len(known)} photographs are called {name!r} ({', '.join(known[:_NEAREST])}{more}): give {what}, "
        f"as --anchor {known[0]}."
    )


def _check_alike(order: PairOrder, anchor: PairOrder) -> None:
    """See that a pair asks for nothing but the anchor's look."""
    styles, wanted = ({role: each.paths.get(role) for role in STYLES} for each in (order, anchor))
    if order.pair.problem is None and styles != wanted:
        raise PairingError(
            f"A series has one style, but {order.name} has {_told(order)} and its anchor {anchor.name} "
            f"{_told(anchor)}: name one with --style, or leave out --anchor."
        )
    for name, value in order.config:
        if name not in _OWN and value != getattr(anchor.config, name):
            raise ConfigError(
                f"A series has one look, but {order.name} has {name} {value} and its anchor {anchor.name} "
                f"{getattr(anchor.config, name)}: give them the same, or leave out --anchor."
            )


def _told(order: PairOrder) -> str:
    return " and ".join(show(order.paths[role]) for role in STYLES if role in order.paths)
