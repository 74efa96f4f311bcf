"""What the machine has, and how to make it give the same bits every time."""

import os
import platform
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pst_core.errors import ConfigError

STAGED = 1 << 22  # values on their way to a GPU, or from it, at once


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
    """Keep CUDA's libraries to algorithms that give the same bits run after run; in any number of threads."""
    # cuBLAS reads this when its first handle is made; without it split sums may come in any order.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _flags.begin()
    try:
        yield
    finally:
        _flags.end()


class _Flags:
    """cuDNN's flags, which are the whole process's: set by the first block of any thread, until the last."""

    def __init__(self) -> None:
        self._blocks, self._one = 0, threading.Lock()
        self._set = ExitStack()

    def begin(self) -> None:
        with self._one:
            self._blocks += 1
            if self._blocks == 1:
                self._set.enter_context(
                    torch.backends.cudnn.flags(
                        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                    )
                )

    def end(self) -> None:
        with self._one:
            self._blocks -= 1
            if self._blocks == 0:
                self._set.close()


_flags = _Flags()


def prepare_thread() -> None:
    """Let a new thread share its work among as many others as the process does, for the same bits."""
    torch.set_num_threads(torch.get_num_threads())


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def pick_device(choice: str) -> torch.device:
    """The device that a setting means: ``auto`` is the first GPU, or else the CPU."""
    if choice != "auto":
        return torch.device(choice)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    flags = Path("/proc/cpuinfo")
    if device.type == "cpu" and flags.exists():
        return any(flag in flags.read_text() for flag in ("avx512_bf16", "amx_bf16"))
    return False


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The network's arithmetic: bfloat16 where it pays, unless a precision is asked for."""
    if precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


@cache
def constant(values: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Fixed numbers as a tensor that all share: they are brought to a device once, never in an evaluation."""
    return torch.tensor(values, dtype=dtype, device=device)


def bring(image: Tensor, device: torch.device) -> Tensor:
    """An image of the host's on a device: itself on the CPU; to a GPU it is copied while the host goes on."""
    if device.type != "cuda":
        return image.to(device)
    there = torch.empty(image.shape, dtype=image.dtype, device=device)
    for source, target in _parts(image.contiguous(), there):
        target.copy_(source.pin_memory(), non_blocking=True)
    return there


def fetch(image: Tensor) -> Tensor:
    """An image of a device's on the host: itself on the CPU; a GPU's at several times the speed of `cpu`."""
    if image.device.type != "cuda":
        return image.cpu()
    here = torch.empty(image.shape, dtype=image.dtype)
    staging = torch.empty(min(image.numel(), STAGED), dtype=image.dtype, pin_memory=True)
    for source, target in _parts(image.contiguous(), here):
        part = staging[: len(source)]
        part.copy_(source, non_blocking=True)
        torch.cuda.current_stream(image.device).synchronize()
        target.copy_(part)
    return here


def _parts(source: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both in parts of `STAGED` values: a GPU reads locked memory alone, of which nobody should take much."""
    return zip(torch.split(source.view(-1), STAGED), torch.split(target.view(-1), STAGED), strict=True)


def runs_on_gpu(device: str) -> bool:
    """Whether a setting ``device`` means a GPU on this machine."""
    return pick_device(device).type != "cpu"


def free_device() -> None:
    """Give back what a failed step still holds of the GPU's memory."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def count_gpus() -> int:
    """How many GPUs of CUDA's this process may use."""
    return torch.cuda.device_count()


def memory_of_gpus() -> list[int]:
    """Bytes of memory of each GPU of CUDA's that this process may use."""
    return [torch.cuda.get_device_properties(index).total_memory for index in range(count_gpus())]
