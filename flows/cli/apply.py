"""`pst apply`: a look applied to a folder of photographs."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from flows.cli.groups import OUT, OUTPUT, Flag, Json, Quiet
from flows.cli.options import NO_OPTIONS, resolve
from flows.orders.conflicts import OnConflict
from flows.runtime.failures import SOME_FAILED
from pst_core.settings.config import MetadataPolicy, OutputSettings

if TYPE_CHECKING:
    from flows.orders.apply_order import ApplyOrder


def apply(
    look: Path,
    source: Path,
    /,
    *,
    out: Annotated[Path, OUT],
    maps: Path | None = None,
    whole: Flag = False,
    on_conflict: OnConflict = "changed",
    bit_depth: Annotated[Literal["auto", "8", "16"] | None, Parameter(group=OUTPUT)] = None,
    metadata: Annotated[MetadataPolicy | None, Parameter(group=OUTPUT)] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Apply a look to every photograph of a folder; the exit status.

    Parameters
    ----------
    look
        A .cube file; a folder that pst look wrote; or a pair's folder of results, whose look is fitted first.
    source
        Folder of photographs, or with content/ and, called like these, their maps in content_maps/.
    out
        Folder for the results: DIR/NAME.png.
    maps
        Folder of the photographs' semantic maps. Without maps regions are found as the look's own were, if
        those were found; else the whole look is applied.
    whole
        Apply the look as a whole, wherever regions lie.
    on_conflict
        What becomes of a result that is there, as for pst run.
    bit_depth
        Bits per channel of the results; auto: each photograph's.
    metadata
        What goes along of each photograph's EXIF, XMP, IPTC and DPI: all, all but the place, or none.
    as_json
        One JSON object per line on stdout, as for pst run; a pair is a photograph.
    """
    from flows.orders.apply_order import ApplyOrder

    chosen = resolve(replace(NO_OPTIONS, bit_depth=bit_depth, metadata=metadata))
    order = ApplyOrder(
        look=look, source=source, out=out, maps=maps, whole=whole, on_conflict=on_conflict,
        settings=chosen.config.section(OutputSettings),
    )  # fmt: skip
    return carry_out_application(order, quiet=quiet, as_json=as_json)


def carry_out_application(order: "ApplyOrder", *, quiet: bool, as_json: bool) -> int:
    """Apply a look to its end; the exit status."""
    from flows.cli.running import ended, run_anywhere
    from flows.display.batch import choose_watcher, print_summary
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows.apply import check_application, run_application

    found = check_application(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json, of="photograph")
    summary, server_lost = run_anywhere(watcher, order.out, lambda _: run_application(order, found))
    if not (quiet or as_json):
        print_summary(summary)
    return ended(SOME_FAILED if summary.failed else 0, server_lost=server_lost)
