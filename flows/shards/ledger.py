"""What a batch handed out, as files that its workers see, too: a folder a shard, a file a pair's end.

```text
PST_HOME/handed/BATCH/RUN/    BATCH stands for the results' folder, RUN for one start of the batch
  lock                        held by the kernel as long as that run is at work
  deaths.json                 how often a pair's process died while the pair was at work
  SHARD/pairs.json            what is to be done
  SHARD/run                   id of the flow run that it was handed to
  SHARD/begun-N               the N-th pair is at work, or was taken back: whoever makes the file has the pair
  SHARD/ended-N.json          how the N-th pair ended
  SHARD/given-back            why a worker did not do it to its end
```

Every file is written whole or not at all, and once; whoever reads one needs no lock. How pairs ended and died
is forced to the disk; what is only handed out is not, as a power cut ends whoever handed it out.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError

from flows.orders.planning import PairOrder
from flows.results.outcomes import PairOutcome
from pst_core.errors import OutputError, PstError
from pst_core.files import write_bytes_atomically
from pst_core.network.identity import Network
from pst_core.steady import read_steadily
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file

_NAME = re.compile(r"[0-9a-f]{16}/[0-9a-f]{32}/[0-9]{6}")
_BEGUN, _ENDED = re.compile(r"begun-([0-9]+)"), re.compile(r"ended-([0-9]+)\.json")
_PAIRS, _RUN, _GIVEN_BACK, _LOCK, _DEATHS = "pairs.json", "run", "given-back", "lock", "deaths.json"


class LedgerError(PstError):
    """A shard's list of pairs is not there as it was written."""


@dataclass(frozen=True)
class ShardPair:
    """A pair as it is handed out.

    Attributes
    ----------
    order : PairOrder
    network : Network
        What the batch's machine found that it needs.
    """

    order: PairOrder
    network: Network


@dataclass(frozen=True)
class ShardContents:
    """What a shard's worker has to know.

    Attributes
    ----------
    code : str
        Fingerprint of the batch's code.
    pairs : tuple of ShardPair
    """

    code: str
    pairs: tuple[ShardPair, ...]


_contents = TypeAdapter(ShardContents)


class ShardFolder:
    """The files of one shard.

    Parameters
    ----------
    name
        ``BATCH/RUN/SHARD``, below the folder of all ledgers.

    Raises
    ------
    LedgerError
        It is no such name.
    """

    def __init__(self, name: str) -> None:
        if _NAME.fullmatch(name) is None:
            raise LedgerError(f"{name!r} is no shard's name: shards are handed out by pst run, not by hand.")
        self.name, self.path = name, _root() / name

    def write(self, contents: ShardContents) -> None:
        """Write what is to be done."""
        text = json.dumps(_contents.dump_python(contents), default=_path_as_text)
        write_bytes_atomically(self.path / _PAIRS, text.encode(), overwrite=True, durable=False)

    def read(self) -> ShardContents:
        """What is to be done.

        Raises
        ------
        LedgerError
            It cannot be read: the shard was called back, or it lies in another ``PST_HOME``.
        """
        try:
            return _contents.validate_python(json.loads(read_steadily(self.path / _PAIRS)))
        except (OSError, ValueError, ValidationError) as error:
            raise LedgerError(
                f"{self.path / _PAIRS} is not there as it was written: this worker has another PST_HOME than "
                "the batch, or the shard was called back."
            ) from error

    def note_run(self, run: UUID) -> None:
        """Keep whom it was handed to."""
        write_bytes_atomically(self.path / _RUN, str(run).encode(), overwrite=True, durable=False)

    @property
    def run(self) -> UUID | None:
        """Whom it was handed to; None if that was not noted."""
        try:
            return UUID((self.path / _RUN).read_text())
        except (OSError, ValueError):
            return None

    def begin(self, index: int) -> bool:
        """Note that a pair is at work; False if it was taken back."""
        return self._claim(index, b"")

    def take_back(self, index: int) -> bool:
        """Take a pair from the shard; False if it is at work already."""
        return self._claim(index, b"taken back")

    def _claim(self, index: int, text: bytes) -> bool:
        place = self.path / f"begun-{index}"
        try:
            write_bytes_atomically(place, text, durable=False)
        except OutputError:
            if place.exists():
                return False
            raise
        return True

    def end(self, index: int, outcome: PairOutcome) -> None:
        """Keep how a pair ended."""
        write_bytes_atomically(self.path / f"ended-{index}.json", outcome.text.encode(), overwrite=True)

    def give_back(self, sentence: str) -> None:
        """Keep why it was not done to its end."""
        write_bytes_atomically(self.path / _GIVEN_BACK, sentence.encode(errors="replace"), overwrite=True)

    def look(self) -> "ShardNews":
        """What can be seen of it now."""
        names = [file.name for file in self.path.iterdir()] if self.path.is_dir() else []
        given_back = (self.path / _GIVEN_BACK).read_text("utf-8", "replace") if _GIVEN_BACK in names else ""
        return ShardNews(
            begun=frozenset(int(found[1]) for name in names if (found := _BEGUN.fullmatch(name))),
            ended=frozenset(int(found[1]) for name in names if (found := _ENDED.fullmatch(name))),
            given_back=given_back,
        )

    def outcome(self, index: int) -> PairOutcome | None:
        """How a pair ended; None if that cannot be read, as if it had not."""
        with contextlib.suppress(OSError, ValueError):
            return PairOutcome.of_text(read_steadily(self.path / f"ended-{index}.json"))
        return None


