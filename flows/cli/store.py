"""`pst store`: what is kept, whether it is whole, and what can go."""

import json
from typing import TYPE_CHECKING

from cyclopts import App

from flows.cli.groups import Json
from pst_core.errors import ConfigError

if TYPE_CHECKING:
    from pst_core.store.upkeep import Damage, Pruned, Usage

store = App(name="store")


@store.default
def usage(*, as_json: Json = False) -> None:
    """Say what the store holds, and how much of it results need that are still in their folders.

    Parameters
    ----------
    as_json
        One JSON object.
    """
    from pst_core.store import open_store, upkeep

    kept = open_store()
    found = upkeep.usage(kept)
    print(found.model_dump_json() if as_json else f"{kept.root}\n{_usage_text(found)}")


@store.command
def verify(*, subset: str = "1/1", as_json: Json = False) -> int:
    """Read everything in the store and report what is not as it was written; the next run heals it.

    Parameters
    ----------
    subset
        n/t reads the n-th of t parts only, for large stores.
    as_json
        A JSON list of what was found.

    Returns
    -------
    int
        Exit status: 1 if anything is wrong.

    Raises
    ------
    ConfigError
        `subset` is not of the form n/t.
    """
    from pst_core.store import open_store, upkeep

    part, slash, parts = subset.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise ConfigError(f"--subset cannot be {subset!r}: write it as 1/10, the first of ten parts.")
    found = upkeep.verify(open_store(), (int(part), int(parts)))
    if as_json:
        print(json.dumps([damage.model_dump(mode="json") for damage in found]))
    else:
        print("\n".join([*map(_damage_text, found), _verdict(len(found))]))
    return 1 if found else 0


@store.command
def prune(*, older_than: float = 24.0, dry_run: bool = False, as_json: Json = False) -> None:
    """Remove what no result needs that is still in its folder.

    Parameters
    ----------
    older_than
        Hours: what was written later than this ago stays.
    dry_run
        Only tell what would go.
    as_json
        One JSON object.

    Raises
    ------
    StoreError
        A batch is running.
    """
    from pst_core.store import open_store, upkeep

    gone = upkeep.prune(open_store(), grace_seconds=3600.0 * older_than, dry_run=dry_run)
    print(gone.model_dump_json() if as_json else _pruned_text(gone, dry_run=dry_run))


def _usage_text(found: "Usage") -> str:
    return (
        f"{found.objects} artifacts, {found.records} steps' records, {found.receipts} finished pairs, "
        f"{_size(found.kept_bytes + found.other_bytes)}\n"
        f"{_size(found.kept_bytes)} are needed by results that are still in their folders; "
        f"pst store prune frees what it can of the other {_size(found.other_bytes)}."
    )


def _damage_text(damage: "Damage") -> str:
    needed = f", needed by {damage.needed_by}" if damage.needed_by else ""
    return f"{damage.problem}: {damage.path}{needed}"


def _verdict(count: int) -> str:
    if not count:
        return "Everything is as it was written."
    return f"{count} found; what a result needs is computed anew by the next run that needs it."


def _pruned_text(gone: "Pruned", *, dry_run: bool) -> str:
    verb = "would be removed" if dry_run else "removed"
    failures = f"; {gone.failures} could not be removed" if gone.failures else ""
    return (
        f"{gone.objects} artifacts, {gone.records} records, {gone.receipts} receipts and {gone.temporary} "
        f"leftovers {verb}: {_size(gone.bytes_freed)}{failures}."
    )


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
