"""What lies beside photographs and is none: known by its name, and told of in one line."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flows.pairs.names import show
from pst_core.printing import counted

Reason = Literal[
    "hidden", "system", "sidecar", "partial", "backup", "video", "sound", "version", "link",
    "unreadable", "pretender", "other",
]  # fmt: skip

_IN_WORDS: dict[Reason, tuple[str, str]] = {
    "version": ("raw file or other version beside its photograph",
                "raw files or other versions beside their photograph"),
    "video": ("video", "videos"),
    "sound": ("sound", "sounds"),
    "sidecar": ("sidecar", "sidecars"),
    "partial": ("half-copied file", "half-copied files"),
    "backup": ("backup copy", "backup copies"),
    "hidden": ("hidden file or folder", "hidden files or folders"),
    "system": ("file or folder of other programs", "files or folders of other programs"),
    "link": ("link to a folder", "links to folders"),
    "other": ("file that is no picture", "files that are no pictures"),
    "unreadable": ("file that may not be read", "files that may not be read"),
    "pretender": ("file called like a photograph that holds none",
                  "files called like photographs that hold none"),
}  # fmt: skip
_NAMED: frozenset[Reason] = frozenset({"other", "unreadable", "pretender"})
"""Reasons that somebody may want to look into."""
_MENTIONED = 3

_BY_ENDING: dict[Reason, str] = {
    "sidecar": "xmp aae thm json txt md xml csv tsv yml yaml toml dop pp3 cos cop cot comask on1 arp pto "
    "nksc rpp spd vrd dr4 gpx nmea ctg",
    "partial": "part partial crdownload download filepart opdownload !ut !qb aria2 tmp temp icloud",
    "backup": "bak backup orig old swp swo",
    "video": "mov mp4 m4v avi mkv mts m2ts 3gp 3g2 webm wmv mpg mpeg flv lrv insv",
    "sound": "wav mp3 m4a aac flac ogg opus",
    "system": "db ini lnk url webloc log lock lrcat lrcat-data lrdata cocatalog ffs_db ffs_lock",
}
_REASONS: dict[str, Reason] = {
    f".{ending}": reason for reason, endings in _BY_ENDING.items() for ending in endings.split()
}
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "icon\r", "zbthumbnail.info"})
_SYSTEM_FOLDERS = frozenset({
    "@eadir", "#recycle", "@recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found",
    "captureone",
})  # fmt: skip
_KEPT_BY_EXIFTOOL = re.compile(r"\.\w+_(original|exiftool_tmp)$")
_STREAM = re.compile(r":(zone\.identifier|smartscreen|mshield|afp_\w+)(:\$data)?$")  # of NTFS, as files


def reason_to_pass_over(name: str, *, is_folder: bool) -> Reason | None:
    """Why a file or folder among photographs is none by its name; None if it may be one, or hold some."""
    name = name.lower()
    if name.startswith("."):
        return "hidden"
    if is_folder:
        return "system" if name in _SYSTEM_FOLDERS or name.endswith(".lrdata") else None
    if name.endswith("~") or _KEPT_BY_EXIFTOOL.search(name):
        return "backup"
    if name in _SYSTEM or name.startswith("~$") or _STREAM.search(name):
        return "system"
    return _REASONS.get(name[max(name.rfind("."), 0) :])


@dataclass
class Tally:
    """What was passed over in a source, by reason."""

    files: dict[Reason, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: Reason, path: Path) -> None:
        """Count a file or folder."""
        self.files[reason].append(path)

    def told(self, place: Path | None = None) -> str:
        """Count each kind, in words; empty where nothing was passed over.

        Parameters
        ----------
        place
            Only what lies in this folder.
        """
        kinds = []
        for reason, (singular, plural) in _IN_WORDS.items():
            files = [
                path for path in self.files.get(reason, ()) if place is None or path.is_relative_to(place)
            ]
            if files:
                names = f" ({_first(files)})" if reason in _NAMED else ""
                kinds.append(f"{counted(len(files), singular, plural)}{names}")
        return ", ".join(kinds)


def _first(files: list[Path]) -> str:
    names = [show(path.name) for path in sorted(files)[:_MENTIONED]]
    more = len(files) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
