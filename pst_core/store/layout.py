"""What the store's files look like, and how they are read without trusting them.

Nothing that is read here is believed before its hash was compared: every reason for which bytes cannot be had
as they were written (missing, cut, altered, another file's, unreadable) is the same `StoreMiss`.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pst_core.errors import StoreError
from pst_core.steady import read_accepted
from pst_core.store.home import not_permitted

KEY_PATTERN = re.compile(r"[0-9a-f]{64}")
MAX_ENVELOPE_BYTES = 8 * 2**20

EnvelopeKind = Literal["record", "receipt"]

Identity = tuple[int, int, int, int, int]
"""Device, inode, size and the two times of a file: what changes when its bytes may have changed."""

_HASH = r"^[0-9a-f]{64}$"
_OBJECT = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{64})\.[a-z0-9]{1,8}")
_SUFFIX = re.compile(r"[a-z0-9]{1,8}")
# The machine has run out of something: that says nothing about the file, and computing anew would not help.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# There is no file, or something else stands in its place: a link, a socket.
_NO_SUCH_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}


class StoreMiss(Exception):  # noqa: N818 - not an error: the caller computes what it did not find
    """What was asked for is not in the store as it was written. Never shown to a user."""


class DamagedFile(StoreMiss):
    """A file is there, but not as it was written: a power cut, a disk or another program has been at it."""


class UnreadableFile(StoreMiss):
    """The system refused to read a file: what is in it cannot be told, and it may be readable tomorrow."""


class Reference(BaseModel):
    """Names one immutable artifact and says how to recognise it.

    Attributes
    ----------
    kind
        What it is, such as ``regions`` or ``image``.
    path
        Where it lies, relative to the store's root: ``objects/ab/<sha256>.<suffix>``.
    sha256, size
        Of its bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(pattern=r"^[a-z_-]+$")
    path: str
    sha256: str = Field(pattern=_HASH)
    size: int = Field(ge=0, strict=True)

    @model_validator(mode="after")
    def _path_agrees(self) -> Self:
        match = _OBJECT.fullmatch(self.path)
        if match is None or match[2] != self.sha256 or match[1] != self.sha256[:2]:
            raise ValueError("the path is not that of an object with this sha256")
        return self


class Receipt(BaseModel):
    """Says what made a finished result, and where it went.

    Attributes
    ----------
    records
        Keys of the records that took part.
    outputs
        Report of each place it was published to: a JSON file with its key as ``key``. A relative name is
        taken from the current folder, once and for all.
    content
        The caller's own JSON text, which the store only keeps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: tuple[str, ...]
    outputs: tuple[str, ...]
    content: str

    @field_validator("records")
    @classmethod
    def _records_are_keys(cls, records: tuple[str, ...]) -> tuple[str, ...]:
        for key in records:
            check_key(key)
        return records

    @field_validator("outputs")
    @classmethod
    def _outputs_are_absolute(cls, outputs: tuple[str, ...]) -> tuple[str, ...]:
        # Whoever prunes stands in another folder, where a relative name would mean another place.
        return tuple(str(Path.cwd() / report) for report in outputs)


class Envelope(BaseModel):
    """A record or a receipt as it lies on the disk, without its seal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    what: EnvelopeKind
    key: str = Field(pattern=_HASH)
    sha256: str = Field(pattern=_HASH)
    references: tuple[Reference, ...]
    content: str


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def check_key(key: str) -> None:
    """Refuse what is no key: a key becomes a file's name.

    Raises
    ------
    ValueError
        It is not 64 lower-case hexadecimal digits.
    """
    if not isinstance(key, str) or KEY_PATTERN.fullmatch(key) is None:
        raise ValueError(f"{key!r} is not a key of 64 lower-case hexadecimal digits")


def object_path(sha256: str, suffix: str) -> str:
    """Return an artifact's path relative to the root; `suffix` may come with its dot or without.

    Raises
    ------
    ValueError
        The suffix is not one to eight lower-case letters and digits.
    """
    bare = suffix.removeprefix(".")
    if _SUFFIX.fullmatch(bare) is None:
        raise ValueError(f"{suffix!r} is not a suffix of one to eight lower-case letters and digits")
    return f"objects/{sha256[:2]}/{sha256}.{bare}"


def seal(what: EnvelopeKind, key: str, content: str, references: Sequence[Reference]) -> bytes:
    """Write an envelope whose last field is the hash of all the rest.

    Raises
    ------
    StoreError
        It would be larger than `MAX_ENVELOPE_BYTES`, and so never be read again.
    ValueError
        The key is none, or the content has characters that UTF-8 has no bytes for.
    """
    digest = sha256_of(content.encode())
    envelope = Envelope(what=what, key=key, sha256=digest, references=tuple(references), content=content)
    body = json.dumps(envelope.model_dump(), ensure_ascii=False, separators=(",", ":")).encode()
    sealed = _with_seal(body)
    if len(sealed) > MAX_ENVELOPE_BYTES:
        raise StoreError(
            f"the {what} of {key} has {len(sealed)} bytes, more than the {MAX_ENVELOPE_BYTES} allowed; "
            "keep the bulk of it as an object."
        )
    return sealed


