"""What the machine has, and how to make it give the same bits every time."""

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pst_core.errors import ConfigError
from pst_core.network.encoder import pick_device

__all__ = ["check_device", "describe_device", "peak_memory", "reproducible"]


def check_device(choice: str) -> torch.device:
    """The device that a setting means.

    Raises
    ------
    ConfigError
        If this machine does not have it.
    """
    device = pick_device(choice)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"This machine has no device {choice!r}: use --device auto or --device cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("This machine has no device 'mps': use --device auto or --device cpu.")
    return device


def describe_device(device: torch.device) -> str:
    """A name for reports: the GPU's, or the CPU's with the threads in use."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"


@contextmanager
def reproducible() -> Iterator[None]:
    """Keep CUDA's libraries to algorithms that give the same bits run after run."""
    # cuBLAS reads this when its first handle is made; without it split sums may come in any order.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
