"""What this machine has for the work and what it lacks, each finding with its way out."""

import hashlib
import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pst_core.cores import usable_cores
from pst_core.errors import PstError
from pst_core.steady import open_steadily

ENOUGH_MEMORY = 2 * 2**30
ENOUGH_DISK = 2**30
NETWORK_SECONDS = 5.0
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    name : str
    state : {"ok", "warning", "missing"}
        ``missing``: no picture can be made without it.
    text : str
        What was found.
    way_out : str
        What to do about it, where something is to be done.
    """

    name: str
    state: Literal["ok", "warning", "missing"]
    text: str
    way_out: str = ""


def diagnose() -> list[Finding]:
    """Look at everything that a style transfer needs."""
    findings = [_python(), *(_guarded(name, look) for name, look in _LOOKS)]
    if all(finding.state != "missing" for finding in findings if finding.name in ("libraries", "OpenCV")):
        findings += [_guarded(name, look) for name, look in _ENGINE_LOOKS]
    return findings


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except PstError as error:
        return Finding(name, "missing", str(error))
    except (ImportError, OSError, RuntimeError) as error:
        return Finding(name, "missing", f"{type(error).__name__}: {error}", "install the package anew")


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _libraries() -> Finding:
    from importlib.metadata import PackageNotFoundError

    from pst_core.provenance import versions

    try:
        found = versions()
    except PackageNotFoundError as error:
        return Finding(
            "libraries", "missing", f"{error.name} is not installed", "pip install photoreal-style"
        )
    return Finding("libraries", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as error:
        debian = "apt-get install libgl1 (Debian's package)"
        way_out = debian if "libGL" in str(error) else "pip install opencv-python"
        return Finding("OpenCV", "missing", str(error), way_out)
    return Finding("OpenCV", "ok", f"loads, {cv2.__version__}")


def _processor() -> Finding:
    count = usable_cores()
    return Finding("processor", "ok", f"{count} {'core' if count == 1 else 'cores'}")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    limit = _container_limit()
    text = f"{_size(free)} free of {_size(total)}"
    if limit is not None and limit < total:
        free, text = min(free, limit), f"{text}; this container may use {_size(limit)}"
    if free < ENOUGH_MEMORY:
        return Finding("memory", "warning", text, "close other programs, or use a smaller --size")
    return Finding("memory", "ok", text)


def _container_limit() -> int | None:
    try:
        return int(_CGROUP_LIMIT.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    if free < ENOUGH_DISK:
        return Finding("disk", "warning", f"{_size(free)} free here", "free some space or write elsewhere")
    return Finding("disk", "ok", f"{_size(free)} free here")


def _device() -> Finding:
    import torch

    from pst_core.machine import describe_device, has_fast_bfloat16, pick_device

    device = pick_device("auto")
    names = [describe_device(device)]
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        names = [f"{describe_device(torch.device('cuda', n))}" for n in range(torch.cuda.device_count())]
        names[0] += f", {_size(memory)}"
    speed = "fast" if has_fast_bfloat16(device) else "not fast, float32 is used"
    return Finding("device", "ok", f"{'; '.join(names)}; bfloat16: {speed}")


def _weights() -> Finding:
    from pst_core.network.identity import ENVIRONMENT, find_weights
    from pst_core.network.weights import load_weights

    if find_weights(None) == "torchvision":
        return _torchvision_weights()
    try:
        weights = load_weights()
    except PstError as error:
        return Finding("VGG-19 weights", "missing", str(error))
    return Finding("VGG-19 weights", "ok", f"{weights.name} by {ENVIRONMENT}, sha256 {weights.sha256}")


def _torchvision_weights() -> Finding:
    import torch
    from torchvision.models import VGG19_Weights

    from pst_core.network.identity import WAYS_OUT

    address = str(VGG19_Weights.IMAGENET1K_V1.url)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    if cached.is_file():
        with open_steadily(cached) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest.startswith(cached.stem.rsplit("-", 1)[-1]):
            return Finding("VGG-19 weights", "ok", f"torchvision's, at {cached}, sha256 {digest}")
        return Finding("VGG-19 weights", "missing", f"{cached} is damaged", "delete it; it is fetched anew")
    reason = _unreachable(address)
    if reason:
        text = f"not here, and {address} cannot be reached ({reason})"
        return Finding("VGG-19 weights", "missing", text, WAYS_OUT)
    return Finding("VGG-19 weights", "ok", f"not here yet; the first picture fetches {address} to {cached}")


def _unreachable(address: str) -> str:
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=NETWORK_SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _segmentation() -> Finding:
    """What finds regions here by itself; none that is missing keeps a picture from being made."""
    from pst_core.network.finder import USUAL_MODEL, Finder, has_transformers
    from pst_core.settings.config import FoundRegionSettings

    name = "segmentation"
    try:
        finder = Finder.of(FoundRegionSettings())
    except PstError as error:
        return Finding(name, "warning", str(error))
    text = f"regions without maps are found by {finder.told}"
    if finder.way != "cluster":
        return Finding(name, "ok", text)
    fetching = f"--segmentation semantic fetches {USUAL_MODEL}"
    lacking = "" if has_transformers() else 'pip install "photoreal-style[segmentation]"; '
    return Finding(name, "ok", f"{text}, no network for it is here; {lacking}{fetching}")


def _deeplab() -> Finding:
    from pst_core.network.finder import DEEPLAB_ENVIRONMENT as ENVIRONMENT
    from pst_core.network.finder import DEEPLAB_WAYS_OUT as WAYS_OUT

    name, source = "DeepLab weights", os.environ.get(ENVIRONMENT)
    if not source:
        return Finding(name, "ok", f"{ENVIRONMENT} not set; only --segmentation deeplab wants them")
    if not Path(source).expanduser().is_file():
        return Finding(name, "warning", f"{ENVIRONMENT} names {source}, which is no file", WAYS_OUT)
    return Finding(name, "ok", f"{source} by {ENVIRONMENT}")


def _quality_models() -> Finding:
    from pst_core.quality.models import load_quality_models

    models = load_quality_models()
    return Finding("quality models", "ok", f"BRISQUE by {models.brisque.name}, NIQE by {models.niqe.name}")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


_LOOKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("libraries", _libraries), ("OpenCV", _opencv), ("processor", _processor), ("memory", _memory),
    ("disk", _disk),
)  # fmt: skip
_ENGINE_LOOKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("device", _device), ("VGG-19 weights", _weights), ("segmentation", _segmentation),
    ("DeepLab weights", _deeplab),
    ("quality models", _quality_models),
)  # fmt: skip
