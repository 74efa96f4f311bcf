import errno
import hashlib
import os
from itertools import count
from pathlib import Path

import pytest

from pst_core import steady
from pst_core.errors import ImageError
from pst_core.images.limits import ImageLimits, read_file
from pst_core.steady import ReplacedError, SteadyFile, open_steadily, read_accepted, read_steadily
from pst_core.store import Store

DATA = bytes(range(256)) * 300


@pytest.fixture(autouse=True)
def waited(monkeypatch):
    """Seconds that would have been waited."""
    waited = []
    monkeypatch.setattr(steady.time, "sleep", waited.append)
    return waited


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def failing(monkeypatch, call, when, code=errno.ESTALE, before=lambda: None):
    """Let calls fail whose number, from 1, is one of `when`, as a mount does that has forgotten handles."""
    real, numbers = getattr(os, call), count(1)

    def fail(*arguments, **options):
        if when(next(numbers)):
            before()
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize("every", [2, 3, 5])
@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.EBUSY, errno.ETIMEDOUT])
def test_every_so_many_reads_that_fail_are_read_through(path, monkeypatch, every, code):
    monkeypatch.setattr(steady, "_MOST_AT_ONCE", 1000)  # so that there are many reads
    failing(monkeypatch, "read", lambda number: number % every == 0, code)
    assert read_steadily(path) == DATA
    assert read_file(path, ImageLimits()) == DATA
    with open_steadily(path) as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_parts_are_read_in_any_order(path, monkeypatch):
    failing(monkeypatch, "read", lambda number: number % 2)
    with open_steadily(path) as file:
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10 and file.read() == DATA[-10:]
        assert file.seek(70_000) == file.tell() == 70_000 and file.read(5) == DATA[70_000:70_005]


def test_a_fault_that_does_not_pass_is_raised_after_some_waiting(path, monkeypatch, waited):
    failing(monkeypatch, "read", lambda _: True)
    with pytest.raises(OSError, match="Stale file handle"):
        read_steadily(path)
    assert waited == [*steady.WAITS]
    with pytest.raises(ImageError, match="cannot be read"):
        read_file(path, ImageLimits())


@pytest.mark.parametrize("code", [errno.EACCES, errno.EISDIR, errno.ENOENT])
def test_what_waiting_does_not_mend_is_not_waited_for(path, monkeypatch, waited, code):
    failing(monkeypatch, "read", lambda _: True, code)
    with pytest.raises(OSError):
        read_steadily(path)
    assert not waited


def test_opening_is_tried_again_as_well(path, monkeypatch):
    failing(monkeypatch, "open", lambda number: number % 2)
    assert read_steadily(path) == DATA


def test_a_file_that_was_replaced_is_read_from_its_beginning(path, monkeypatch):
    """A mount forgets a handle because the file is another by now: its bytes must not be mixed."""
    other = path.with_name("other")
    other.write_bytes(DATA[::-1])
    monkeypatch.setattr(steady, "_MOST_AT_ONCE", 1000)
    failing(monkeypatch, "read", lambda number: number == 7, before=lambda: other.replace(path))
    assert read_steadily(path) == DATA[::-1]


def test_a_file_that_is_replaced_again_and_again_is_an_error(path, monkeypatch):
    def replace():
        path.with_name("other").write_bytes(DATA)
        path.with_name("other").replace(path)

    failing(monkeypatch, "read", lambda _: True, before=replace)
    with pytest.raises(ReplacedError, match="replaced while it was read"):
        read_steadily(path)


def test_a_file_that_is_gone_is_gone(path, monkeypatch):
    failing(monkeypatch, "read", lambda _: True, before=lambda: path.unlink(missing_ok=True))
    with pytest.raises(FileNotFoundError):
        read_steadily(path)


def test_no_descriptor_is_left_open(path, monkeypatch):
    before = len([*Path("/proc/self/fd").iterdir()])
    failing(monkeypatch, "read", lambda number: number % 2)
    for _ in range(5):
        read_steadily(path)
    with pytest.raises(FileNotFoundError):
        SteadyFile(path.with_name("gone"))
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_small_file_takes_one_read_and_a_longer_one_its_parts(path, monkeypatch):
    read, asked = os.read, []
    monkeypatch.setattr(os, "read", lambda descriptor, size: asked.append(size) or read(descriptor, size))
    data, status = read_accepted(path, lambda _: None)
    assert (data, status.st_size, asked) == (DATA, len(DATA), [len(DATA) + 1])
    monkeypatch.setattr(steady, "_MOST_AT_ONCE", len(DATA) // 3)
    assert read_accepted(path, lambda _: None)[0] == read_steadily(path) == DATA
    assert max(asked[1:]) == len(DATA) // 3


def test_a_file_that_grew_is_read_a_byte_too_far_where_its_status_counts(path):
    def grow(_):
        with path.open("ab") as file:
            file.write(b"more")

    assert read_accepted(path, grow)[0] == DATA + b"m"


def test_a_file_whose_size_says_nothing_is_read_whole():
    assert read_steadily("/proc/self/status").count(b"\n") > 10


def test_what_is_not_accepted_is_not_read(path, monkeypatch):
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("it was read"))

    def refuse(status):
        raise ImageError(f"{status.st_size} bytes")

    with pytest.raises(ImageError, match=f"{len(DATA)} bytes"):
        read_accepted(path, refuse)


def test_the_store_reads_through_such_faults(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    reference = store.put(DATA, "image", "png")
    store.write_record("a" * 64, b"{}", [reference])
    failing(monkeypatch, "read", lambda number: number % 2)
    again = Store(store.root)
    assert again.check_version()
    assert again.read_record("a" * 64) == b"{}"
    assert again.read(reference) == DATA
