"""Where the workers of a machine stand: each has a GPU, or a part of one, or a share of the cores."""

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
"""How many workers; auto means as many as keep the visible GPUs busy, without a GPU one."""
MEMORY = 8 << 30  # bytes of a GPU's that a worker has to itself
CORES = 2  # of the machine's to each worker on a GPU: a pair takes one, the server and the batch the others
LONGEST_NAME = 50
VISIBLE = "CUDA_VISIBLE_DEVICES"
_COUNT = "from pst_core.machine import count_gpus; print(count_gpus())"
_MEMORY = "from pst_core.machine import memory_of_gpus; print(*memory_of_gpus())"


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
    count = (len(gpus) * _on_each(len(gpus)) or 1) if number == "auto" else number
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
        raise ConfigError(f"There cannot be {number} workers: name 1 or more, or auto.")


def check_name(name: str) -> None:
    """See that workers can be called so: it is part of a file's name, and Prefect takes not every one.

    Raises
    ------
    ConfigError
        They cannot.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable() or set(name) & {"/", "%"}:
        raise ConfigError(
            f"Workers cannot be called {name[:LONGEST_NAME]!r}: name 1 to {LONGEST_NAME} characters with "
            "neither / nor % among them."
        )


def host_name() -> str:
    """What this machine is called, in short."""
    return gethostname().partition(".")[0] or "worker"


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return tuple(gpu.strip() for gpu in named.split(",") if gpu.strip() not in ("", "-1", "NoDevFiles"))
    answer = _told(_COUNT)
    return tuple(map(str, range(int(answer[-1])))) if answer else ()


def _on_each(gpus: int) -> int:
    """How many workers keep each of so many GPUs busy.

    A pair of a few megapixels takes a tenth of the time of a large GPU that it takes of a core.
    """
    if not gpus:
        return 0
    memory = [int(size) for size in _told(_MEMORY)]
    room = min(memory, default=0) // MEMORY
    return max(1, min(room, usable_cores() // (CORES * gpus)))


def _told(program: str) -> list[str]:
    """What torch says, in a process of its own: whoever only hands out work shall not carry it along."""
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def _threads(count: int) -> dict[str, str]:
    """Variables for so many threads a process; a user's own go before."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    given = inherited_environment()
    return {name: given.get(name, str(count)) for name in names}
