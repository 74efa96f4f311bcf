"""What Prefect's UI shows: a report for each pair, a table and a contact sheet for a batch, progress.

Only pictures inside the page show there (data URIs), and a page over 500 KB is dropped on its way.
"""

import base64
import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.display.meter import Meter
from flows.layout import OUTCOMES, Place
from flows.orders.planning import Plan
from flows.results.outcomes import PairOutcome, Summary
from flows.results.publication import notes_on
from pst_core.markdown import escape_markdown
from pst_core.pipeline.plan import Stage, plan_stages
from pst_core.printing import printable
from pst_core.quality.measures import LISTED, REPORTED, in_words
from pst_core.store import StoreMiss, open_store
from pst_core.store.handing import bytes_of
from tasks.pair import Made

if TYPE_CHECKING:
    from pathlib import Path

    from pst_core.optimisation.record import Evaluation

MOST_BYTES = 345_000  # of a picture: in base64 it fills a page
STRIP_BYTES = 80_000  # of a strip of strengths: a pair's page has other pictures, too
MOST_ROWS = 500
SHOWN = ("content", "style", "result")
SHEET_PAIRS = 48
SHEET_SIDES = {12: 300, SHEET_PAIRS: 180}  # pixels of a picture, on sheets of up to so many pairs
ROW_SIDE, LARGE_SIDE = 250, 480  # pixels
PROGRESS_SECONDS = 4.0


class ProgressPage:
    """One progress artifact, updated in place, never more often than the server likes.

    A thread of its own sends what is newest: whoever computes never waits for the server.
    """

    def __init__(self, name: str, folder: "Path", stages: Sequence[Stage]) -> None:
        self.meter = Meter(stages)
        self._key = _key("progress", name, str(folder.absolute()))
        self._description = f"Evaluations of {escape_markdown(name)}"
        self._newest = 0.0
        self._over, self._left = threading.Event(), False
        self._trouble: Exception | None = None
        # Ends with the process, however long a server takes to answer.
        self._sender = threading.Thread(target=copy_context().run, args=(self._send,), daemon=True)
        self._sender.start()

    def update(self, stage: Stage, evaluation: "Evaluation") -> None:
        """Show how far a stage is."""
        self._newest = 100.0 * self.meter.done_at(stage, evaluation) / max(self.meter.total, 1)

    def end(self) -> None:
        """Show that all is done; what the server's client raised so far it raises here."""
        self._newest = 100.0
        self._over.set()
        self._sender.join()
        if self._trouble is not None:
            raise self._trouble

    def leave(self) -> None:
        """Show no more, and wait for nothing."""
        self._left = True
        self._over.set()

    def _send(self) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        try:
            page: UUID | None = create_progress_artifact(  # type: ignore[assignment]
                progress=0.0, key=self._key, description=self._description
            )
            shown, over = 0.0, page is None
            while not over:
                over = self._over.wait(PROGRESS_SECONDS)
                if self._left:
                    return
                if (newest := self._newest) != shown:
                    update_progress_artifact(artifact_id=page, progress=newest)  # type: ignore[arg-type]
                    shown = newest
        except Exception as error:  # noqa: BLE001 - raised where the end is waited for
            self._trouble = error


def show_pair(plan: Plan, made: Made, place: Place) -> None:
    """Create the report of a finished pair."""
    from prefect.artifacts import create_markdown_artifact

    create_markdown_artifact(
        key=_key("pair", plan.order.name, str(place.folder.absolute())),
        markdown=_pair_page(plan, made, place),
        description=f"{escape_markdown(plan.order.name)}: {in_words(made.scored.scores)}",
    )  # fmt: skip


def show_batch(summary: Summary, sheet: bytes | None, shown: Sequence[str] = SHOWN) -> None:
    """Create the table of a batch, and the page of its contact sheet, which shows pictures so called."""
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    key = _key("batch", summary.out.name, str(summary.out.absolute()))
    models = f"; {summary.models}" if summary.models else ""
    told = ". ".join([f"{summary.sentence}{models}", *summary.notes])
    create_table_artifact(key=key, table=_rows(summary), description=escape_markdown(told))
    if sheet is not None:
        picture = _fitting("contact sheet", sheet)
        page = f"# {escape_markdown(summary.out.name)}\n\n{', '.join(shown).capitalize()}.\n\n{picture}\n"
        create_markdown_artifact(key=f"{key}-sheet", markdown=page, description="Contact sheet")


def show_evaluation(out: "Path", markdown: str, picture: bytes) -> None:
    """Create the page of an evaluation: its table, and the picture that was drawn."""
    from prefect.artifacts import create_markdown_artifact

    drawn = _fitting("what was drawn", picture)
    create_markdown_artifact(
        key=_key("evaluation", out.name, str(out.absolute())),
        markdown=f"# {escape_markdown(out.name)}\n\n{markdown}\n\n{drawn}\n\nFiles lie in `{_code(out)}`.\n",
        description="Evaluation",
    )  # fmt: skip


