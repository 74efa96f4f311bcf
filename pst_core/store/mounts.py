"""Whether the locks of a folder reach all who see the folder: that depends on how its file system is mounted.

The kernel says which mount a folder lies on. On a disk of the machine's own all who see a folder share its
kernel, containers too. On a network's the options decide (`nfs(5)`, `mount.cifs(8)`, `mount.lustre(8)`,
`gfs2(5)`); what is not known here, as most that runs under FUSE, is taken to keep its locks to the machine.
"""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from pst_core.errors import StoreError
from pst_core.owners import nearest_there_is

Reach = Literal["everybody", "this machine", "nobody"]

_OWN_DISKS = {
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jfs",
    "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs",
    "ubifs", "udf", "vfat", "xfs", "zfs",
}  # fmt: skip
_EXPORTS = Path("/var/lib/nfs/etab")  # what the kernel's NFS server gives to others


class Mount(NamedTuple):
    """Where and how a file system is mounted."""

    folder: Path
    kind: str
    options: frozenset[str]


class Locks(NamedTuple):
    """Whom a folder's locks reach, of all who see the folder.

    Attributes
    ----------
    reach
        Locks that reach ``nobody`` cannot be taken.
    why_not
        Where they do not reach everybody: mount, option and the way out, in one clause each.
    """

    reach: Reach
    why_not: str = ""


class _Network(NamedTuple):
    """What keeps a network's file system from showing its locks to others, and the way out."""

    local: tuple[str, ...]
    none: tuple[str, ...]
    way_out: str


_NFS = _Network(
    ("nolock", "local_lock=all", "local_lock=flock"), (),
    "mount it as NFS version 4, without nolock and local_lock",
)  # fmt: skip
_CIFS = _Network(("nobrl", "nolock"), (), "mount it without nobrl")
_CLUSTER = _Network(("localflocks",), (), "mount it without localflocks")
_NETWORKS = {
    "nfs": _NFS, "nfs4": _NFS, "cifs": _CIFS, "smb3": _CIFS, "gfs2": _CLUSTER, "ocfs2": _CLUSTER,
    "ceph": _Network((), (), ""),
    "lustre": _Network(("localflock",), ("noflock",), "mount it with the option flock"),
}  # fmt: skip


def locks_of(folder: Path) -> Locks:
    """Tell whom the locks of a folder reach, which need not exist yet."""
    place = Path(os.path.realpath(nearest_there_is(folder)))
    mount = _mount_of(place)
    if mount is None:
        return Locks("this machine", f"how {place} is mounted cannot be told: use it from one machine only")
    if mount.kind in _OWN_DISKS and (exported := _exported(place)) is not None:
        return Locks(
            "this machine",
            f"{exported} is exported from here by NFS, and locks taken here and elsewhere do not meet: "
            "use it here, too, through a mount of the export",
        )
    return judge(mount)


def check_locks_reach_everybody(folder: Path) -> None:
    """Refuse a folder for several machines to work in whose locks do not reach them all.

    Raises
    ------
    StoreError
        They do not.
    """
    locks = locks_of(folder)
    if locks.reach != "everybody":
        raise StoreError(f"{folder} cannot be shared by several machines: {locks.why_not}.")


def judge(mount: Mount) -> Locks:
    """Tell whom the locks on a mount reach."""
    if mount.kind in _OWN_DISKS:
        return Locks("everybody")
    where = f"{mount.folder} is mounted as {mount.kind}"
    network = _NETWORKS.get(mount.kind)
    if network is None:
        return Locks(
            "this machine",
            f"{where}, of which it is not known that its locks reach other machines: set PST_HOME to a "
            "folder on NFS version 4, or on another shared file system whose locks do",
        )
    if none := mount.options.intersection(network.none):
        return Locks("nobody", f"{where} with {min(none)}, without any locks: {network.way_out}")
    if local := mount.options.intersection(network.local):
        way = f"so that its locks reach this machine only: {network.way_out}"
        return Locks("this machine", f"{where} with {min(local)}, {way}")
    if mount.kind == "lustre" and "flock" not in mount.options:  # older versions have no locks then
        return Locks("nobody", f"{where} without the option flock: {network.way_out}")
    return Locks("everybody")


def mounts_in(mountinfo: str) -> dict[int, Mount]:
    """Read ``/proc/self/mountinfo`` (`proc(5)`): each mount by its number."""
    mounts = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        number, _, _, _, folder, own, *_ = before.split(" ")
        kind, _, shared = after.split(" ", 2)
        options = frozenset(f"{own},{shared}".split(","))
        mounts[int(number)] = Mount(Path(_unescaped(folder)), _unescaped(kind), options)
    return mounts


def _unescaped(text: str) -> str:
    """A name with the blanks and backslashes that stand in it as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _mount_of(place: Path) -> Mount | None:
    """The mount that a folder or file lies on; None where the system does not say."""
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            about = Path(f"/proc/self/fdinfo/{descriptor}").read_text("utf-8")
        finally:
            os.close(descriptor)
        mounts = mounts_in(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    except (OSError, AttributeError, ValueError):  # other systems than Linux
        return None
    number = re.search(r"^mnt_id:\s*(\d+)$", about, re.MULTILINE)
    return mounts.get(int(number[1])) if number else None


def _exported(place: Path) -> Path | None:
    """The folder above `place`, or it itself, that this machine's NFS server gives to others."""
    try:
        lines = _EXPORTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    folders = {Path(_unescaped(line.split("\t", 1)[0])) for line in lines if line}
    return next((folder for folder in (place, *place.parents) if folder in folders), None)
