import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from small_disks import small_disk

from pst_core import files
from pst_core.errors import OutputError
from pst_core.files import (
    check_writable,
    names_synced_together,
    write_atomically,
    write_bytes_atomically,
)


def everything_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


def failing(code, after=0):
    """Return a function that raises OSError(code) once it was called more than `after` times."""
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise OSError(code, os.strerror(code))

    return fail


def test_writes_the_bytes_and_leaves_nothing_else(tmp_path):
    write_bytes_atomically(tmp_path / "a" / "b" / "result.json", b"\0\xff" * 1000)
    assert (tmp_path / "a" / "b" / "result.json").read_bytes() == b"\0\xff" * 1000
    assert everything_in(tmp_path) == ["a", "b", "result.json"]


def test_a_file_is_written_part_by_part_and_appears_whole(tmp_path):
    seen = []

    def parts():
        for part in (b"one, ", b"two"):
            seen.append((tmp_path / "x").exists())
            yield part

    write_atomically(tmp_path / "x", lambda file: file.writelines(parts()))
    assert (seen, (tmp_path / "x").read_bytes()) == ([False, False], b"one, two")


@pytest.mark.parametrize("error", [ValueError("no row"), KeyError("name"), KeyboardInterrupt()])
def test_what_fails_while_parts_are_made_is_raised_and_leaves_the_old_file(tmp_path, error):
    def write(file):
        file.write(b"half")
        raise error

    write_bytes_atomically(tmp_path / "x", b"old")
    with pytest.raises(type(error)) as caught:
        write_atomically(tmp_path / "x", write, overwrite=True)
    assert caught.value is error
    assert everything_in(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"old"


def test_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes_atomically(tmp_path / "x", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_existing_file_is_kept_unless_overwriting(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    target = tmp_path / "original.png"
    write_bytes_atomically(target, b"original")
    with pytest.raises(OutputError, match=r"original\.png exists already"):
        write_bytes_atomically(target, b"other")
    assert target.read_bytes() == b"original"
    write_bytes_atomically(target, b"newer", overwrite=True)
    assert target.read_bytes() == b"newer"
    assert everything_in(tmp_path) == ["original.png"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", failing(errno.EOPNOTSUPP))
    target = tmp_path / "x"
    publish = files._publish

    def but_somebody_else_is_quicker(temporary, target, **options):
        target.write_bytes(b"theirs")
        publish(temporary, target, **options)

    monkeypatch.setattr(files, "_publish", but_somebody_else_is_quicker)
    with pytest.raises(OutputError, match="exists already"):
        write_bytes_atomically(target, b"ours")
    assert target.read_bytes() == b"theirs"
    assert everything_in(tmp_path) == ["x"]


def test_of_many_writers_exactly_one_wins(tmp_path):
    outcomes = []

    def write(index):
        try:
            write_bytes_atomically(tmp_path / "new" / "x", bytes([index]) * 10_000)
            outcomes.append(index)
        except OutputError:
            pass

    threads = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert (tmp_path / "new" / "x").read_bytes() == bytes(outcomes) * 10_000
    assert everything_in(tmp_path) == ["new", "x"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name, after", [("fsync", 0), ("fsync", 1), ("link", 0)])
def test_a_failing_disk_leaves_nothing(tmp_path, monkeypatch, name, after, code):
    monkeypatch.setattr(os, name, failing(code, after) if name == "fsync" else failing(code))
    with pytest.raises(OutputError, match="disk"):
        write_bytes_atomically(tmp_path / "x", b"x")
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch, name, code):
    target = tmp_path / "x"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, name, failing(code))
    with pytest.raises(OutputError, match="disk"):
        write_bytes_atomically(target, b"new", overwrite=True)
    assert target.read_bytes() == b"old"
    assert everything_in(tmp_path) == ["x"]


def test_without_links_a_failing_rename_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr(os, "replace", failing(errno.EIO))
    with pytest.raises(OutputError, match="input/output"):
        write_bytes_atomically(tmp_path / "x", b"x")
    assert everything_in(tmp_path) == []


def test_folders_that_cannot_be_synced_are_no_failure(tmp_path, monkeypatch):
    fsync = os.fsync

    def no_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no such operation here")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    write_bytes_atomically(tmp_path / "x", b"x")
    assert (tmp_path / "x").read_bytes() == b"x"


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes_atomically(tmp_path / "x", b"x")
    assert everything_in(tmp_path) == []


def test_the_file_is_synced_before_it_is_named_and_the_folder_after(tmp_path, monkeypatch):
    order = []
    fsync, link = os.fsync, os.link

    def note_fsync(descriptor):
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_link(*args):
        order.append("name")
        link(*args)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    write_bytes_atomically(tmp_path / "x", b"x")
    assert order == ["file", "name", "folder"]


@pytest.mark.parametrize("write", [lambda path: write_bytes_atomically(path / "x", b"x"), check_writable])
def test_a_file_in_the_way_of_the_folder(tmp_path, write):
    (tmp_path / "folder").write_bytes(b"")
    for folder in (tmp_path / "folder", tmp_path / "folder" / "deeper"):
        with pytest.raises(OutputError, match="a file stands in the place of a folder"):
            write(folder)
    assert everything_in(tmp_path) == ["folder"]


def test_a_folder_in_the_way_of_the_file(tmp_path):
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="a folder of that name"):
            write_bytes_atomically(tmp_path, b"x", overwrite=overwrite)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_impossible_names(tmp_path, name):
    with pytest.raises(OutputError, match="name"):
        write_bytes_atomically(tmp_path / name, b"x")
    assert everything_in(tmp_path) == []


def test_a_place_where_nobody_may_write():
    if not Path("/proc/self").exists():
        pytest.skip("no /proc to be refused by")
    with pytest.raises(OutputError, match="/proc/pst could not be written"):
        check_writable("/proc/pst")


def test_check_writable_makes_the_folder_and_leaves_it_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert everything_in(tmp_path) == ["a", "b"]


def test_check_writable_sees_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OutputError, match="the disk is full"):
        check_writable(tmp_path)
    assert everything_in(tmp_path) == []


def test_a_disk_that_is_really_full(tmp_path):
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        write_bytes_atomically(disk / "small", b"x" * 1000)
        with pytest.raises(OutputError, match="the disk is full"):
            write_bytes_atomically(disk / "large", b"x" * 200_000)
        assert everything_in(disk) == ["small"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_names_that_a_disk_does_not_take_together_are_gone_again(tmp_path, monkeypatch, code):
    (tmp_path / "old").write_bytes(b"old")
    fsync = os.fsync

    def no_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    with pytest.raises(OutputError, match="disk"), names_synced_together():
        write_bytes_atomically(tmp_path / "new", b"new")
        write_bytes_atomically(tmp_path / "old", b"newer", overwrite=True)
    assert everything_in(tmp_path) == ["old"]


def test_a_block_that_fails_forces_no_names(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt), names_synced_together():
        write_bytes_atomically(tmp_path / "x", b"x")
        monkeypatch.setattr(os, "fsync", pytest.fail)
        raise KeyboardInterrupt


def test_what_need_not_be_durable_is_forced_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", pytest.fail)
    write_bytes_atomically(tmp_path / "a" / "b" / "x", b"x", durable=False)
    write_bytes_atomically(tmp_path / "a" / "b" / "x", b"y", durable=False, overwrite=True)
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"y"
    assert everything_in(tmp_path) == ["a", "b", "x"]
