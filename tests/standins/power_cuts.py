"""A disk that loses what it was not forced to keep: what is synced is noted, a cut takes or spoils the rest.

The disk is as hard as POSIX allows: it keeps a file's bytes only if the file was synced, or its whole file
system, and a name only if its folder was. Everything else a cut may keep, take, empty, cut short or fill with
zeros. ``PST_TEST_DISK`` has every process of a trial note what it syncs: the folder of the notes, then those
that lie on the disk, as in ``PATH``. It need be on their file system, for it holds links to what was synced.
"""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

DISK = "PST_TEST_DISK"
_LOG = "synced.jsonl"
_NOT_OURS = {"prefect"}  # a server's database, in the store's home
_link = os.link  # tests put others in its place


def prepare(module):
    """Note what this process syncs, through a module `pst_core.files`; nothing is really forced anywhere."""
    notes, *roots = map(Path, os.environ[DISK].split(os.pathsep))
    Notes(notes, roots).listen(module)


class Notes:
    """What is on the disk for sure, noted in a folder for some roots."""

    def __init__(self, folder, roots):
        self.folder, self.roots = folder, [root.resolve() for root in roots]
        folder.mkdir(parents=True, exist_ok=True)
        self._log = os.open(folder / _LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def listen(self, module, patch=setattr):
        patch(os, "fsync", self.fsync)
        patch(module, "_syncfs", lambda descriptor: self.sync_all())

    def fsync(self, descriptor):
        status, place = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}").readlink()
        if not any(place.is_relative_to(root) for root in self.roots):
            return
        if stat.S_ISDIR(status.st_mode):
            self._note({}, {str(place): _names(place)})
        else:
            self._keep(place, status)
            self._note({status.st_ino: status.st_size}, {})

    def sync_all(self):
        sizes, folders = {}, {}
        for root in self.roots:
            for folder, files in _walk(root):
                folders[str(folder)] = _names(folder)
                for file in files:
                    with suppress(FileNotFoundError):  # another process has removed it meanwhile
                        status = file.lstat()
                        self._keep(file, status)
                        sizes[status.st_ino] = status.st_size
        self._note(sizes, folders)

    def _keep(self, file, status):
        """A link, so that the bytes outlast the file and nobody gets its number."""
        with suppress(FileExistsError):
            _link(file, self.folder / str(status.st_ino))

    def _note(self, sizes, folders):
        os.write(self._log, f"{json.dumps([sizes, folders])}\n".encode())


def cut_power(notes, roots, chance):
    """Leave of the folders what a power cut may leave; what happens to what was not synced, `chance` decides.

    Returns
    -------
    list of str
        What was taken or spoilt.
    """
    sizes, folders, spoilt = {}, {}, []
    log = notes / _LOG
    for line in log.read_text().splitlines() if log.exists() else ():
        new_sizes, new_folders = json.loads(line)
        sizes |= {int(number): size for number, size in new_sizes.items()}
        folders |= new_folders
    for root in roots:
        if root.exists():
            _cut_folder(root.resolve(), notes, sizes, folders, chance, spoilt)
    if log.exists():
        os.truncate(log, 0)
    for link in notes.glob("[0-9]*"):
        link.unlink()
    Notes(notes, roots).sync_all()  # what there is when the machine has started again is on the disk
    return spoilt


def _cut_folder(folder, notes, sizes, folders, chance, spoilt):
    there, kept = _names(folder), folders.get(str(folder), {})
    for name in sorted((there.keys() | kept.keys()) - _NOT_OURS):
        path = folder / name
        if there.get(name) != kept.get(name) and chance.random() < 0.5:
            if name in there:  # a name that the disk did not get
                spoilt.append(f"taken {path}")
                _remove(path)
            if name in kept and (notes / str(kept[name])).exists():  # and what it had in its place
                (notes / str(kept[name])).replace(path)
        if path.is_dir():
            _cut_folder(path, notes, sizes, folders, chance, spoilt)
        elif path.is_file():
            status = path.lstat()
            if sizes.get(status.st_ino) != status.st_size:
                _spoil(path, chance, spoilt)


def _spoil(path, chance, spoilt):
    data = path.read_bytes()
    way = chance.choice(["kept", "emptied", "cut", "zeroed", "zeroed behind"])
    at = chance.randrange(len(data)) if data else 0
    left = {
        "kept": data, "emptied": b"", "cut": data[:at], "zeroed": bytes(len(data)),
        "zeroed behind": data[:at] + bytes(len(data) - at),
    }[way]  # fmt: skip
    if left != data:
        path.write_bytes(left)
        spoilt.append(f"{way} {path}")


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        for child in list(path.iterdir()):
            _remove(child)
        path.rmdir()
    else:
        path.unlink()


def _names(folder):
    with suppress(FileNotFoundError):
        return {entry.name: entry.inode() for entry in os.scandir(folder)}
    return {}


def _walk(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _NOT_OURS]
        yield Path(folder), [Path(folder) / name for name in files]
