"""Where Prefect keeps what tasks returned, and the locks it holds meanwhile: both are the store's.

Prefect's own files are written in place and its file locks outlive a killed process. Here a result is sealed,
bound to its key, and valid only as long as every artifact that it names is in the store as it was written;
anything else reads as a miss, and the task runs again. Locks are the kernel's, so a killed holder frees them.
"""

import json
from collections.abc import Iterator
from threading import Lock
from typing import Any

from prefect.context import FlowRunContext
from prefect.filesystems import LocalFileSystem
from prefect.serializers import JSONSerializer
from pydantic import ValidationError

from pst_core.store import Reference, open_store
from pst_core.store.layout import KEY_PATTERN


class StoreRecords(LocalFileSystem):
    """Prefect's result storage over the store's records; a path is a task's cache key."""

    _block_type_name = "PST store"
    _block_type_slug = "pst-store"

    def read_path(self, path: str, **_: Any) -> bytes:  # type: ignore[override]  # noqa: ANN401 - called with _sync=True
        """Read a result; raises `StoreMiss` if it, or anything it names, is not as it was written."""
        return open_store().read_record(self._key(path))

    def write_path(self, path: str, content: bytes, **_: Any) -> str:  # type: ignore[override]  # noqa: ANN401
        """Write a result whose artifacts are in the store already; a failure has no key and is not kept."""
        if not KEY_PATTERN.fullmatch(self._key(path)):
            return path
        open_store().write_record(self._key(path), content, tuple(references_in(_result_of(content))))
        return path

    async def aread_path(self, path: str) -> bytes:
        """See `read_path`."""
        return self.read_path(path)

    async def awrite_path(self, path: str, content: bytes) -> str:
        """See `write_path`."""
        return self.write_path(path, content)

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


def _result_of(content: bytes) -> Any:  # noqa: ANN401
    """The task's result within Prefect's record: JSON within JSON."""
    return json.loads(json.loads(content)["result"])
