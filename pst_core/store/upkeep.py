"""Looking after a store: how large it is, whether it is sound, and removing what nothing needs any more."""

import json
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pst_core.errors import StoreError
from pst_core.steady import read_steadily
from pst_core.store import Store
from pst_core.store.home import not_permitted
from pst_core.store.layout import (
    Envelope,
    EnvelopeKind,
    StoreMiss,
    UnreadableFile,
    envelope_path,
    read_envelope,
    read_regular,
    receipt_in,
    sha256_of,
)

_SHARD = re.compile(r"[0-9a-f]{2}")
_OBJECT_NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}")
_ENVELOPE_NAME = re.compile(r"([0-9a-f]{64})\.json")
_TEMPORARY = re.compile(r"\.pst-.*\.tmp", re.DOTALL)
_MAX_REPORT_BYTES = 2**28
_Kind = Literal["objects", "records", "receipts"]
_KINDS: tuple[_Kind, ...] = ("receipts", "records", "objects")  # what names others before what it names
_ENVELOPES: dict[_Kind, EnvelopeKind] = {"receipts": "receipt", "records": "record"}


class Usage(BaseModel):
    """How many files a store has and how many bytes they take.

    Attributes
    ----------
    kept_bytes
        Bytes of everything that results need which are still where they were published.
    other_bytes
        All other bytes, `temporary_bytes` among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    objects: int
    object_bytes: int
    records: int
    record_bytes: int
    receipts: int
    receipt_bytes: int
    temporary: int
    temporary_bytes: int
    kept_bytes: int
    other_bytes: int


class Damage(BaseModel):
    """Something that `verify` found.

    Attributes
    ----------
    path
        Relative to the store's root.
    problem
        ``damaged`` (its bytes are not those written), ``missing`` (a record or receipt names it),
        ``leftover`` (a temporary file whose writer may have been killed) or ``foreign`` (the store writes no
        such file).
    needed_by
        What names a missing file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    problem: Literal["damaged", "missing", "leftover", "foreign"]
    needed_by: str = ""


