"""Names of everything that an output folder holds."""

from pathlib import Path

# A batch's folder; every pair has a folder of its own in it.
BATCH = "batch.json"
OUTCOMES = "batch.parquet"
FAILED = "failed.jsonl"
SHEET = "contact.png"
GALLERY, GALLERY_PICTURES = "gallery.html", "gallery"
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

# A user study's page, and the folder of its tally.
STUDY = "study.html"
ANSWERS = "answers-*.json"
CHOICES, SHARES, TALLY, FIGURE = "answers.parquet", "tally.parquet", "tally.md", "figure4.png"


def report_path(picture: Path) -> Path:
    """Where the report of a single picture goes: ``result.png`` -> ``result.json``."""
    return picture.with_name(f"{picture.stem}.json")


def losses_path(picture: Path) -> Path:
    """Where the losses of a single picture go: ``result.png`` -> ``result.losses.parquet``."""
    return picture.with_name(f"{picture.stem}.losses.parquet")


def key_path(page: Path) -> Path:
    """Where the key of a study's page goes: ``study.html`` -> ``study.key.json``."""
    return page.with_name(f"{page.stem}.key.json")
