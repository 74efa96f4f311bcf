"""A content-addressed store of intermediate results that never hands out a byte that was not put in.

Three kinds of files lie under its root. *Objects* are immutable and named by the hash of their bytes.
*Records* say, under the key of a step, which objects the step made. *Receipts* say, under the key of a pair,
which records and objects made the finished result and where it was published. Objects are written before
what names them, and removed after it, so that a process may be killed at any moment: what is found later is
either complete or a miss, and a miss is computed again.

A power cut may take objects and records that were written in the `SYNC_SECONDS` before it, or leave them
empty, cut short or full of zeros: each is verified whenever it is read, so that it is a miss like any other.
Forcing every one of them to the disk would cost more than it saves. A receipt says that a result is finished:
before it is written all that it counts on is forced to the disk, and then the receipt itself.
"""

import contextlib
import fcntl
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pst_core.errors import OutputError, StoreError
from pst_core.files import COARSEST_CLOCK_NS, sync_file_system, write_bytes_atomically
from pst_core.store.home import not_permitted, pst_home
from pst_core.store.layout import (
    MAX_ENVELOPE_BYTES,
    DamagedFile,
    Identity,
    Receipt,
    Reference,
    StoreMiss,
    UnreadableFile,
    check_key,
    describe_damage,
    envelope_path,
    identity,
    object_path,
    read_envelope,
    read_regular,
    receipt_in,
    receipt_text,
    seal,
    sha256_of,
    unseal,
)
from pst_core.store.locks import flock_file, unlock_file

SYNC_SECONDS = 30.0
"""At most so much finished work of a process may a power cut take."""
_VERSION = 1
# Verifications: of hundreds of pairs' artifacts. A batch may have very many pairs, and each of them is looked
# at by itself.
_MOST_REMEMBERED = 2**13

_open_stores: dict[Path, "Store"] = {}
_known: dict[tuple[str, int, int], "Store"] = {}
"""By a folder's name as it was asked for, and what tells it from another: a batch asks dozens of times a
pair, and to follow every link on the way takes longer than to look at the folder."""
_opening = threading.Lock()


def open_store(root: Path | None = None) -> "Store":
    """Return the store at `root`; the same object for the same folder throughout the process.

    Parameters
    ----------
    root
        Default: the folder ``store`` in `pst_home`. It need not exist, and is created with the first write.

    Raises
    ------
    StoreError
        The store was made by a newer program, or its version cannot be told.
    """
    asked = os.fspath(pst_home() / "store" if root is None else root)
    found = _folder_now(asked)
    store = None if found is None else _known.get((asked, *found))
    if store is None:
        place = Path(os.path.realpath(asked))
        with _opening:
            store = _open_stores.setdefault(place, Store(place))
        if found is not None and os.path.isabs(asked):  # noqa: PTH117 - a string from end to end
            _known[asked, *found] = store
    store.check_version()
    return store


