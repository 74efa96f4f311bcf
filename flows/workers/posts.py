"""Where the workers of a machine stand: each has a GPU of its own, or a share of the cores."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import gethostname
from typing import Literal

from pst_core.cores import inherited_environment, usable_cores
from pst_core.errors import ConfigError

Number = int | Literal["auto"]
"""How many workers; auto means one per visible GPU, without a GPU one."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
_COUNT = "from pst_core.machine import count_gpus; print(count_gpus())"


@dataclass(frozen=True)
class Post:
    """Where a worker stands.

    Attributes
    ----------
    name : str
        Told in Prefect's UI.
    environment : mapping
        Variables that bind what runs there.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find_posts(number: Number) -> tuple[Post, ...]:
    """The posts of this machine.

    Parameters
    ----------
    number
        How many. Where there are more than GPUs, some share one.

    Raises
    ------
    ConfigError
        It is less than one.
    """
    check_number(number)
    gpus = visible_gpus()
    count = (len(gpus) or 1) if number == "auto" else number
    host = host_name()
    threads = _threads(max(1, usable_cores() // count))
    return tuple(
        Post(f"{host}-gpu{gpus[index % len(gpus)]}-{index + 1}", threads | {VISIBLE: gpus[index % len(gpus)]})
        if gpus
        else Post(f"{host}-{index + 1}", threads)
        for index in range(count)
    )


def check_number(number: Number) -> None:
    """See that there can be so many workers.

    Raises
    ------
    ConfigError
        It is less than one.
    """
    if number != "auto" and number < 1:
        raise ConfigError(f"There cannot be {number} workers: name 1 or more, or auto for one per GPU.")


def host_name() -> str:
    """What this machine is called, in short."""
    return gethostname().partition(".")[0] or "worker"


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return tuple(gpu.strip() for gpu in named.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles"))
    # In a process of its own: whoever only hands out work shall not carry torch along.
    answer = subprocess.run(
        [sys.executable, "-P", "-c", _COUNT], capture_output=True, text=True, check=False
    ).stdout.split()
    return tuple(map(str, range(int(answer[-1])))) if answer else ()


def _threads(count: int) -> dict[str, str]:
    """Variables for so many threads a process; a user's own go before."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    given = inherited_environment()
    return {name: given.get(name, str(count)) for name in names}
