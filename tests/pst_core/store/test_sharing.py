"""One store for several users: shared where the umask lets them, told whose it is where it does not."""

import os
import re
import stat
import subprocess

import pytest
from other_users import ANNA, BEN, GROUP, acting_as, shared_folder
from stores import A, B

from pst_core.errors import OutputError, StoreError
from pst_core.files import check_writable, write_bytes_atomically
from pst_core.owners import describe_owner, nearest_there_is
from pst_core.store import Receipt, Store, StoreMiss
from pst_core.store.home import not_permitted
from pst_core.store.upkeep import prune, usage, verify


@pytest.fixture
def home(monkeypatch):
    with shared_folder() as folder:
        monkeypatch.setenv("PST_HOME", str(folder))
        yield folder


def keep(home, data, key=A):
    """What a run keeps of a result, as a program does that has just been started."""
    store = Store(home / "store")
    with store.in_use():
        lock = store.acquire(key)
        reference = store.put(data, "image", "png")
        store.write_record(key, b"{}", [reference])
        store.write_receipt(key, Receipt(records=(key,), outputs=(), content=""))
        store.release(lock)
    return store.read(reference)


def test_users_of_one_group_share_a_store(home):
    for user, data in (
        (ANNA, b"one"),
        (BEN, b"one"),
        (BEN, b"two"),
        (ANNA, b"one"),
        (0, b"three"),
        (BEN, b"four"),
    ):
        with acting_as(user, 0o002):
            assert keep(home, data) == data
    with acting_as(ANNA, 0o002):
        keep(home, b"five", B)
        assert prune(Store(home / "store"), grace_seconds=0).failures == 0
    for path in home.rglob("*"):
        status = path.stat()
        wanted = stat.S_ISGID | stat.S_IWGRP if path.is_dir() else stat.S_IWGRP
        assert status.st_gid == GROUP and status.st_mode & wanted == wanted, path


def test_a_store_that_is_not_shared_says_whose_it_is_and_how_to_share_it(home):
    with acting_as(0, 0o022):
        keep(home, b"one")
    with acting_as(BEN, 0o022), pytest.raises(StoreError) as caught:
        keep(home, b"two", B)
    told = str(caught.value)
    assert re.match(rf"{home}/store/\S+ belongs to root \(group {GROUP}, drwxr-sr-x\), and user {BEN} ", told)
    assert told.endswith("or set PST_HOME to a folder of your own.") and "umask 002" in told
    chgrp, chmod = re.search(r"\((chgrp [^;]*); (chmod [^;]*);", told).groups()
    for command in (chgrp.replace("GROUP", str(GROUP)), chmod):
        subprocess.run(command.split(), check=True)
    with acting_as(BEN, 0o002):
        assert keep(home, b"two", B) == b"two"


def test_what_may_be_read_is_found_and_locked_without_leave_to_write(home):
    with acting_as(0, 0o022):
        keep(home, b"one")
    store = Store(home / "store")
    with acting_as(BEN, 0o022), store.in_use():
        store.release(store.acquire(A))
        assert store.read_receipt(A).records == (A,)
        with pytest.raises(StoreMiss):
            store.read_record(B)


@pytest.mark.parametrize(
    "look",
    [
        lambda store: store.check_version(),
        usage,
        verify,
        prune,
        lambda store: keep(store.root.parent, b"two"),
    ],
)
def test_a_private_store_says_whose_it_is(home, look):
    with acting_as(ANNA, 0o077):
        keep(home, b"one")
    with acting_as(BEN, 0o022), pytest.raises(StoreError) as caught:
        look(Store(home / "store"))
    assert str(caught.value).startswith(
        f"{home}/store belongs to user {ANNA} (group {GROUP}, drwx--S---), and "
    )


def test_a_lock_that_may_not_be_read_says_whose_it_is(home):
    with acting_as(ANNA, 0o002):
        keep(home, b"one")
    (home / "store" / "in-use.lock").chmod(0o600)
    with (
        acting_as(BEN, 0o022),
        pytest.raises(StoreError, match=rf"in-use.lock belongs to user {ANNA} .*-rw-------"),
    ):
        keep(home, b"two")


def test_a_home_in_a_folder_of_others_is_not_to_be_shared(home, monkeypatch):
    home.chmod(0o755)
    monkeypatch.setenv("PST_HOME", str(home / "new" / "home"))
    with acting_as(BEN, 0o002), pytest.raises(StoreError) as caught:
        keep(home / "new" / "home", b"one")
    told = str(caught.value)
    assert told.startswith(f"{home} belongs to root (group {GROUP}, drwxr-xr-x)") and "chgrp" not in told
    assert told.endswith("set PST_HOME to a folder that you may write to.")


def test_an_output_folder_of_somebody_else_says_whose_it_is(home):
    home.chmod(0o755)
    with acting_as(BEN, 0o022):
        with pytest.raises(
            OutputError, match=rf"written: it belongs to root \(group {GROUP}, drwxr-xr-x\), and"
        ):
            check_writable(home)
        with pytest.raises(
            OutputError, match=rf"written: {home} belongs to root .* you may not write there; "
        ):
            write_bytes_atomically(home / "new" / "x.png", b"x")


def test_ones_own_permissions_are_ones_own_to_change(tmp_path, monkeypatch):
    monkeypatch.setenv("PST_HOME", str(tmp_path))
    told = str(not_permitted(tmp_path / "store" / "objects"))
    assert told.startswith(f"{tmp_path} belongs to ") and f"chmod -R u+rwX {tmp_path}" in told


def test_a_refusal_is_the_stores_sentence_for_any_user(tmp_path, monkeypatch):
    monkeypatch.setenv("PST_HOME", str(tmp_path))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    store = Store(tmp_path / "store")
    for call, act in (
        ("replace", lambda: store.put(b"data", "image", "png")),
        ("open", lambda: store.acquire(A)),
    ):
        with monkeypatch.context() as patch, pytest.raises(StoreError, match=r"belongs to .* set PST_HOME"):
            patch.setattr(os, call, refuse)
            act()


def test_what_there_is_decides(tmp_path):
    assert nearest_there_is(tmp_path / "a" / "b") == tmp_path
    (tmp_path / "file").touch()
    assert nearest_there_is(tmp_path / "file") == tmp_path / "file"
    assert "cannot be looked at" in describe_owner(tmp_path / "gone")