class Store:
    """Objects, records and receipts under one folder; get one with `open_store`.

    Threads and processes may use the same folder at once. Whatever is asked for and cannot be had exactly as
    it was written raises `StoreMiss`; whatever cannot be written raises `OutputError`.

    Attributes
    ----------
    root
        The store's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, Identity] = {}
        self._version_file: Identity | None = None  # as it was when it said a version that is known
        self._synced = time.monotonic()

    def put(self, data: bytes, kind: str, suffix: str) -> Reference:
        """Keep an artifact; a power cut may take it until a receipt counts on it.

        Nothing is written if it is there already and its bytes are right; if they are wrong it is replaced.

        Parameters
        ----------
        data
            Its bytes.
        kind
            What it is, such as ``regions``: lower-case letters, ``_`` and ``-``.
        suffix
            What its file's name ends with, such as ``parquet``.
        """
        digest = sha256_of(data)
        reference = Reference(kind=kind, path=object_path(digest, suffix), sha256=digest, size=len(data))
        if not self.holds(reference):
            self._write(self.path_of(reference), data, durable=False)
        return reference

    def read(self, reference: Reference) -> bytes:
        """Return an artifact's bytes, verified.

        Raises
        ------
        StoreMiss
            It is not there with these bytes.
        """
        data, found = read_regular(self._place_of(reference), reference.size)
        if len(data) != reference.size or sha256_of(data) != reference.sha256:
            raise DamagedFile(f"{reference.path} {describe_damage(data, reference.size)}")
        if _is_settled(found):
            self._verified[reference.path] = found
            if len(self._verified) > _MOST_REMEMBERED:
                del self._verified[next(iter(self._verified))]
        return data

    def holds(self, reference: Reference) -> bool:
        """Tell whether an artifact is there with the right bytes, reading it only if it may have changed."""
        try:
            self._check(reference)
        except StoreMiss:
            return False
        return True

    def path_of(self, reference: Reference) -> Path:
        """Return where an artifact lies, or would lie."""
        return Path(self._place_of(reference))

    def write_record(self, key: str, content: bytes, references: Sequence[Reference]) -> bytes | None:
        """Keep what a step made, unless a record that is as it was written is there already: that one stays.

        Locks that do not reach everybody, or none at all, change nothing about it. Every
        `SYNC_SECONDS` what was written so far is forced to the disk: a power cut takes no more than that.

        Parameters
        ----------
        key
            The step's cache key, 64 hexadecimal digits.
        content
            A small text in UTF-8, such as JSON.
        references
            The artifacts without which the record is worth nothing. Put them first.

        Returns
        -------
        bytes or None
            The content of the record that stays, be it the same or another; None if this one was kept.
        """
        path = envelope_path(self.root, "record", key)
        data = seal("record", key, content.decode(), references)
        while not self._creates(path, data):
            try:
                stays = self.read_record(key)
            except StoreMiss:
                self._take_damaged_record_away(key)
                continue
            return stays
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self._sync()
        return None

    def read_record(self, key: str) -> bytes:
        """Return a record's content, all of whose artifacts are there.

        Raises
        ------
        StoreMiss
            It is not there as it was written, or one of its artifacts is not.
        """
        envelope = read_envelope(self.root, "record", key)
        self._require(envelope.references)
        return envelope.content.encode()

    def write_receipt(self, key: str, receipt: Receipt) -> None:
        """Keep what a finished result was made of, in place of what was kept under this key before.

        Places to which it was published before remain in it: several may publish one result at once.
        """
        path = envelope_path(self.root, "receipt", key)
        with self._locked(f"receipt-{key[:2]}", fcntl.LOCK_EX):
            with contextlib.suppress(StoreMiss):
                before = receipt_in(read_envelope(self.root, "receipt", key))
                outputs = tuple(dict.fromkeys((*before.outputs, *receipt.outputs)))
                receipt = receipt.model_copy(update={"outputs": outputs})
            # First what it counts on, whoever wrote it: it may have been found here, and be a moment old.
            self._sync()
            self._write(path, seal("receipt", key, receipt_text(receipt), ()), durable=True)

    def read_receipt(self, key: str) -> Receipt:
        """Return a receipt, all of whose records and their artifacts are there.

        Raises
        ------
        StoreMiss
            It, one of its records, or an artifact that they name is not there as it was written.
        """
        receipt = receipt_in(read_envelope(self.root, "receipt", key))
        for record in receipt.records:
            self.read_record(record)
        return receipt

    def acquire(self, key: str) -> int:
        """Wait for a key's lock and return the file descriptor that holds it, for `release`.

        Hold it while the key's record is looked for and made. All keys share 4096 locks: never hold two at
        once, they may be the same one and wait for ever.

        Raises
        ------
        StoreError
            The lock's file cannot be created or locked.
        """
        check_key(key)
        self._prepare()
        return flock_file(self.root / "locks" / key[:3], fcntl.LOCK_EX)

    def release(self, descriptor: int) -> None:
        """Give back a lock that `acquire` returned."""
        unlock_file(descriptor)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `prune` away while a batch runs. Any number of batches may run at once."""
        self._prepare()
        descriptor = flock_file(self.root / "in-use.lock", fcntl.LOCK_SH)
        try:
            yield
        finally:
            unlock_file(descriptor)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep batches away while the store is pruned.

        Raises
        ------
        StoreError
            A batch is running.
        """
        try:
            descriptor = flock_file(self.root / "in-use.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{self.root} is in use by a running batch: prune when it has ended.") from error
        try:
            yield
        finally:
            unlock_file(descriptor)

    def check_version(self) -> bool:
        """Tell whether the store has been created yet.

        Raises
        ------
        StoreError
            It was made by a newer program, or its version cannot be told.
        """
        path = self.root / "version"
        try:
            if identity(path.lstat()) == self._version_file:
                return True
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            pass  # reading it will tell
        found: Identity | None = None
        try:
            text, found = read_regular(path, 64)
        except UnreadableFile as error:
            raise StoreError(f"{error}: check the disk, or set PST_HOME to another folder.") from error
        except StoreMiss:
            text = b""
        if re.fullmatch(rb"[1-9][0-9]{0,8}\n?", text) is None:
            raise StoreError(
                f"{path} does not say which version the store has: move the store away, or set PST_HOME to "
                "another folder."
            )
        if int(text) > _VERSION:
            raise StoreError(
                f"{self.root} was made by a newer version of this program: install the newer one, or set "
                "PST_HOME to another folder."
            )
        self._version_file = found if found is not None and _is_settled(found) else None
        return True

    def _prepare(self) -> None:
        if not self.check_version():
            _write_file(self.root / "version", f"{_VERSION}\n".encode(), overwrite=True, durable=True)

    @contextlib.contextmanager
    def _locked(self, name: str, operation: int) -> Iterator[None]:
        """Hold one of the locks that no other is waited for under."""
        self._prepare()
        descriptor = flock_file(self.root / "locks" / name, operation)
        try:
            yield
        finally:
            unlock_file(descriptor)

    def _sync(self) -> None:
        """Force all that was written so far to the disk: one call, where each file would need its own."""
        self._prepare()
        began = time.monotonic()
        sync_file_system(self.root)
        self._synced = began

    def _write(self, path: Path, data: bytes, *, durable: bool, overwrite: bool = True) -> None:
        self._prepare()
        if os.path.isdir(path):  # noqa: PTH112 - also a link to a folder, which a file cannot replace either
            _clear_the_way(path)
        _write_file(path, data, overwrite=overwrite, durable=durable)

    def _creates(self, path: Path, data: bytes) -> bool:
        """Write a file unless something has its name already; tell whether it was written."""
        try:
            self._write(path, data, overwrite=False, durable=False)
        except OutputError:
            if os.path.lexists(path):
                return False
            raise
        return True

    def _take_damaged_record_away(self, key: str) -> None:
        """Remove a record that is worth nothing, but not one that has come into its place meanwhile."""
        path = envelope_path(self.root, "record", key)
        aside = path.with_name(f".pst-{secrets.token_hex(8)}.tmp")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return
        except PermissionError as error:
            raise not_permitted(path.parent) from error
        except OSError as error:
            raise StoreError(
                f"{path} is damaged and cannot be replaced ({error.strerror}): check the disk."
            ) from error
        try:
            raw, _ = read_regular(aside, MAX_ENVELOPE_BYTES)
            self._require(unseal(raw, "record", key).references)
            self._creates(path, raw)
        except StoreMiss:
            pass
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()

    def _place_of(self, reference: Reference) -> str:
        """Text, not a path, of which a batch would take dozens apart for every pair."""
        return f"{self.root}/{reference.path}"

    def _require(self, references: Sequence[Reference]) -> None:
        for reference in references:
            self._check(reference)

    def _check(self, reference: Reference) -> None:
        """Raise `StoreMiss` for what `holds` does not find."""
        known = self._verified.get(reference.path)
        if known is None or known != _identity_now(self._place_of(reference)):
            self.read(reference)
        elif known[2] != reference.size:
            raise DamagedFile(f"{reference.path} has {known[2]} bytes in place of {reference.size}")


def _write_file(path: Path, data: bytes, *, overwrite: bool, durable: bool) -> None:
    try:
        write_bytes_atomically(path, data, overwrite=overwrite, durable=durable)
    except OutputError as error:
        if isinstance(error.__cause__, PermissionError):
            raise not_permitted(path.parent) from error.__cause__
        raise


def _is_settled(found: Identity) -> bool:
    """Whether a file has been as it is for so long that a change of it will show."""
    return abs(time.time_ns() - found[-1]) > COARSEST_CLOCK_NS


def _folder_now(place: str) -> tuple[int, int] | None:
    """Device and inode of a folder, wherever links lead; None where there is none."""
    try:
        found = os.stat(place)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _identity_now(place: str) -> Identity | None:
    try:
        return identity(os.lstat(place))
    except OSError:
        return None


def _clear_the_way(path: Path) -> None:
    """Remove a link or an empty folder that stands where a file belongs."""
    try:
        if path.is_symlink():
            path.unlink()
        else:
            path.rmdir()
    except FileNotFoundError:
        return  # another process was quicker
    except OSError as error:
        raise StoreError(f"{path} is a folder in the place of a file of the store: move it away.") from error
