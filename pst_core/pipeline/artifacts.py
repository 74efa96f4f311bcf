"""What passes between the steps of a pair, as bytes: each kind of artifact has a pack and an unpack."""

import json
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from pst_core.errors import PstError
from pst_core.optimisation.targets import GROUPS, Targets
from pst_core.parquet import pack_arrays, unpack_arrays
from pst_core.pipeline.working import WorkingPair
from pst_core.regions.labels import Regions

__all__ = [
    "pack_image", "pack_regions", "pack_targets", "pack_working_pair",
    "unpack_image", "unpack_regions", "unpack_targets", "unpack_working_pair",
]  # fmt: skip


def pack_image(image: Tensor) -> bytes:
    """Write a working image, shape (3, h, w), float32."""
    return pack_arrays({"image": image.cpu().numpy()})


def unpack_image(data: bytes, device: torch.device) -> Tensor:
    """Read a working image back, onto a device."""
    return _tensors(data, ("image",), device)["image"]


def pack_regions(regions: Regions) -> bytes:
    """Write both label maps, and what a report says about them."""
    said = json.dumps({"source": regions.source, "notes": regions.notes}).encode()
    arrays = {name: getattr(regions, name) for name in ("content", "style", "colors")}
    return pack_arrays(arrays | {"said": np.frombuffer(said, np.uint8)}, compression="zstd")


def unpack_regions(data: bytes) -> Regions:
    """Read regions back."""
    arrays = unpack_arrays(data)
    try:
        said = json.loads(arrays["said"].tobytes())
        return Regions(
            arrays["content"], arrays["style"], arrays["colors"], str(said["source"]), tuple(said["notes"])
        )
    except (KeyError, ValueError) as error:
        raise _other("regions") from error


def pack_working_pair(pair: WorkingPair) -> bytes:
    """Write the photographs and masks of one working size."""
    return pack_arrays({item.name: getattr(pair, item.name).cpu().numpy() for item in fields(pair)})


def unpack_working_pair(data: bytes, device: torch.device) -> WorkingPair:
    """Read a working pair back, onto a device."""
    return WorkingPair(**_tensors(data, [item.name for item in fields(WorkingPair)], device))


def pack_targets(targets: Targets) -> bytes:
    """Write targets, one array a group and layer."""
    return pack_arrays({
        f"{group}/{layer}": tensor.cpu().numpy()
        for group in GROUPS
        for layer, tensor in getattr(targets, group).items()
    })  # fmt: skip


def unpack_targets(data: bytes, device: torch.device) -> Targets:
    """Read targets back, onto a device."""
    groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
    for name, array in unpack_arrays(data).items():
        group, _, layer = name.partition("/")
        if group not in groups:
            raise _other("targets")
        groups[group][layer] = torch.from_numpy(array).to(device)
    return Targets(**groups)


def _tensors(data: bytes, names: Sequence[str], device: torch.device) -> dict[str, Tensor]:
    arrays = unpack_arrays(data)
    if set(arrays) != set(names):
        raise _other(", ".join(names))
    return {name: torch.from_numpy(arrays[name]).to(device) for name in names}


def _other(what: str) -> PstError:
    return PstError(f"An artifact holds something else than {what}: `pst store verify` finds it.")
