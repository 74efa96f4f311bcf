"""`pst store` on the screen and as JSON."""

import json

from pst_core.errors import ConfigError
from pst_core.store import open_store
from pst_core.store.upkeep import Damage, Pruned, Usage, prune, usage, verify

__all__ = ["print_damage", "print_pruned", "print_usage"]


def print_usage(*, as_json: bool) -> None:
    """Print what the store holds."""
    store = open_store()
    found = usage(store)
    print(found.model_dump_json() if as_json else f"{store.root}\n{_usage_text(found)}")


def print_damage(subset: str, *, as_json: bool) -> int:
    """Read the store and print what is wrong with it; exit status 1 if anything is.

    Raises
    ------
    ConfigError
        `subset` is not of the form n/t.
    """
    part, slash, parts = subset.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise ConfigError(f"--subset cannot be {subset!r}: write it as 1/10, the first of ten parts.")
    found = verify(open_store(), (int(part), int(parts)))
    if as_json:
        print(json.dumps([damage.model_dump(mode="json") for damage in found]))
    else:
        print("\n".join([*map(_damage_text, found), _verdict(len(found))]))
    return 1 if found else 0


def print_pruned(hours: float, *, dry_run: bool, as_json: bool) -> None:
    """Prune the store and print what went.

    Raises
    ------
    StoreError
        A batch is running.
    """
    gone = prune(open_store(), grace_seconds=3600.0 * hours, dry_run=dry_run)
    print(gone.model_dump_json() if as_json else _pruned_text(gone, dry_run=dry_run))


def _usage_text(found: Usage) -> str:
    return (
        f"{found.objects} artifacts, {found.records} steps' records, {found.receipts} finished pairs, "
        f"{_size(found.kept_bytes + found.other_bytes)}\n"
        f"{_size(found.kept_bytes)} are needed by results that are still in their folders; "
        f"pst store prune frees what it can of the other {_size(found.other_bytes)}."
    )


def _damage_text(damage: Damage) -> str:
    needed = f", needed by {damage.needed_by}" if damage.needed_by else ""
    return f"{damage.problem}: {damage.path}{needed}"


def _verdict(count: int) -> str:
    if not count:
        return "Everything is as it was written."
    return f"{count} found; what a result needs is computed anew by the next run that needs it."


def _pruned_text(gone: Pruned, *, dry_run: bool) -> str:
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
