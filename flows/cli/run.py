"""`pst run`: a batch of pairs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from flows.cli.groups import OUT, Flag, Json, Pool, Quiet, Workers
from flows.cli.helpers import NOBODY, Helpers
from flows.cli.options import NO_OPTIONS, Chosen, SettingOptions, resolve
from flows.cli.sequence import (
    SequenceOptions,
    carry_out_sequence,
    make_sequence_order,
    refuse_beside_sequence,
)
from flows.orders.conflicts import OnConflict
from flows.pairs.pair import Pairing
from flows.runtime.failures import SOME_FAILED
from pst_core.errors import ConfigError

if TYPE_CHECKING:
    from flows.orders.batch_order import BatchOrder


def run(
    source: Path | None = None,
    /,
    *,
    out: Annotated[Path | None, OUT] = None,
    pairing: Pairing = "auto",
    style: Path | None = None,
    on_conflict: OnConflict = "changed",
    flat: Flag = False,
    name: str | None = None,
    look: Flag = False,
    anchor: str | None = None,
    sequence: Path | None = None,
    maps: Path | None = None,
    style_map: Path | None = None,
    key_every: int | None = None,
    video: Path | None = None,
    rate: float | None = None,
    allow_outside: Flag = False,
    dry_run: Flag = False,
    workers: Workers = None,
    pool: Pool = None,
    quiet: Quiet = False,
    as_json: Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Run a batch to its end, or list what it would do; the exit status.

    Parameters
    ----------
    source
        Folder with content/ and style/ (equal names make a pair; maps in content_maps/ and style_maps/), or a
        manifest: .csv, .jsonl or .parquet with columns content and style, and any setting.
    out
        Folder for the results: DIR/PAIR/result.png with its report, losses and regions.
    pairing
        pairs: equal names. one-style: every photograph with --style. every-style: every content with every
        style. luan: input/inN, style/tarN, segmentation/. auto finds out.
    style
        One style photograph for the whole folder.
    on_conflict
        What becomes of a result that is there. changed: replaced if inputs or settings changed. skip: left.
        overwrite: replaced, whoever made it. unique: a folder beside it. fail: the pair fails.
    flat
        All pictures in DIR itself, called like their pairs: DIR/PAIR.png; everything else in DIR/details.
    name
        The same with names of your own, made of {name} (the pair's), {content}, {style}, {preset}, {ext}.
    look
        Write each result's look beside it: look.cube, and per region look.REGION.cube and its mask.
    anchor
        Restyle the photograph of this name alone; the others take its look, each at its own exposure.
    sequence
        Folder of numbered frames, or a video, in place of the folder of pairs: all of it under the look of
        --style, which changes smoothly. DIR/frames/NAME.png.
    maps
        Of a sequence: folder of the frames' semantic maps, called like the frames.
    style_map
        Of a sequence: semantic map of the style, where there are maps.
    key_every
        Of a sequence: frames from one key frame, which is a pair, to the next at most (24).
    video
        Of a sequence: video to be made of the results (.mp4, .mov, .mkv); of a video one is made anyway.
    rate
        Of numbered frames: frames a second of that video (24).
    allow_outside
        Let a manifest's paths lead out of its folder.
    dry_run
        List the pairs, or a sequence's frames, and what is done of each; do nothing.
    workers
        So many processes do pairs side by side, each with a GPU or a share of the cores; auto: as many as
        keep the GPUs busy.
    pool
        Have the pairs done by the workers of this work pool, on the server that PREFECT_API_URL names.
    as_json
        One JSON object per line on stdout: event server, batch, start, pair (a pair's end), summary, error.
    """
    from flows.cli.status import list_sequence, list_standings
    from flows.orders.picture_names import LIKE_PAIRS

    helpers = Helpers(workers, pool)
    of_sequence = SequenceOptions(maps, style_map, video, key_every, rate)
    if sequence is not None:
        refuse_beside_sequence(
            source=source,
            pairing=pairing != "auto",
            flat=flat,
            name=name,
            look=look,
            anchor=anchor,
            allow_outside=allow_outside,
        )
        chosen = resolve(options)
        frames = make_sequence_order(
            sequence, style, out, chosen, lasting_settings(chosen), of_sequence, on_conflict
        )
        if dry_run:
            return list_sequence(frames, as_json=as_json)
        return carry_out_sequence(frames, quiet=quiet, as_json=as_json, helpers=helpers)
    of_sequence.refuse()
    order = make_order(
        source, out, resolve(options), pairing=pairing, style=style, on_conflict=on_conflict,
        allow_outside=allow_outside, look=look, anchor=anchor,
        picture_name=LIKE_PAIRS if flat and name is None else name,
    )  # fmt: skip
    if dry_run:
        return list_standings(order, as_json=as_json)
    return carry_out(order, quiet=quiet, as_json=as_json, helpers=helpers)


def make_order(
    source: Path | None,
    out: Path | None,
    chosen: Chosen,
    **details: Any,  # noqa: ANN401 - BatchOrder's
) -> "BatchOrder":
    """An order from the command line.

    Raises
    ------
    ConfigError
        Folder or output is not named.
    """
    if source is None:
        raise ConfigError("A folder or a manifest is needed: pst run FOLDER --out DIR.")
    if out is None:
        raise ConfigError("Say where the results go, with --out DIR (or -o).")
    from flows.orders.batch_order import BatchOrder

    asked = {"source": source, "out": out, "preset": chosen.preset, "settings": lasting_settings(chosen)}
    return BatchOrder.model_validate(asked | details)


def lasting_settings(chosen: Chosen) -> dict[str, Any]:
    """What was asked for, with files as seen from anywhere: an order may be carried out elsewhere."""
    from pst_core.network.identity import UNTRAINED

    settings = {name: getattr(chosen.config, name) for name in chosen.given}
    if settings.get("weights") not in (None, UNTRAINED):
        settings["weights"] = str(Path(settings["weights"]).expanduser().absolute())
    for name in ("segmentation_model", "segmentation_merges", "onnx_classes"):  # a model may be the hub's
        if settings.get(name) and (path := Path(settings[name]).expanduser()).exists():
            settings[name] = str(path.absolute())
    return settings


def carry_out(order: "BatchOrder", *, quiet: bool, as_json: bool, helpers: Helpers = NOBODY) -> int:
    """Run a batch to its end; the exit status.

    A server that goes away on the way is replaced by one of our own: what is finished is found done there.
    """
    from flows.cli.running import ended, run_anywhere
    from flows.display.batch import choose_watcher, print_summary
    from flows.orders.batch_order import check_order
    from flows.runtime.settings import import_prefect

    import_prefect()
    helpers.check()
    from flows.batch import run_batch

    found = check_order(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    summary, server_lost = run_anywhere(
        watcher, order.out, lambda own: helpers.run(own, watcher, lambda pool: run_batch(order, found, pool))
    )
    if not (quiet or as_json):
        print_summary(summary)
    if summary.failed and not as_json:
        print(f"To run what failed once more: pst resume {summary.out}", file=sys.stderr)
    return ended(SOME_FAILED if summary.failed else 0, server_lost=server_lost)
