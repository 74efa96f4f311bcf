"""What is to be done for a pair, known before any of it is done: its files, settings, network and key."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flows.layout import Place, place_of
from flows.orders.conflicts import OnConflict
from flows.pairs.pair import Pair
from pst_core.images.input_files import InputFile, InputFiles, probe
from pst_core.images.roles import has_maps, styles_of
from pst_core.network.identity import Network
from pst_core.settings.config import Config, PresetName


@dataclass(frozen=True, slots=True)
class PairOrder:
    """One pair as it was ordered.

    Attributes
    ----------
    pair : Pair
    out : Path
        Folder of the batch.
    config : Config
        All settings.
    preset : str
        What they began with.
    on_conflict : OnConflict
        What happens to a result that is there already.
    picture : str, optional
        Where the picture goes in the batch's folder, if not into the pair's own.
    look : bool
        Whether the result's look is to lie beside it.
    """

    pair: Pair
    out: Path
    config: Config
    preset: PresetName = "default"
    on_conflict: OnConflict = "changed"
    picture: str | None = None
    look: bool = False

    @property
    def name(self) -> str:
        """The pair's."""
        return self.pair.name

    @property
    def paths(self) -> dict[str, Path]:
        """Role -> file, see `pst_core.images.roles`."""
        return self.pair.paths

    @property
    def place(self) -> Place:
        """Where the result goes, if nothing is in the way."""
        return place_of(self.out, self.name, self.picture)


@dataclass(frozen=True)
class Plan:
    """An order with everything that decides its result, and the key under which its receipt is kept."""

    order: PairOrder
    files: InputFiles
    network: Network
    key: str

    @property
    def config(self) -> Config:
        """The order's settings."""
        return self.order.config


class Prober:
    """Reads each file's hash and size once a batch: a style may serve thousands of contents."""

    def __init__(self) -> None:
        self._probe = lru_cache(maxsize=4096)(lambda path, *stamp: probe(path))  # noqa: ARG005

    def __call__(self, path: Path) -> InputFile:
        """Probe a file; see `pst_core.images.input_files.probe`."""
        try:
            status = path.stat()
        except OSError:
            return probe(path)  # which says what is wrong with it
        return self._probe(path, status.st_ino, status.st_size, status.st_mtime_ns)


def plan_pair(order: PairOrder, prober: Prober) -> Plan:
    """Find out all that decides a pair's result, without importing the engine.

    Raises
    ------
    PstError
        A file cannot be read, or the shares of several styles do not fit.
    """
    from tasks.pair import pair_key

    order.config.shares_of(len(styles_of(order.paths)))
    network = Network.of(order.config, has_maps=has_maps(order.paths))
    files = InputFiles(**{role: prober(path) for role, path in order.paths.items()})
    return Plan(order, files, network, pair_key(files, order.config, network))