def unseal(raw: bytes, what: EnvelopeKind, key: str) -> Envelope:
    """Read an envelope that was written by `seal` for the same purpose and the same key.

    Raises
    ------
    StoreMiss
        Any byte of it is not what was written, or it belongs elsewhere.
    """
    body = raw[:-_SEAL_LENGTH] + b"}"
    # Compared whole, and before anything is parsed: the seal's own bytes cannot change unnoticed either.
    if raw != _with_seal(body):
        raise DamagedFile(f"the {what} of {key} {describe_damage(raw)}")
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError as error:
        raise DamagedFile(f"the {what} of {key} is damaged") from error
    digest = sha256_of(envelope.content.encode())
    if (envelope.what, envelope.key, envelope.sha256) != (what, key, digest):
        raise DamagedFile(f"what lies in the place of the {what} of {key} is something else")
    return envelope


def envelope_path(root: Path, what: EnvelopeKind, key: str) -> Path:
    """Return where the envelope of a key lies, or would lie.

    Raises
    ------
    ValueError
        The key is none.
    """
    return Path(_envelope_place(root, what, key))


def read_envelope(root: Path, what: EnvelopeKind, key: str) -> Envelope:
    """Read the envelope of a key.

    Raises
    ------
    StoreMiss
        It is not there as it was written.
    """
    raw, _ = read_regular(_envelope_place(root, what, key), MAX_ENVELOPE_BYTES)
    return unseal(raw, what, key)


def _envelope_place(root: Path, what: EnvelopeKind, key: str) -> str:
    """Text, not a path, of which a batch would take dozens apart for every pair."""
    check_key(key)
    return f"{root}/{what}s/{key[:2]}/{key}.json"


def receipt_text(receipt: Receipt) -> str:
    """Write what a receipt's envelope has as its content."""
    return json.dumps(receipt.model_dump(), separators=(",", ":"))  # ASCII: a path need not be valid text


def receipt_in(envelope: Envelope) -> Receipt:
    """Return the receipt that an envelope holds.

    Raises
    ------
    StoreMiss
        It holds something else.
    """
    try:
        return Receipt.model_validate(json.loads(envelope.content))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"the receipt of {envelope.key} is damaged") from error


def describe_damage(found: bytes, size: int | None = None) -> str:
    """Say in which way bytes are not those that were written, as far as that can be told.

    Parameters
    ----------
    size
        How many there were, where that is known.
    """
    if not found:
        return "is empty"
    if not found.strip(b"\0"):
        return "is full of zeros"
    if size is not None and len(found) < size:
        return f"is cut short: {len(found)} of {size} bytes"
    return "is damaged"


def _with_seal(body: bytes) -> bytes:
    return body[:-1] + b',"seal":"' + sha256_of(body).encode() + b'"}\n'


_SEAL_LENGTH = len(_with_seal(b"}"))


def read_regular(path: str | os.PathLike[str], limit: int) -> tuple[bytes, Identity]:
    """Read a whole regular file, never through a link at its end, and say which file that was before.

    Raises
    ------
    StoreMiss
        It is missing, no regular file, longer than `limit`, changing its size, or not readable.
    StoreError
        A folder of the store must not be entered, or the machine has run out of open files or memory.
    """
    try:
        # O_NONBLOCK: a pipe somebody left there must not make us wait for a writer.
        data, before = read_accepted(
            path, lambda found: _check_regular(path, found, limit), os.O_NOFOLLOW | os.O_NONBLOCK
        )
    except OSError as error:
        _raise_if_not_the_files_fault(path, error)
        kind = StoreMiss if error.errno in _NO_SUCH_FILE else UnreadableFile
        raise kind(f"{path} cannot be read: {error.strerror}") from error
    if len(data) != before.st_size:
        raise StoreMiss(f"{path} changed while it was read")
    # As it was before reading: whatever is done to the file from then on makes it look different. That alone
    # is no reason for a miss: replacing a file changes the times of the one that may still be read here.
    return data, identity(before)


def identity(status: os.stat_result) -> Identity:
    """Return what identifies a file's bytes as long as nobody writes to it."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _check_regular(path: str | os.PathLike[str], status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        raise DamagedFile(f"{path} is no file of at most {limit} bytes")


def _raise_if_not_the_files_fault(path: str | os.PathLike[str], error: OSError) -> None:
    if error.errno in _EXHAUSTED:
        raise StoreError(f"{path} could not be read: {error.strerror}; close other programs.") from error
    if not isinstance(error, PermissionError):
        return
    try:
        os.lstat(path)
    except PermissionError:
        raise not_permitted(Path(path)) from error
    except OSError:
        return
