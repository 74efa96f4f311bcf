"""A finished pair's folder: the picture, what explains it, and a report that knows the others' hashes.

The report is written last and says under which key the result was made: a folder whose report has today's key
and whose files have the report's hashes is done, whatever else happened.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.layout import CURVE, LOSSES, REGIONS, Place
from flows.orders.planning import Plan
from flows.results.conflicts import Wanted, bring_up_to_date, choose
from flows.results.looks import files_kept
from pst_core.images.writing import embed
from pst_core.pipeline.notes import notes_of
from pst_core.report import Run, read_own
from pst_core.steady import read_steadily
from pst_core.store.handing import bytes_of
from tasks.pair import Made


def choose_place(plan: Plan) -> Place | None:
    """Where the result goes by the order's policy on conflicts; None if what is there is to be left.

    Raises
    ------
    OutputError
        Something is in the way that is not this program's, or is not to be replaced.
    """
    found = choose(_wanted(plan))
    return None if found is None else found.place


def publish(plan: Plan, made: Made, key: str) -> Place | None:
    """Bring a finished pair's files up to date; where they lie, or None if what is there is to be left.

    What came there while the pair was computed is held to the order's policy like anything that was there
    before, down to the moment in which the result gets its name.

    Parameters
    ----------
    key
        Under which the result was made: the plan's, or that of a cheaper plan.

    Raises
    ------
    StoreMiss
        An artifact is gone from the store.
    OutputError
        As for `choose_place`, or the folder cannot be written.
    """
    while (found := choose(_wanted(plan))) is not None:
        if bring_up_to_date(found, _files(plan, made, key, found.place)):
            return found.place
    return None


def is_published(place: Place, key: str) -> bool:
    """Whether a place holds the result of this key, whole and unaltered."""
    report = read_report(place)
    files = report.get("files")
    if report.get("key") != key or not isinstance(files, dict):
        return False
    return all(_sha256(place.folder / str(name)) == sha256 for name, sha256 in files.items())


def notes_on(plan: Plan, made: Made) -> tuple[str, ...]:
    """What a person should know about a finished pair, first what had to be given up for want of memory."""
    given_up = [
        f"{name} {getattr(made.config, name)} in place of {getattr(plan.config, name)}"
        for name in ("size", "device", "precision")
        if getattr(made.config, name) != getattr(plan.config, name)
    ]
    spared = [f"The memory was not enough: made with {', '.join(given_up)}."] if given_up else []
    trained = bool(made.precomputed.weights["trained"])
    unmatched = any(each.unmatched for each in made.segmented)
    notes = [*(note for each in made.segmented for note in each.notes), *made.rendered.notes]
    return (*spared, *notes_of(notes, made.config, unmatched=unmatched, trained=trained))


def read_report(place: Place) -> dict[str, Any]:
    """The report of a place; empty if it has none of this program's."""
    return read_own(place.report)


def _wanted(plan: Plan) -> Wanted:
    return Wanted(plan.order.place, plan.key, plan.order.on_conflict)


def _files(plan: Plan, made: Made, key: str, place: Place) -> dict[Path, bytes]:
    """Every file of a result, in the order in which they are written: the report last."""
    run = _run(plan, made, place.picture)
    recipe = run.recipe().model_dump(mode="json")
    files = {
        place.picture_from_folder: embed(
            bytes_of(made.rendered.picture), bytes_of(made.rendered.described), recipe
        ),
        LOSSES: bytes_of(made.explained.losses),
        CURVE: bytes_of(made.explained.curve),
        REGIONS: bytes_of(made.explained.region_map),
        **({} if made.fitted is None else files_kept(made.fitted)),
    }
    # Places in a report are seen from where it lies; the picture is called the same there.
    seen = place.folder / place.picture.name
    report = (run if seen == place.picture else replace(run, output=seen)).report(
        pair=plan.order.name, key=key,
        scores=made.scored.scores | {"models": made.scored.models},
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )  # fmt: skip
    _, *beside = files
    paths = (place.picture, *(place.folder / name for name in beside), place.report)
    return dict(zip(paths, (*files.values(), report.to_json()), strict=True))


def _run(plan: Plan, made: Made, output: Path) -> Run:
    return Run(
        output, plan.order.paths, {role: file.sha256 for role, file in plan.files.given.items()},
        plan.order.preset, made.config, made.precomputed.weights, made.segmented[0].description,
        made.rendered.color_match, made.precomputed.device, made.precomputed.dtype, made.explained.stages,
        notes_on(plan, made), [each.description for each in made.segmented[1:]],
    )  # fmt: skip


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(read_steadily(path)).hexdigest()
    except OSError:
        return ""
