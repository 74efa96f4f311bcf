"""Whom the locks of a folder reach, judged by how its file system is mounted.

Lines of `mountinfo` are those of real systems where that is said, else made by the manuals of their options.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pst_core.errors import StoreError
from pst_core.store import mounts
from pst_core.store.locks import flock_file, is_held, unlock_file
from pst_core.store.mounts import check_locks_reach_everybody, judge, locks_of, mounts_in

# Seen on a machine.
EXT4 = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard,resv_strict,resuid=65534,resgid=65534"
SHM = "25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24731708k"
OVERLAY = "45 42 0:39 / /merged rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w,uuid=on"
BINDFS = (
    "292 27 0:53 / /tmp/v1 rw,nosuid,nodev,relatime - fuse /tmp/back "
    "rw,user_id=0,group_id=0,default_permissions,allow_other"
)
# By nfs(5), and by what the kernel shows of its options.
_NFS = "rw,vers={},rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,retrans=2,sec=sys,{}addr=10.0.0.2"
NFS = "61 27 0:52 / /mnt/pst rw,relatime shared:31 - {} server:/srv/pst " + _NFS
NFS_4 = NFS.format("nfs4", "4.2", "clientaddr=10.0.0.7,local_lock=none,")
NFS_4_LOCAL = NFS.format("nfs4", "4.2", "clientaddr=10.0.0.7,local_lock=flock,")
NFS_4_POSIX = NFS.format("nfs4", "4.1", "clientaddr=10.0.0.7,local_lock=posix,")
NFS_3 = NFS.format("nfs", "3", "mountaddr=10.0.0.2,mountvers=3,mountproto=udp,local_lock=none,")
NFS_3_NOLOCK = NFS.format("nfs", "3", "nolock,mountaddr=10.0.0.2,mountvers=3,local_lock=all,")
# By mount.cifs(8), mount.lustre(8), gfs2(5), the kernel's pages on ceph, 9p and virtiofs, and sshfs(1).
CIFS = "70 27 0:61 / /mnt/smb rw,relatime - cifs //server/pst rw,vers=3.1.1,cache=strict,username=pst"
LUSTRE = "71 27 0:62 / /lustre rw - lustre 10.0.0.2@tcp:/pst rw,checksum,{}user_xattr,lruresize"
GFS2 = "72 27 253:3 / /mnt/gfs rw,relatime - gfs2 /dev/vg/pst rw{}"
CEPH = "73 27 0:63 / /mnt/ceph rw,relatime - ceph 10.0.0.2:6789:/ rw,name=pst,secret=<hidden>,acl"
PLAN_9 = "74 27 0:64 / /mnt/host rw,relatime - 9p host rw,access=client,cache=mmap,trans=virtio"
VIRTIOFS = "75 27 0:65 / /mnt/host rw,relatime - virtiofs host rw"
SSHFS = "76 27 0:66 / /mnt/ssh rw,nosuid,nodev,relatime - fuse.sshfs pst@server:/srv rw,user_id=0,group_id=0"


def mount(line):
    (found,) = mounts_in(line).values()
    return found


@pytest.mark.parametrize(
    "line",
    [EXT4, SHM, OVERLAY, NFS_4, NFS_4_POSIX, NFS_3, CIFS, LUSTRE.format("flock,"), GFS2.format(""), CEPH],
)
def test_locks_that_reach_everybody(line):
    assert judge(mount(line)) == ("everybody", "")


@pytest.mark.parametrize(
    ("line", "folder", "option", "way_out"),
    [
        (
            NFS_4_LOCAL,
            "/mnt/pst",
            "nfs4 with local_lock=flock",
            "NFS version 4, without nolock and local_lock",
        ),
        (NFS_3_NOLOCK, "/mnt/pst", "nfs with local_lock=all", "NFS version 4, without nolock and local_lock"),
        (CIFS + ",nobrl", "/mnt/smb", "cifs with nobrl", "without nobrl"),
        (LUSTRE.format("localflock,"), "/lustre", "lustre with localflock", "with the option flock"),
        (GFS2.format(",localflocks"), "/mnt/gfs", "gfs2 with localflocks", "without localflocks"),
        (BINDFS, "/tmp/v1", "mounted as fuse", "set PST_HOME to a folder on NFS version 4"),
        (SSHFS, "/mnt/ssh", "mounted as fuse.sshfs", "set PST_HOME"),
        (PLAN_9, "/mnt/host", "mounted as 9p", "set PST_HOME"),
        (VIRTIOFS, "/mnt/host", "mounted as virtiofs", "set PST_HOME"),
    ],
)
def test_locks_that_stay_on_the_machine_say_why_and_the_way_out(line, folder, option, way_out):
    locks = judge(mount(line))
    assert locks.reach == "this machine"
    assert locks.why_not.startswith(f"{folder} is ") and option in locks.why_not and way_out in locks.why_not


@pytest.mark.parametrize("option", ["noflock,", ""])
def test_a_mount_without_locks(option):
    locks = judge(mount(LUSTRE.format(option)))
    assert locks.reach == "nobody" and "mount it with the option flock" in locks.why_not


def test_names_with_blanks_and_every_number_of_optional_fields():
    text = "\n".join(
        [
            r"36 35 98:0 /mnt1 /mnt/my\040disk\134s rw,noatime master:1 propagate_from:2 - ext4 /dev/root rw",
            r"37 35 98:1 / /mnt/\303\274 rw - tmpfs a\040b rw,size=4k",
        ]
    )
    found = mounts_in(text)
    assert found[36].folder == Path("/mnt/my disk\\s") and found[36].options == {"rw", "noatime"}
    assert found[37].kind == "tmpfs"


def test_the_mount_of_a_folder_is_found_though_it_is_not_there_yet(tmp_path):
    assert mounts._mount_of(tmp_path).kind == findmnt(tmp_path)
    assert locks_of(tmp_path / "not" / "there").reach == "everybody"


def findmnt(folder):
    """What util-linux says of it."""
    if shutil.which("findmnt") is None:
        pytest.skip("needs findmnt")
    command = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


def test_a_folder_for_several_machines_is_refused_in_one_sentence(tmp_path, monkeypatch):
    check_locks_reach_everybody(tmp_path)
    monkeypatch.setattr(mounts, "_mount_of", lambda _: mount(NFS_3_NOLOCK))
    with pytest.raises(StoreError) as caught:
        check_locks_reach_everybody(tmp_path / "home")
    assert str(caught.value) == (
        f"{tmp_path / 'home'} cannot be shared by several machines: /mnt/pst is mounted as nfs with "
        "local_lock=all, so that its locks reach this machine only: mount it as NFS version 4, without "
        "nolock and local_lock."
    )


def test_a_system_that_does_not_tell_of_mounts(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "_mount_of", lambda _: None)
    assert locks_of(tmp_path).reach == "this machine"


def test_what_this_machine_exports_is_to_be_used_through_a_mount(tmp_path, monkeypatch):
    """The server's locks for others are of another kind than its own: exports(5), flock(2)."""
    exports = tmp_path / "etab"
    exports.write_text(
        f"/else\t*(ro)\n{tmp_path.resolve()}/my\\040export\t10.0.0.0/24(rw,sync,no_subtree_check)\n"
    )
    monkeypatch.setattr(mounts, "_EXPORTS", exports)
    shared = tmp_path / "my export"
    shared.mkdir()
    locks = locks_of(shared / "home")
    assert (
        locks.reach == "this machine" and f"{shared.resolve()} is exported from here by NFS" in locks.why_not
    )
    assert locks_of(tmp_path).reach == "everybody"


HOLDER = """
import fcntl, pathlib, sys, time
from pst_core.store.locks import flock_file
flock_file(pathlib.Path(sys.argv[1]), fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_a_lock_is_seen_by_another_process_while_its_holder_lives(tmp_path):
    path = tmp_path / "lock"
    assert is_held(path) is None and not path.exists()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert is_held(path) is True
        with pytest.raises(BlockingIOError):
            flock_file(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
    assert is_held(path) is False
    with pytest.raises(FileNotFoundError):
        flock_file(tmp_path / "none", fcntl.LOCK_SH, create=False)
    unlock_file(flock_file(path, fcntl.LOCK_EX | fcntl.LOCK_NB))


def test_what_cannot_be_locked_is_not_known(tmp_path, monkeypatch):
    (tmp_path / "lock").touch()

    def fail(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert is_held(tmp_path / "lock") is None
