import errno
import fcntl
import os
import signal
import threading
import time

import pytest
from stores import KEYS, A, B, holder
from trials.store_faults import locked

from pst_core.errors import StoreError
from pst_core.store import locks as store_locks


def lock_is_free(store, key):
    try:
        store_locks.unlock_file(
            store_locks.flock_file(store.root / "locks" / key[:3], fcntl.LOCK_EX | fcntl.LOCK_NB)
        )
    except BlockingIOError:
        return False
    return True


def test_the_lock_of_a_killed_process_is_free(store):
    entered = threading.Event()

    def wait():
        with locked(store, A):
            entered.set()

    with holder(store, A) as process:
        assert not lock_is_free(store, A)
        assert lock_is_free(store, B)
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)
        process.send_signal(signal.SIGKILL)
        assert entered.wait(10)
        thread.join()
    assert lock_is_free(store, A)


def test_threads_exclude_each_other(store):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(store, A):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_a_lock_is_released_whatever_happens(store):
    with pytest.raises(KeyboardInterrupt), locked(store, A):
        assert not lock_is_free(store, A)
        raise KeyboardInterrupt
    assert lock_is_free(store, A)
    descriptor = store.acquire(A)
    copy = os.dup(descriptor)  # as a forked child has it
    store.release(descriptor)
    assert lock_is_free(store, A)
    os.close(copy)


def test_a_failing_release_does_not_undo_what_was_done(store, monkeypatch):
    flock = fcntl.flock

    def fail_to_unlock(descriptor, operation):
        if operation == fcntl.LOCK_UN:
            raise OSError(errno.ENOLCK, "No locks available")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fail_to_unlock)
    with locked(store, A), store.in_use():
        pass
    assert lock_is_free(store, A)  # by closing it
    with store.exclusively():
        pass


def test_locks_are_a_bounded_number_of_files_that_stay(store):
    for key in KEYS:
        with locked(store, key):
            pass
    assert sorted(path.name for path in (store.root / "locks").iterdir()) == sorted({key[:3] for key in KEYS})


def test_a_lock_whose_file_was_replaced_meanwhile_is_not_taken(store, monkeypatch):
    with locked(store, A):
        pass
    path, flock, calls = store.root / "locks" / A[:3], fcntl.flock, []

    def and_meanwhile(descriptor, operation):
        flock(descriptor, operation)
        calls.append(operation)
        if len(calls) <= 2:
            path.unlink()  # the first time it is missing then, the second time there is another
        if len(calls) == 2:
            path.touch()

    monkeypatch.setattr(fcntl, "flock", and_meanwhile)
    descriptor = store.acquire(A)
    assert len(calls) == 3
    assert os.path.sameopenfile(descriptor, os.open(path, os.O_RDONLY | os.O_CLOEXEC)) is True
    store.release(descriptor)


def test_where_there_are_no_locks(store, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    before = os.dup(0)
    os.close(before)
    with pytest.raises(StoreError, match=r"could not be locked .* a local disk"):
        store.acquire(A)
    after = os.dup(0)  # the lowest that is free: the same, unless one was left open
    os.close(after)
    assert after == before