@dataclass(frozen=True)
class ShardNews:
    """What can be seen of a shard: pairs that were begun or taken back, that ended, why it was given back."""

    begun: frozenset[int]
    ended: frozenset[int]
    given_back: str

    @property
    def at_work(self) -> frozenset[int]:
        """Pairs that were begun, or taken back, and have not ended."""
        return self.begun - self.ended


class Ledger:
    """What one run of a batch handed out; get one with `keeping_ledger`."""

    def __init__(self, path: Path, deaths: Mapping[str, int]) -> None:
        self.path = path
        self.deaths = dict(deaths)
        self._number = 0

    def new_shard(self, contents: ShardContents) -> ShardFolder:
        """A folder for one more shard."""
        self._number += 1
        name = self.path.relative_to(_root()).as_posix()
        shard = ShardFolder(f"{name}/{self._number:06}")
        shard.write(contents)
        return shard

    def count_death(self, pair: str) -> int:
        """How often a pair's process has died by now, this time included."""
        self.deaths[pair] = self.deaths.get(pair, 0) + 1
        write_bytes_atomically(self.path / _DEATHS, json.dumps(self.deaths).encode(), overwrite=True)
        return self.deaths[pair]


@contextlib.contextmanager
def keeping_ledger(out: Path, deaths: Mapping[str, int]) -> Iterator[Ledger]:
    """Keep what a batch hands out while the block runs; afterwards nobody needs it.

    Parameters
    ----------
    out
        The batch's folder of results.
    deaths
        How often a pair's process died already, under runs of the batch that died themselves.
    """
    ledger = Ledger(_batch_folder(out) / uuid4().hex, deaths)
    lock = flock_file(ledger.path / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield ledger
        shutil.rmtree(ledger.path, ignore_errors=True)  # after a fault the next run looks at it
    finally:
        unlock_file(lock)


@contextlib.contextmanager
def dead_ledgers(out: Path) -> Iterator[Sequence["DeadLedger"]]:
    """What earlier runs of a batch left when they died; it is forgotten if the block ends well."""
    found: list[tuple[int, DeadLedger]] = []
    try:
        for path in sorted(_batch_folder(out).glob("*")):
            with contextlib.suppress(BlockingIOError):  # another run of the batch is at work
                found.append((flock_file(path / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB), DeadLedger(path)))
        yield [ledger for _, ledger in found]
        for _, ledger in found:
            shutil.rmtree(ledger.path, ignore_errors=True)
    finally:
        for lock, _ in found:
            unlock_file(lock)


@dataclass(frozen=True)
class DeadLedger:
    """What a run of a batch left that is gone."""

    path: Path

    @property
    def deaths(self) -> Mapping[str, int]:
        """How often each pair's process died under it."""
        with contextlib.suppress(OSError, ValueError):
            read = json.loads((self.path / _DEATHS).read_bytes())
            return {str(name): int(count) for name, count in read.items()}
        return {}

    @property
    def shards(self) -> Sequence[ShardFolder]:
        """What it handed out."""
        names = (f"{self.path.relative_to(_root()).as_posix()}/{each.name}" for each in self.path.glob("*"))
        return [ShardFolder(name) for name in names if _NAME.fullmatch(name)]


def _root() -> Path:
    return pst_home() / "handed"


def _batch_folder(out: Path) -> Path:
    return _root() / hashlib.sha256(os.fsencode(os.path.realpath(out))).hexdigest()[:16]


def _path_as_text(value: Any) -> str:  # noqa: ANN401 - whatever JSON does not know
    if isinstance(value, Path):
        return str(value.absolute())
    raise TypeError(f"{type(value).__name__} is not to be written")