def draw_sheet(summary: Summary, shown: Sequence[str] = SHOWN) -> bytes | None:
    """Draw pictures so called of pairs from all over the batch, PNG; None where there is none."""
    from pst_core.pictures import draw_contact_sheet

    pictured = summary.outcomes.pictured
    step = -(-len(pictured) // SHEET_PAIRS) or 1
    rows = []
    for outcome in pictured[::step]:
        try:
            pictures = [open_store().read(outcome.previews[role]) for role in shown]
        except (StoreMiss, KeyError):
            continue  # a preview that is gone, or is no longer what it was, is no reason to have no sheet
        rows.append((outcome.name, pictures))
    side = next(side for most, side in SHEET_SIDES.items() if len(rows) <= most)
    return draw_contact_sheet(rows, side=side) if rows else None


def _pair_page(plan: Plan, made: Made, place: Place) -> str:
    pictures = _pictures(made)
    scored, weights = made.scored, made.precomputed.weights
    regions = [each.description for each in made.segmented]
    by = {key: f" ({escape_markdown(model)})" for key, model in scored.models.items()}
    rows = [
        (f"{each.explanation or each.label}{by.get(each.key, '')}", each.text(scored.scores[each.key]))
        for each in REPORTED
    ]
    rows += [
        ("Regions", ", ".join(f"{each['count']} ({each['source']})" for each in regions)),
        ("Stages", str(len(plan_stages(made.config, plan.files.content.side)))),
        ("Weights", escape_markdown(f"{weights['name']}, sha256 {weights['sha256'][:12]}")),
        ("Device", escape_markdown(f"{made.precomputed.device}, {made.precomputed.dtype}")),
    ]
    files = {**{role: file.path for role, file in plan.files.given.items()}, "result": place.picture}
    return "\n".join([
        f"# {escape_markdown(plan.order.name)}", "",
        "| content | style | result |", "| --- | --- | --- |",
        f"| {pictures['content']} | {pictures['style']} | {pictures['result']} |", "",
        pictures["large"], "",
        *(("## Strength", "", pictures["strengths"], "") if "strengths" in pictures else ()),
        *(f"> {escape_markdown(note)}\n" for note in notes_on(plan, made)),
        "| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows), "",
        "## Regions", "", pictures["regions"], "",
        *(line for each in regions for line in (*region_rows(each), "")),
        "## Losses", "", pictures["curve"], "",
        "## Files", "", *(f"- {role}: `{_code(path)}`" for role, path in files.items()), "",
        f"Report, losses and regions lie in `{_code(place.folder)}`.",
    ])  # fmt: skip


def region_rows(regions: Mapping[str, Any]) -> list[str]:
    """A table of the regions: how the picture shows them, how large they are, what the maps call them.

    The last is left out where it says no more than the colours do.
    """
    colors, names = regions["colors"], regions["names"]
    columns = {
        "region": [*map(str, range(len(colors)))],
        "shown in": [*map(escape_markdown, colors)],
        "of the content": [f"{share:.1%}" for share in regions["content_shares"]],
        "of the style": [f"{share:.1%}" for share in regions["style_shares"]],
    }
    if any(name.lower() != color.lower() for name, color in zip(names, colors, strict=True)):
        columns["called"] = [*map(escape_markdown, names)]
    rows = [[*columns], ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _pictures(made: Made) -> dict[str, str]:
    from pst_core.pictures import as_jpeg, draw_strengths, shrink_picture, shrink_regions

    data = {role: bytes_of(made.scored.previews[role]) for role in SHOWN}
    regions = shrink_regions(bytes_of(made.explained.region_map))
    strength, strengths = made.config.strength, {}
    if strength > 0:  # else the result has no change of colours that could go on
        strip = as_jpeg(draw_strengths(data["content"], data["result"], strength), STRIP_BYTES)
        strengths = {"strengths": _image("the result at other strengths", strip)}
    return {
        **{role: _image(role, shrink_picture(picture, ROW_SIDE)) for role, picture in data.items()},
        "large": _image("result", shrink_picture(data["result"], LARGE_SIDE)),
        "regions": _image("regions of content and style", regions, "png"),
        "curve": _image("losses", bytes_of(made.explained.curve), "png"),
        **strengths,
    }


def _rows(summary: Summary) -> list[dict[str, str]]:
    """Failures first; of a long batch only so many rows as the page can hold."""
    ordered = chain(summary.failed, summary.outcomes.not_failed)
    rows = [_table_row(outcome) for outcome in islice(ordered, MOST_ROWS)]
    if (more := len(summary.outcomes) - MOST_ROWS) > 0:
        rows.append({"pair": f"and {more} more", "state": "", "why": f"see {OUTCOMES}"})
    return rows


def _table_row(outcome: PairOutcome) -> dict[str, str]:
    return {
        "pair": escape_markdown(outcome.name),
        "state": outcome.state,
        "why": escape_markdown(outcome.error or " ".join(outcome.notes)),
        "steps cached": f"{outcome.steps_cached} of {outcome.steps}",
        "seconds": f"{outcome.seconds:.1f}",
        **{measure.label: measure.text(outcome.scores[measure.key]) for measure in LISTED},
        "folder": escape_markdown(outcome.folder),
    }


def _key(kind: str, name: str, identity: str) -> str:
    """A key in the letters Prefect allows; the identity's hash keeps apart what looks alike in them."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-40:].strip("-") or "pair"
    return f"pst-{kind}-{slug}-{hashlib.sha256(os.fsencode(identity)).hexdigest()[:6]}"


def _image(name: str, data: bytes, kind: str = "jpeg") -> str:
    return f"![{name}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


def _fitting(name: str, picture: bytes) -> str:
    """A picture that is shrunk until a page can hold it."""
    from pst_core.pictures import as_jpeg

    return _image(name, as_jpeg(picture, MOST_BYTES))


def _code(text: object) -> str:
    return printable(text).replace("`", "'")
