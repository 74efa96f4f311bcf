"""How many of the machine's cores a process may use."""

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Those that affinity and control groups leave it, as containers and services have them; at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(int, _quotas())]))


def _quotas() -> Iterator[float]:
    """What the process's control group, and those above it, may use, in cores."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:  # no Linux
        return
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for group in (_GROUPS / own, *(_GROUPS / own).parents):
        if group.is_relative_to(_GROUPS):
            yield from _quota(group)


def _quota(group: Path) -> Iterator[float]:
    try:
        microseconds, period = (group / "cpu.max").read_text().split()
        yield int(microseconds) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # none, or "max"
        return