class Pruned(BaseModel):
    """What `prune` removed, or would remove.

    Attributes
    ----------
    receipts, records, objects, temporary
        How many files of each kind.
    bytes_freed
        Their size.
    failures
        How many more files should have gone but could not be removed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    receipts: int = 0
    records: int = 0
    objects: int = 0
    temporary: int = 0
    bytes_freed: int = 0
    failures: int = 0


@dataclass(frozen=True)
class _File:
    path: Path
    status: os.stat_result


@dataclass
class _Sweep:
    """Removes files that are old enough, and counts them."""

    before: float
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    def removes(self, file: _File, kind: str) -> bool:
        if file.status.st_mtime > self.before:
            return False
        if not self.dry_run:
            try:
                file.path.unlink()
            except FileNotFoundError:
                return True
            except OSError:
                self.counts["failures"] += 1
                return False
        self.counts[kind] += 1
        self.counts["bytes_freed"] += file.status.st_size
        return True


def usage(store: Store) -> Usage:
    """Count a store's files and bytes, and how many of the bytes published results need.

    Raises
    ------
    StoreError
        A folder of the store cannot be read.
    """
    needed: set[str] = set()
    kept, counts = 0, dict[str, int]()
    for kind in _KINDS:
        files = list(_files(store.root, kind))
        for file in files:
            stays, named = _judged(store.root, kind, file, needed)
            if stays:
                kept += file.status.st_size
                needed |= named
        counts |= {kind: len(files), f"{kind[:-1]}_bytes": sum(file.status.st_size for file in files)}
    sizes = [file.status.st_size for file in _temporaries(store.root)]
    counts |= {"temporary": len(sizes), "temporary_bytes": sum(sizes)}
    total = sum(count for name, count in counts.items() if name.endswith("_bytes"))
    return Usage(**counts, kept_bytes=kept, other_bytes=total - kept)


def _judged(
    root: Path, kind: _Kind, file: _File, needed: set[str], *, must_read: bool = False
) -> tuple[bool, set[str]]:
    """Whether a standing result needs a file, and which files (relative to the root) the file needs in turn.

    Parameters
    ----------
    needed
        What the files judged before need.
    must_read
        Raise `StoreError` rather than guess what a file needs that cannot be read just now.
    """
    if kind == "objects":
        return _relative(root, file.path) in needed, set()
    envelope = _envelope(root, kind, file, must_read=must_read)
    if envelope is None:
        return False, set()
    if kind == "records":
        named = {reference.path for reference in envelope.references}
        return _relative(root, file.path) in needed, named
    receipt = receipt_in(envelope)
    named = {_relative(root, envelope_path(root, "record", key)) for key in receipt.records}
    return any(_has_key(Path(report), envelope.key) for report in receipt.outputs), named


def verify(store: Store, subset: tuple[int, int] = (1, 1)) -> tuple[Damage, ...]:
    """Read a store from end to end and report what is wrong with it; nothing is changed.

    Parameters
    ----------
    store
        The store, which may be in use meanwhile.
    subset
        ``(n, t)`` reads the n-th of t parts only. The parts together are the whole.

    Raises
    ------
    StoreError
        There is no such part, or a folder of the store cannot be read.
    """
    part, parts = subset
    if not 1 <= part <= parts:
        raise StoreError(f"there is no part {part} of {parts}: ask for one from 1 to the number of parts.")
    found: list[Damage] = []
    for kind in _KINDS:
        for file in _all_in(store.root, kind):
            if int(sha256_of(file.path.name.encode("utf-8", "surrogateescape"))[:8], 16) % parts == part - 1:
                found.extend(_damage(store.root, kind, file))
    if part == 1:
        strays = (file for file in _children(store.root) if _TEMPORARY.fullmatch(file.path.name))
        found.extend(Damage(path=_relative(store.root, file.path), problem="leftover") for file in strays)
    return tuple(found)


def prune(store: Store, *, grace_seconds: float = 86400.0, dry_run: bool = False) -> Pruned:
    """Remove what no published result needs: receipts first, then records, objects and temporary files.

    A receipt stays while one of the reports that it names has its key, a record while a receipt that stays
    names it, an object while a record that stays names it.

    Parameters
    ----------
    store
        The store; no batch may be running.
    grace_seconds
        Whatever was written less than this ago stays, by the clock of the store's file system.
    dry_run
        Only tell what would go.

    Raises
    ------
    StoreError
        A batch is running, a folder, record or receipt cannot be read (a damaged one can), or the grace
        period is none.
    """
    if not grace_seconds >= 0:  # so that "not a number" is refused, too
        raise StoreError(f"{grace_seconds} is no period of grace: use a number of seconds from 0 on.")
    if not store.check_version():
        return Pruned()
    with store.exclusively():
        sweep = _Sweep(_time_there(store.root) - grace_seconds, dry_run)
        _sweep_all(store.root, sweep)
    return Pruned(**sweep.counts)


def _time_there(root: Path) -> float:
    """The time by the clock that files' times are of: a file server's, where this machine's may differ."""
    lock = root / "in-use.lock"
    try:
        os.utime(lock)
        return lock.stat().st_mtime
    except OSError:  # another user's, not shared
        return time.time()


def _sweep_all(root: Path, sweep: _Sweep) -> None:
    """Remove in such an order that at no moment something is named that is gone."""
    needed: set[str] = set()
    for kind in _KINDS:
        for file in _files(root, kind):
            stays, named = _judged(root, kind, file, needed, must_read=True)
            if stays or not sweep.removes(file, kind):
                needed |= named
    for file in _temporaries(root):
        sweep.removes(file, "temporary")


def _has_key(path: Path, key: str) -> bool:
    """Whether a published result is still where the receipt of this key says."""
    try:
        if not path.is_file():
            return False
        if path.stat().st_size > _MAX_REPORT_BYTES:
            return True  # too large to look into, and not ours to doubt
        report = json.loads(read_steadily(path))
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a disk that does not answer just now may still have it
    except (ValueError, RecursionError):
        return False
    return isinstance(report, dict) and report.get("key") == key


