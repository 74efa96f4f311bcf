"""A batch as a page to look through: before and after under a slider, sorted by any score.

The page works from disk without a network, and wherever the results' folder is moved to: its small pictures
are copied beside it, and all its links are relative. Names and notes of others reach it as JSON only, which a
script sets as text; its content security policy lets nothing run but that script.
"""

import base64
import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flows.layout import GALLERY, GALLERY_PICTURES, REPORT
from flows.pairs.names import clean
from flows.results.outcomes import PairOutcome, Summary
from pst_core.files import sync_file_system, write_bytes_atomically
from pst_core.quality.measures import LISTED
from pst_core.store import Reference, StoreMiss, open_store
from pst_core.store.layout import sha256_of

TEMPLATE = "gallery.html.j2"
_OWN_PICTURE = re.compile(r"[0-9a-f]{32}\.jpg")
_DECIMALS = 6  # of a score in the page: enough to sort by


def write_gallery(summary: Summary) -> Path | None:
    """Write the gallery of a batch, and copy the small pictures that it shows.

    Pictures that no row shows any more are removed once a batch ran to its end; an interrupted one goes on,
    and will show them again.

    Returns
    -------
    Path or None
        The page; None where no pair has anything to show, and nothing was written.

    Raises
    ------
    OutputError
        The page or a picture cannot be written.
    """
    rows = [row for outcome in summary.outcomes if (row := _row(outcome, summary.out)) is not None]
    if not rows:
        return None
    pictures, page = summary.out / GALLERY_PICTURES, summary.out / GALLERY
    if pictures.is_dir():
        sync_file_system(pictures)  # before a page shows them: one call, however many they are
    write_bytes_atomically(page, _render(summary, rows).encode(), overwrite=True)
    if len(summary.outcomes) == summary.total:
        _remove_stale(pictures, rows)
    return page


def _row(outcome: PairOutcome, out: Path) -> dict[str, Any] | None:
    """What the page knows of a pair; None if there is nothing to show or to say."""
    pictures = {} if outcome.state == "failed" else _copy_pictures(outcome, out)
    shown = "result" in pictures
    has_folder = outcome.folder and Path(outcome.folder).is_dir()
    if not shown and outcome.state != "failed" and not has_folder:
        return None
    return {
        "name": outcome.name,
        "state": outcome.state,
        "why": "" if shown else _why(outcome),
        "pictures": pictures if shown else {},
        "scores": [
            None if (value := outcome.scores[measure.key]) is None else round(value, _DECIMALS)
            for measure in LISTED
        ],
        "notes": outcome.notes,
        "links": _links(outcome, out),
    }


def _why(outcome: PairOutcome) -> str:
    """Why a pair has no picture."""
    if outcome.state == "failed":
        return outcome.error
    if outcome.state == "skipped":
        return "A result was there already and was left as it is; this batch has no small picture of it."
    return "Its small picture is no longer in the store; the next run of the batch makes it anew."


def _copy_pictures(outcome: PairOutcome, out: Path) -> dict[str, str]:
    """The names of a pair's small pictures by role, each of them beside the page."""
    names = {role: _copy(preview, out) for role, preview in outcome.previews.items()}
    return {role: name for role, name in names.items() if name is not None}


def _copy(preview: Reference, out: Path) -> str | None:
    """The name of a picture's copy; None if the store has it no more as it was written."""
    name = f"{preview.sha256[:32]}.jpg"
    copy = out / GALLERY_PICTURES / name
    if _is_whole(copy, preview):
        return name
    try:
        data = open_store().read(preview)
    except StoreMiss:
        return None
    # Another batch into the folder may write the same.
    write_bytes_atomically(copy, data, overwrite=True, durable=False)
    return name


def _is_whole(copy: Path, preview: Reference) -> bool:
    """Whether a copy is there as it was written: a power cut may have left less of it."""
    try:
        return sha256_of(copy.read_bytes()) == preview.sha256
    except OSError:
        return False


def _links(outcome: PairOutcome, out: Path) -> dict[str, str]:
    """Name -> address, relative to the page, of a pair's picture and report."""
    if not outcome.folder:
        return {}
    root = out.absolute()
    files = [Path(place).absolute() for place in (outcome.picture, f"{outcome.folder}/{REPORT}")]
    return {
        clean(path.name): quote(os.fsencode(path.relative_to(root).as_posix()))
        for path in files
        if path.is_relative_to(root)
        and path.is_file()  # one out of the folder leads nowhere once it is moved
    }


def _render(summary: Summary, rows: Sequence[dict[str, Any]]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flows"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["csp_hash"] = _csp_hash
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    measures = [{"label": each.label, "better": each.better, "digits": each.digits} for each in LISTED]
    data = {"pairs": rows, "measures": measures, "pictures": GALLERY_PICTURES}
    return environment.get_template(TEMPLATE).render(
        title=os.fsencode(summary.out.absolute().name).decode(errors="replace"),  # a name may be no text
        sentence=summary.sentence,
        models=summary.models,
        data=data,
    )


def _csp_hash(text: str) -> str:
    """What a content security policy calls an inline script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _remove_stale(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Remove the page's own pictures that it shows no more; a file with any other name is somebody else's."""
    shown = {name for row in rows for name in row["pictures"].values()}
    with contextlib.suppress(OSError):  # what stays behind does no harm
        for path in folder.iterdir():
            if _OWN_PICTURE.fullmatch(path.name) and path.name not in shown and path.is_file():
                path.unlink()
