"""What is to be done for a pair, known before any of it is done: its files, settings, network and key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pst_core.images.input_files import InputFile, InputFiles, probe
from pst_core.network.identity import Network
from pst_core.settings.config import Config, PresetName

__all__ = ["OnConflict", "PairOrder", "Plan", "Prober", "plan_pair"]

OnConflict = Literal["changed", "skip", "overwrite", "unique", "fail"]


@dataclass(frozen=True)
class PairOrder:
    """One pair as it was ordered.

    Attributes
    ----------
    name : str
        Identifies the pair, and is its folder under `out`.
    paths : mapping
        Role (``content``, ``style``, ``content_map``, ``style_map``) -> file.
    out : Path
        Folder of the batch.
    preset : str
    settings : mapping
        What replaces the preset's.
    on_conflict : OnConflict
        What happens to a result that is there already.
    """

    name: str
    paths: Mapping[str, Path]
    out: Path
    preset: PresetName
    settings: Mapping[str, Any]
    on_conflict: OnConflict = "changed"

    @property
    def folder(self) -> Path:
        """Where the result goes, if nothing is in the way."""
        return self.out / self.name


@dataclass(frozen=True)
class Plan:
    """An order with everything that decides its result."""

    order: PairOrder
    files: InputFiles
    config: Config
    network: Network
    key: str


class Prober:
    """Reads each file's hash and size once a batch: a style may serve thousands of contents."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int, int], InputFile] = {}

    def __call__(self, path: Path) -> InputFile:
        """Probe a file; see `pst_core.images.input_files.probe`."""
        try:
            status = path.stat()
        except OSError:
            return probe(path)  # which says what is wrong with it
        stamp = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[stamp] = probe(path)
        return self._known[stamp]


def plan_pair(order: PairOrder, prober: Prober | None = None) -> Plan:
    """Find out all that decides a pair's result, without importing the engine.

    Raises
    ------
    PstError
        A file cannot be read, or a setting is wrong.
    """
    from tasks.pair import pair_key

    config = Config.make(order.preset, **order.settings)
    network = Network.of(config)
    read = prober or Prober()
    files = InputFiles(**{role: read(path) for role, path in order.paths.items()})
    return Plan(order, files, config, network, pair_key(files, config, network))
