"""Units of work as trials want them: noted as they begin and as they are kept, and steps of a fixed length.

Set by variables, for they reach every process that a trial starts:

``PST_TEST_LOG``
    File to which a line is appended for each unit: time, process, ``begun`` or ``kept``, cache key, name.
``PST_TEST_EVALUATION_SECONDS``
    Every unit is stood in for by one that computes nothing; each evaluation of an optimisation stage takes so
    many seconds. What a unit leaves depends on everything that went before, so that a lost or swapped step
    shows in the picture.
``PST_TEST_DEADLY``
    A unit and a content's name without extension, as ``render p7``: that unit kills its process.
"""

import functools
import hashlib
import inspect
import io
import os
import signal
import time
from pathlib import Path

SECONDS = "PST_TEST_EVALUATION_SECONDS"


def prepare(module):
    """Prepare the units that a module holds: note them, and stand in for them where that is asked for."""
    from prefect import Task

    from tasks.records import StoreRecords

    note = _notes(os.environ["PST_TEST_LOG"])
    for unit in [value for value in vars(module).values() if isinstance(value, Task)]:
        _prepare_unit(unit, note)
    _note_what_is_kept(StoreRecords, note)


def _notes(path):
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def note(event, key, name=""):
        os.write(log, f"{time.time():.3f} {os.getpid()} {event} {key} {name}\n".encode())

    return note


def _prepare_unit(unit, note):
    from tasks.keys import key_of

    work, signature = unit.fn, inspect.signature(unit.fn)
    stand_in = _STAND_INS.get(unit.name) if SECONDS in os.environ else None

    @functools.wraps(work)
    def begin(*args, **kwargs):
        inputs = dict(signature.bind(*args, **kwargs).arguments)
        note("begun", key_of(unit.name, inputs), unit.name)
        _die_if_deadly(unit.name, inputs)
        return (stand_in or work)(**inputs)

    unit.fn = begin


def _note_what_is_kept(records, note):
    """A unit's work is done once its record is in the store: from then on it must never begin again."""
    write = records.write_path

    @functools.wraps(write)
    def write_and_note(self, path, content, **options):
        written = write(self, path, content, **options)
        note("kept", self._key(path))
        return written

    records.write_path = write_and_note


def _die_if_deadly(name, inputs):
    unit, _, stem = os.environ.get("PST_TEST_DEADLY", "").partition(" ")
    if name != unit:
        return
    content = inputs["files"].content if "files" in inputs else inputs["content"]
    if content.path.stem == stem:
        os.kill(os.getpid(), signal.SIGKILL)


# --- what stands in for the steps: no torch, hardly any work, and real artifacts


def _put(data, kind, suffix):
    from pst_core.store import open_store

    return open_store().put(data, kind, suffix)


def _after(kind, *parts):
    """An artifact that tells what it was made of."""
    return _put(hashlib.sha256(repr(parts).encode()).hexdigest().encode(), kind, "parquet")


def _segment(files, settings, network):
    from tasks.results import Segmented

    described = {
        "source": "maps", "count": 1, "colors": ["#0000ff"], "names": ["blue"], "content_shares": [1.0],
        "style_shares": [1.0], "matched": [True],
    }  # fmt: skip
    regions = _after("regions", [(role, file.sha256) for role, file in files.given.items()])
    return Segmented(regions=regions, description=described, unmatched=False, notes=())


def _precompute(content, styles, regions, size, staged, settings, network):
    from tasks.results import Precomputed

    made_of = content.sha256, *(each.sha256 for each in (*styles, *regions)), size
    weights = {"name": "stand-in", "sha256": "0" * 64, "convention": "torchvision", "trained": True}
    return Precomputed(
        working=_after("working-pair", *made_of), targets=_after("targets", *made_of), weights=weights,
        device="stand-in", dtype="float32",
    )  # fmt: skip


def _start(working, settings):
    return _after("image", working.sha256)


def _enlarge(image, coarse, fine, settings):
    return _after("image", image.sha256, coarse.sha256, fine.sha256)


def _optimise(image, stage, targets, settings, network):
    from pst_core.optimisation.record import Evaluation
    from pst_core.pipeline.trace import StageTrace, losses_table
    from tasks.progress import tell
    from tasks.results import Optimised

    begun, each, trace = time.monotonic(), float(os.environ[SECONDS]), []
    for number in range(stage.iterations):
        trace.append(Evaluation(number, 1.0 / (number + 1), 0.5, 0.5))
        tell(stage, trace[-1])
        time.sleep(max(0.0, begun + (number + 1) * each - time.monotonic()))
    losses = losses_table([StageTrace(stage, tuple(trace))])
    return Optimised(
        image=_after("image", image.sha256, targets.sha256, stage.name),
        losses=_put(losses, "losses", "parquet"),
    )


def _filter(image, working, stage, settings):
    return _after("image", image.sha256, working.sha256, stage.name)


def _render(image, working, content, settings):
    """The content, tinted by everything that went before."""
    from PIL import Image

    from tasks.results import Rendered

    tint = bytes.fromhex(_after("image", image.sha256, working.sha256).sha256)[:3]
    with Image.open(content.path) as opened:
        picture = opened.convert("RGB")
    mixed = Image.blend(picture, Image.new("RGB", picture.size, tuple(tint)), 0.5)
    return Rendered(
        picture=_put(_png(mixed), "picture", "png"), described=_put(b"", "description", "chunks"),
        color_match=0.5, notes=(),
    )  # fmt: skip


def _score(picture, content, styles, regions, shares, models, network):
    from pst_core.pictures import shrink_picture
    from pst_core.quality.measures import REPORTED
    from pst_core.store import open_store
    from tasks.results import Scored

    shown = {
        "content": Path(content.path).read_bytes(), "style": Path(styles[0].path).read_bytes(),
        "result": open_store().read(picture),
    }  # fmt: skip
    previews = {role: _put(shrink_picture(data, 120), "preview", "jpg") for role, data in shown.items()}
    return Scored(scores={measure.key: 0.5 for measure in REPORTED}, models={}, previews=previews)


def _explain(stages, losses, regions):
    from PIL import Image

    from pst_core.pipeline.trace import join_losses, read_trace, summarise_losses
    from pst_core.store import open_store
    from tasks.results import Explained

    table = join_losses([open_store().read(each) for each in losses])
    blank = _png(Image.new("RGB", (60, 40), (90, 90, 160)))
    return Explained(
        losses=_put(table, "losses", "parquet"), curve=_put(blank, "curve", "png"),
        region_map=_put(blank, "region-map", "png"),
        stages=tuple(summarise_losses(read_trace(table, list(stages)))),
    )  # fmt: skip


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


# No trial asks for a look: the unit that fits one keeps its own work.
_STAND_INS = {
    "segment": _segment, "precompute": _precompute, "start": _start, "enlarge": _enlarge,
    "optimise": _optimise, "filter": _filter, "render": _render, "score": _score, "explain": _explain,
}  # fmt: skip
