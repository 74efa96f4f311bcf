"""Where Prefect keeps what tasks returned, and the locks it holds meanwhile: both are the store's.

Prefect's own files are written in place and its file locks outlive a killed process. Here a result is sealed,
bound to its key, and valid only as long as every artifact that it names is in the store as it was written;
anything else reads as a miss, and the task runs again. Locks are the kernel's, so a killed holder frees them.
"""

import json
import socket
from collections.abc import Iterator
from threading import Lock
from typing import Any

from prefect.context import FlowRunContext, TaskRunContext
from prefect.filesystems import LocalFileSystem
from prefect.logging import get_logger, get_run_logger
from prefect.serializers import JSONSerializer
from pydantic import ValidationError

from pst_core.store import DamagedFile, Reference, open_store
from pst_core.store.layout import KEY_PATTERN

_MADE_ON = "made_on"  # beside what Prefect writes, which passes over it


class StoreRecords(LocalFileSystem):
    """Prefect's result storage over the store's records; a path is a task's cache key."""

    _block_type_name = "PST store"
    _block_type_slug = "pst-store"

    def read_path(self, path: str, **_: Any) -> bytes:  # type: ignore[override]  # noqa: ANN401 - called with _sync=True
        """Read a result; raises `StoreMiss` if it, or anything it names, is not as it was written.

        What is missing is no news. What is damaged is told of, as a power cut leaves it or a disk that fails.
        """
        try:
            return open_store().read_record(self._key(path))
        except DamagedFile as damage:
            tell_of_damage(damage)
            raise

    def write_path(self, path: str, content: bytes, **_: Any) -> str:  # type: ignore[override]  # noqa: ANN401
        """Write a result whose artifacts are in the store already; a failure has no key and is not kept.

        A result that is there already stays. One that differs is told of: the key says all that a result may
        depend on, so that one of the two machines is not to be trusted.
        """
        key = self._key(path)
        if not KEY_PATTERN.fullmatch(key):
            return path
        here = json.dumps(json.loads(content) | {_MADE_ON: socket.gethostname()}).encode()
        references = tuple(references_in(_result_of(content)))
        stays = open_store().write_record(key, here, references)
        if stays is not None and _result_of(stays) != _result_of(content):
            _tell_of_two_results(key, _made_on(stays))
        return path

    async def aread_path(self, path: str) -> bytes:
        """See `read_path`."""
        return self.read_path(path)

    async def awrite_path(self, path: str, content: bytes) -> str:
        """See `write_path`."""
        return self.write_path(path, content)

    def _resolve_path(self, path: str) -> None:  # type: ignore[override]
        """Tell Prefect that a key is no path: it would follow every link on the way, thrice a task."""

    @staticmethod
    def _key(path: str) -> str:
        return path.rsplit("/", 1)[-1]


class StoreLocks:
    """Prefect's lock manager over the store's locks, one holder to a key, across threads and processes."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, str]] = {}
        self._guard = Lock()

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,  # noqa: ARG002 - a step's turn comes when it comes
        hold_timeout: float | None = None,  # noqa: ARG002 - the kernel frees a dead holder's lock
    ) -> bool:
        """Wait for a key's lock and take it."""
        if self.is_lock_holder(key, holder):
            return True
        descriptor = open_store().acquire(key)
        with self._guard:
            self._held[key] = (descriptor, holder)
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """See `acquire_lock`."""
        return self.acquire_lock(key, holder, acquire_timeout, hold_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Give a lock back; only its holder can."""
        with self._guard:
            if self._held.get(key, (-1, ""))[1] != holder:
                raise ValueError(f"the lock of {key} is not {holder}'s")
            descriptor, _ = self._held.pop(key)
        open_store().release(descriptor)

    def is_locked(self, key: str) -> bool:
        """Whether somebody in this process holds the lock."""
        return key in self._held

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether this holder does."""
        return self._held.get(key, (-1, ""))[1] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Nothing to wait for: a record is published by a rename, and is whole whenever it is there."""
        return True

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """See `wait_for_lock`."""
        return self.wait_for_lock(key, timeout)


def keep_results_in_store() -> None:
    """Let the tasks of the flow run that this is called in keep their results in the store."""
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("results are kept for a flow run: call this from within one")
    context.result_store.result_storage = StoreRecords(basepath=str(open_store().root / "records"))


def references_in(value: Any) -> Iterator[Reference]:  # noqa: ANN401 - whatever JSON can hold
    """Every artifact that a task's result names."""
    if isinstance(value, dict):
        if set(value) == set(Reference.model_fields):
            try:
                yield Reference(**value)
                return
            except ValidationError:
                pass
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from references_in(item)


def look_up(key: str) -> Any:  # noqa: ANN401
    """What a task returned, without running it.

    Raises
    ------
    StoreMiss
        If it, or an artifact that it names, is not in the store as it was written.
    """
    return JSONSerializer().loads(json.loads(open_store().read_record(key))["result"].encode())


def tell_of_damage(damage: DamagedFile) -> None:
    """Say in the run's log what is not as it was written, and that it is made anew."""
    _log().warning("In the store %s: it is made anew.", damage)


def _log() -> Any:  # noqa: ANN401 - a logger, or what stands for one
    """Of the run that is at work, or of no run."""
    return (
        get_logger(__name__)
        if FlowRunContext.get() is None and TaskRunContext.get() is None
        else get_run_logger()
    )


def _made_on(content: bytes) -> str:
    """Name of the machine that a record was made on; of those made earlier it is not known."""
    return str(json.loads(content).get(_MADE_ON, "a machine before"))


def _tell_of_two_results(key: str, elsewhere: str) -> None:
    context = TaskRunContext.get()
    step = "a step" if context is None else f"step {context.task.name}"
    _log().warning(
        "%s gave two results for the same inputs, settings and code: %s made another than %s, whose stays in "
        "the store (key %s). Check the memory and the GPUs of both, and that both are of one kind.",
        step, socket.gethostname(), elsewhere, key,
    )  # fmt: skip


def _result_of(content: bytes) -> Any:  # noqa: ANN401
    """The task's result within Prefect's record: JSON within JSON."""
    return json.loads(json.loads(content)["result"])
