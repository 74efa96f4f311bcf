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
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flows.layout import GALLERY, GALLERY_PAGES, GALLERY_PICTURES, REPORT
from flows.pairs.names import clean
from flows.results.outcomes import PairOutcome, Summary
from pst_core.files import sync_file_system, write_bytes_atomically
from pst_core.quality.measures import LISTED
from pst_core.store import Reference, StoreMiss, open_store
from pst_core.store.layout import sha256_of

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "gallery.html.j2"
PAGE_PAIRS = 500
_OWN_FILE = re.compile(
    "|".join([r"[0-9a-f]{32}\.jpg", GALLERY_PAGES.replace(".", r"\.").replace("*", "[0-9]+")])
)
_DECIMALS = 6  # of a score in the page: enough to sort by
_MOST_CHOICES = 100


def write_gallery(summary: Summary) -> Path | None:
    """Write the gallery of a batch, and copy the small pictures that it shows.

    A long batch has several pages, each with the next so many of its pairs. Pictures that no row shows any
    more, and pages that there are no more, are removed once a batch ran to its end; an interrupted one goes
    on, and will show them again.

    Returns
    -------
    Path or None
        The first page; None where no pair has anything to show, and nothing was written.

    Raises
    ------
    OutputError
        A page or a picture cannot be written.
    """
    out, outcomes = summary.out, summary.outcomes
    if not any(_row(outcome, _Page(out, 1)) for outcome in outcomes):  # mostly the first one has something
        return None
    pages, shown = _Pages(summary), set[str]()
    for page in reversed(pages.all):  # whatever ends this, no page leads to one that is not there
        rows = [row for outcome in pages.outcomes_on(page) if (row := _row(outcome, page)) is not None]
        if (out / GALLERY_PICTURES).is_dir():
            sync_file_system(out / GALLERY_PICTURES)  # before a page shows them: one call for all pictures
        write_bytes_atomically(page.path, _render(summary, pages, page, rows).encode(), overwrite=True)
        shown.add(page.path.name)
        shown.update(name for row in rows for name in row["pictures"].values())
    if len(outcomes) == summary.total:
        _remove_stale(out / GALLERY_PICTURES, shown)
    return pages.all[0].path


@dataclass(frozen=True)
class _Page:
    """A page of the gallery, by its number from 1 on: the first lies above the folder of the others."""

    out: Path
    number: int

    @property
    def path(self) -> Path:
        if self.number == 1:
            return self.out / GALLERY
        return self.out / GALLERY_PICTURES / GALLERY_PAGES.replace("*", str(self.number))

    @property
    def up(self) -> str:
        """The batch's folder as seen from here: what addresses of files in it begin with."""
        return "" if self.number == 1 else "../"

    def address_of(self, other: "_Page") -> str:
        """Another page's address as seen from here."""
        return self.up + other.path.relative_to(self.out).as_posix()


class _Pages:
    """All pages, and what each of them says of the others."""

    def __init__(self, summary: Summary) -> None:
        self._outcomes = summary.outcomes
        count = max(1, -(-len(self._outcomes) // PAGE_PAIRS))
        self.all = [_Page(summary.out, number) for number in range(1, count + 1)]
        self._failed = Counter(index // PAGE_PAIRS + 1 for index in summary.failed.indices)
        self._names = [(part[0].name, part[-1].name) for part in map(self.outcomes_on, self.all) if count > 1]

    def outcomes_on(self, page: _Page) -> Sequence[PairOutcome]:
        """Those of the page's pairs."""
        return self._outcomes[(page.number - 1) * PAGE_PAIRS : page.number * PAGE_PAIRS]

    def choices(self, page: _Page) -> list[dict[str, Any]]:
        """Pages to go to: all, or of very many some from all over and those beside; none of a single one."""
        if len(self.all) == 1:
            return []
        step = -(-len(self.all) // _MOST_CHOICES)
        beside = range(page.number - 1, page.number + 2)
        ends = 1, len(self.all)
        chosen = [
            each for each in self.all
            if each.number in beside or each.number in ends or each.number % step == 0
        ]  # fmt: skip
        return [self._choice(each, page) for each in chosen]

    def next_failure(self, page: _Page) -> str | None:
        """Address of the next page that has failures."""
        found = (each for each in self.all[page.number :] if self._failed[each.number])
        other = next(found, None)
        return None if other is None else page.address_of(other)

    def _choice(self, other: _Page, page: _Page) -> dict[str, Any]:
        first, last = self._names[other.number - 1]
        return {
            "number": other.number, "address": page.address_of(other), "first": first, "last": last,
            "failed": self._failed[other.number],
        }  # fmt: skip


def _row(outcome: PairOutcome, page: _Page) -> dict[str, Any] | None:
    """What a page knows of a pair; None if there is nothing to show or to say."""
    pictures = {} if outcome.state == "failed" else _copy_pictures(outcome, page.out)
    shown = "result" in pictures
    has_folder = outcome.folder and Path(outcome.folder).is_dir()
    if not shown and outcome.state != "failed" and not has_folder:
        return None
    return {
        "name": outcome.name,
        "state": outcome.state,
        "why": "" if shown else _why(outcome),
        "pictures": pictures if shown else {},
        "strength": outcome.strength if shown and "content" in pictures else None,
        "scores": [
            None if (value := outcome.scores[measure.key]) is None else round(value, _DECIMALS)
            for measure in LISTED
        ],
        "notes": outcome.notes,
        "links": _links(outcome, page),
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


def _links(outcome: PairOutcome, page: _Page) -> dict[str, str]:
    """Name -> address, relative to the page, of a pair's picture and report."""
    if not outcome.folder:
        return {}
    root = page.out.absolute()
    files = [Path(place).absolute() for place in (outcome.picture, f"{outcome.folder}/{REPORT}")]
    return {
        clean(path.name): page.up + quote(os.fsencode(path.relative_to(root).as_posix()))
        for path in files
        if path.is_relative_to(root)
        and path.is_file()  # one out of the folder leads nowhere once it is moved
    }


def _render(summary: Summary, pages: _Pages, page: _Page, rows: Sequence[dict[str, Any]]) -> str:
    measures = [{"label": each.label, "better": each.better, "digits": each.digits} for each in LISTED]
    data = {
        "pairs": rows, "measures": measures, "pictures": f"{page.up}{GALLERY_PICTURES}",
        "page": page.number, "pages": pages.choices(page), "nextFailure": pages.next_failure(page),
    }  # fmt: skip
    name = os.fsencode(summary.out.absolute().name).decode(errors="replace")  # a name may be no text
    return _template().render(
        title=name if len(pages.all) == 1 else f"{name}, page {page.number} of {len(pages.all)}",
        sentence=summary.sentence,
        models=summary.models,
        data=data,
    )


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flows"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["csp_hash"] = _csp_hash
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template(TEMPLATE)


def _csp_hash(text: str) -> str:
    """What a content security policy calls an inline script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _remove_stale(folder: Path, shown: Container[str]) -> None:
    """Remove own pictures and pages that are no more; a file with any other name is somebody else's."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # what stays behind does no harm
        for entry in entries:
            if _OWN_FILE.fullmatch(entry.name) and entry.name not in shown and entry.is_file():
                os.unlink(entry)  # noqa: PTH108 - there may be very many
