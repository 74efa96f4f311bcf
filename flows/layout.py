"""Names of everything that an output folder holds, and where a pair's files lie in it."""

import os
from dataclasses import dataclass
from pathlib import Path

# A batch's folder; every pair has a folder of its own in it.
BATCH = "batch.json"
OUTCOMES = "batch.parquet"
FAILED = "failed.jsonl"
SHEET = "contact.png"
GALLERY, GALLERY_PICTURES = "gallery.html", "gallery"
GALLERY_PAGES = "page-*.html"
"""Further pages, among the pictures."""
# Where pictures lie together, everything else that is a picture lies in here.
DETAILS = "details"
RESERVED = frozenset({BATCH, OUTCOMES, FAILED, SHEET, GALLERY, GALLERY_PICTURES, DETAILS})
"""Names at the top of a batch's folder that are its own: no pair can be called so."""

# A pair's folder.
RESULT = "result.png"
REPORT = "report.json"
LOSSES, CURVE = "losses.parquet", "losses.png"
REGIONS = "regions.png"
PAIR_FILES = frozenset({RESULT, REPORT, LOSSES, CURVE, REGIONS})
"""Names in a pair's folder that are its own: no part of another pair's name can be called so."""

# An evaluation's folder.
EVALUATION = "evaluation.json"
METHODS, INPUTS = "methods", "inputs"
SCORES = "scores.parquet"
TABLE_DATA, TABLE_TEXT = "table.parquet", "table.md"
DRAWINGS = {"table": "table.png", "comparison": "comparison.png", "ablation": "ablation.png"}

# A look's folder; or beside a pair's result.
LOOK, LOOK_DATA = "look.cube", "look.parquet"
REGION_LOOK, REGION_MASK = "look.REGION.cube", "look.REGION.png"

# The folder of photographs to which a look was applied.
APPLICATION = "apply.json"

# A sequence's folder: its frames, the pairs that give them looks, and, of a video, these pairs' contents.
SEQUENCE = "sequence.json"
FRAMES, KEYS, KEY_PICTURES = "frames", "keys", "key-frames"
VIDEO = "sequence.mp4"

# A user study's page, and the folder of its tally.
STUDY = "study.html"
ANSWERS = "answers-*.json"
CHOICES, SHARES, TALLY, FIGURE = "answers.parquet", "tally.parquet", "tally.md", "figure4.png"


@dataclass(frozen=True)
class Place:
    """Where the files of a pair lie.

    Attributes
    ----------
    folder : Path
        The pair's own, with its report and what explains the picture.
    picture : Path
        In it, or among the other pairs' pictures.
    """

    folder: Path
    picture: Path

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.folder / REPORT

    @property
    def picture_from_folder(self) -> str:
        """The picture's place as seen from the folder."""
        return Path(os.path.relpath(self.picture, self.folder)).as_posix()

    def numbered(self, number: int) -> "Place":
        """A place beside this one."""
        folder = self.folder.with_name(f"{self.folder.name}-{number}")
        if self.picture.parent == self.folder:
            return Place(folder, folder / self.picture.name)
        picture = self.picture
        return Place(folder, picture.with_name(f"{picture.stem}-{number}{picture.suffix}"))


def place_of(out: Path, name: str, picture: str | None) -> Place:
    """Where a pair's files lie in a batch's folder; ``picture`` is its place there, if not in the pair's."""
    if picture is None:
        return Place(out / name, out / name / RESULT)
    return Place(out / DETAILS / name, out / picture)


def sheet_path(out: Path, *, pictures_together: bool) -> Path:
    """Where the contact sheet of a batch goes: not among pictures that lie together."""
    return out / DETAILS / SHEET if pictures_together else out / SHEET


def report_path(picture: Path) -> Path:
    """Where the report of a single picture goes: ``result.png`` -> ``result.json``."""
    return picture.with_name(f"{picture.stem}.json")


def losses_path(picture: Path) -> Path:
    """Where the losses of a single picture go: ``result.png`` -> ``result.losses.parquet``."""
    return picture.with_name(f"{picture.stem}.losses.parquet")


def look_path(picture: Path, name: str) -> Path:
    """Where a file of a single picture's look goes: ``result.png`` -> ``result.look.cube``."""
    return picture.with_name(f"{picture.stem}.{name}")


def key_path(page: Path) -> Path:
    """Where the key of a study's page goes: ``study.html`` -> ``study.key.json``."""
    return page.with_name(f"{page.stem}.key.json")
