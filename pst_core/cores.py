"""How many of the machine's cores a process may use, and how its threads wait for one another."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_PASSIVE = {
    "OMP_WAIT_POLICY": "passive",
    # OpenBLAS, behind NumPy and SciPy, is no OpenMP: its threads spin for 2 to the power of this cycles.
    "OPENBLAS_THREAD_TIMEOUT": "4",  # the least that it takes; it has 26, which are milliseconds
}
_THREADS = "OMP_NUM_THREADS"
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")

_chosen_here: dict[str, str] = {}


def prepare_threads() -> None:
    """Let threads sleep while they wait, as many as there are cores for; a user's own variables stay.

    Threads that spin while they wait, as OpenMP's and OpenBLAS's do otherwise, make processes that share a
    machine several times slower. Libraries see by themselves which cores affinity leaves them, but no quota.
    All of this goes by environment variables, which libraries read as they are loaded: what was loaded before
    stays as it is.
    """
    wished = dict(_PASSIVE)
    if usable_cores() < _cores_by_affinity():
        wished[_THREADS] = str(usable_cores())
    for name, value in wished.items():
        if name not in os.environ:
            os.environ[name] = _chosen_here[name] = value


def inherited_environment() -> Mapping[str, str]:
    """The environment without what `prepare_threads` chose for this process: others choose for themselves."""
    return {name: value for name, value in os.environ.items() if _chosen_here.get(name) != value}


def usable_cores() -> int:
    """Those that affinity and control groups leave it, as containers and services have them; at least one."""
    return max(1, min([_cores_by_affinity(), *map(int, _quotas())]))


def _cores_by_affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """What the process's control groups of either version, and those above them, may use, in cores."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for root in _roots(controllers):
            own = root / path.lstrip("/")
            for group in (own, *own.parents):
                if group.is_relative_to(root):
                    yield from _quota(group)


def _roots(controllers: str) -> tuple[Path, ...]:
    """Where the hierarchy of these controllers may be mounted: version 2 has one, which names none."""
    if not controllers:
        return (_GROUPS, _GROUPS / "unified")
    return (_GROUPS / "cpu", _GROUPS / controllers) if "cpu" in controllers.split(",") else ()


def _quota(group: Path) -> Iterator[float]:
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            microseconds, period = map(int, " ".join((group / name).read_text() for name in files).split())
            if microseconds > 0:  # version 1 says -1 for none
                yield microseconds / period
        except (OSError, ValueError, ZeroDivisionError):  # no such files, or "max"
            continue
