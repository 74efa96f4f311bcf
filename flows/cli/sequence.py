"""`pst run --sequence`: numbered frames, or a video, under one look."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.helpers import NOBODY, Helpers
from flows.runtime.failures import SOME_FAILED
from pst_core.errors import ConfigError

if TYPE_CHECKING:
    from flows.cli.options import Chosen
    from flows.orders.conflicts import OnConflict
    from flows.orders.sequence_order import SequenceOrder


@dataclass(frozen=True)
class SequenceOptions:
    """What `pst run` is asked of a sequence alone.

    Attributes
    ----------
    maps, style_map, video : Path, optional
    key_every : int, optional
    rate : float, optional
    """

    maps: Path | None = None
    style_map: Path | None = None
    video: Path | None = None
    key_every: int | None = None
    rate: float | None = None

    def refuse(self) -> None:
        """Say that these are for sequences.

        Raises
        ------
        ConfigError
            One of them is given.
        """
        for name, value in vars(self).items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(
                    f"{option} is for a sequence: name its frames with --sequence, or leave it out."
                )


def refuse_beside_sequence(**options: object) -> None:
    """Say which of a batch's options a sequence does not have.

    Raises
    ------
    ConfigError
        One of them is given.
    """
    for name, value in options.items():
        if value:
            what = "A folder of pairs" if name == "source" else f"--{name.replace('_', '-')}"
            raise ConfigError(f"{what} does not go with --sequence: leave it out.")


def make_sequence_order(
    source: Path,
    style: Path | None,
    out: Path | None,
    chosen: "Chosen",
    settings: dict[str, Any],
    options: SequenceOptions,
    on_conflict: "OnConflict",
) -> "SequenceOrder":
    """An order from the command line.

    Raises
    ------
    ConfigError
        The style or the output is not named, or a number is out of its range.
    """
    if style is None:
        raise ConfigError("A sequence takes its look from one photograph: name it with --style FILE.")
    if out is None:
        raise ConfigError("Say where the results go, with --out DIR (or -o).")
    from pydantic import ValidationError

    from flows.orders.sequence_order import SequenceOrder
    from pst_core.settings.config import SequenceSettings, explain

    numbers = {"key_every": options.key_every, "rate": options.rate}
    given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    try:
        sequence = SequenceSettings(**given)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error
    return SequenceOrder.model_validate({
        "source": source, "style": style, "out": out, "maps": options.maps, "style_map": options.style_map,
        "video": options.video, "preset": chosen.preset, "settings": settings, "sequence": sequence,
        "on_conflict": on_conflict,
    })  # fmt: skip


def carry_out_sequence(
    order: "SequenceOrder", *, quiet: bool, as_json: bool, helpers: Helpers = NOBODY
) -> int:
    """Run a sequence to its end; the exit status."""
    from flows.cli.running import ended, run_anywhere
    from flows.display.batch import choose_watcher, print_summary
    from flows.orders.sequence_order import check_sequence
    from flows.runtime.settings import import_prefect

    import_prefect()
    helpers.check()
    from flows.results.sequence_video import check_video_place
    from flows.sequence import run_sequence

    found = check_sequence(order)  # known before a server is even started
    check_video_place(order)
    watcher = choose_watcher(quiet=quiet, as_json=as_json, of="frame")
    summary, server_lost = run_anywhere(
        watcher, order.out,
        lambda own: helpers.run(own, watcher, lambda pool: run_sequence(order, found, pool)),
    )  # fmt: skip
    if not (quiet or as_json):
        print_summary(summary)
    if summary.failed and not as_json:
        print(f"To run what failed once more: pst resume {summary.out}", file=sys.stderr)
    return ended(SOME_FAILED if summary.failed else 0, server_lost=server_lost)