def _damage(root: Path, kind: _Kind, file: _File) -> Iterator[Damage]:
    """Judge one file."""
    path = _relative(root, file.path)
    if _TEMPORARY.fullmatch(file.path.name):
        yield Damage(path=path, problem="leftover")
    elif not _is_ours(kind, file.path):
        yield Damage(path=path, problem="foreign")
    elif kind == "objects":
        if not _is_whole(file.path):
            yield Damage(path=path, problem="damaged")
    else:
        yield from _envelope_damage(root, kind, file)


def _is_whole(path: Path) -> bool:
    try:
        return sha256_of(read_regular(path, _size(path))[0]) == path.name.partition(".")[0]
    except StoreMiss:
        return not os.path.lexists(path)  # removed meanwhile, which is no damage


def _envelope_damage(root: Path, kind: _Kind, file: _File) -> Iterator[Damage]:
    path, envelope = _relative(root, file.path), _envelope(root, kind, file)
    if envelope is None:
        if os.path.lexists(file.path):
            yield Damage(path=path, problem="damaged")
        return
    if kind == "receipts":
        records = {envelope_path(root, "record", key) for key in receipt_in(envelope).records}
        missing = sorted(name for name in records if not os.path.lexists(name))
    else:
        objects = {root / reference.path: reference.size for reference in envelope.references}
        missing = [name for name, size in objects.items() if _size(name) != size]
    # Pruning removes what names a file before the file: only if the name still stands is the file missed.
    if missing and os.path.lexists(file.path):
        for name in missing:
            yield Damage(path=_relative(root, name), problem="missing", needed_by=path)


def _all_in(root: Path, kind: _Kind) -> Iterator[_File]:
    """List what lies in the folders of a kind, whatever it is."""
    for entry in _children(root / kind):
        if _SHARD.fullmatch(entry.path.name) and stat.S_ISDIR(entry.status.st_mode):
            yield from _children(entry.path)
        else:
            yield entry


def _files(root: Path, kind: _Kind) -> Iterator[_File]:
    """List the files of a kind: those with such a name, in the folder where it belongs."""
    return (file for file in _all_in(root, kind) if _is_ours(kind, file.path))


def _temporaries(root: Path) -> Iterator[_File]:
    """List temporary files, whose writers may still be at work or may have been killed."""
    for listed in (_children(root), *(_all_in(root, kind) for kind in _KINDS)):
        for file in listed:
            if _TEMPORARY.fullmatch(file.path.name) and stat.S_ISREG(file.status.st_mode):
                yield file


def _children(folder: Path) -> list[_File]:
    """List a folder; raises `StoreError` rather than take one that cannot be read for an empty one."""
    found = []
    try:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            try:
                found.append(_File(folder / name, (folder / name).lstat()))
            except FileNotFoundError:
                continue  # removed meanwhile
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise not_permitted(folder) from error
    except OSError as error:
        raise StoreError(
            f"{folder} is part of an unreadable store ({error.strerror}): check the disk, or set PST_HOME to "
            "another folder."
        ) from error
    return found


def _is_ours(kind: _Kind, path: Path) -> bool:
    pattern = _OBJECT_NAME if kind == "objects" else _ENVELOPE_NAME
    return (
        pattern.fullmatch(path.name) is not None
        and path.parent.name == path.name[:2]
        and path.parent.parent.name == kind
    )


def _envelope(root: Path, kind: _Kind, file: _File, *, must_read: bool = False) -> Envelope | None:
    """Read a record or receipt; None if it is damaged."""
    try:
        envelope = read_envelope(root, _ENVELOPES[kind], file.path.stem)
        if kind == "receipts":
            receipt_in(envelope)
        return envelope
    except UnreadableFile as error:
        if must_read:
            raise StoreError(
                f"{error}, so that what it needs cannot be told: check the disk or delete that file, then "
                "prune again."
            ) from error
    except StoreMiss:
        pass
    return None


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _size(path: Path) -> int:
    """Return a file's size; -1 if there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return -1
