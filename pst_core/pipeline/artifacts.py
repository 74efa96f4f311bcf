"""What passes between the steps of a pair: each kind, what it is called and how it is kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from pst_core.errors import LookError, PstError
from pst_core.looks.lattice import Lattice
from pst_core.optimisation.targets import GROUPS, Targets
from pst_core.parquet import pack_arrays, unpack_arrays
from pst_core.pipeline.look import Finding, Look
from pst_core.pipeline.working import WorkingPair
from pst_core.regions.labels import Regions
from pst_core.store import Reference, open_store
from pst_core.store.handing import hand, handed

CPU = torch.device("cpu")
LOOK_FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of artifact.

    Attributes
    ----------
    name, suffix : str
        What the store calls it, and how its file ends.
    pack : callable
        From the thing to bytes; equal things give equal bytes.
    unpack : callable
        From bytes to the thing, its tensors on a device.
    settle : callable
        From the thing to what `unpack` would make of its bytes on a device, without the way through bytes.
    """

    name: str
    suffix: str
    pack: Callable[[T], bytes]
    unpack: Callable[[bytes, torch.device], T]
    settle: Callable[[T, torch.device], T]

    def keep(self, thing: T) -> Reference:
        """Put a thing into the store, and hand it on, see `pst_core.store.handing`."""
        reference = open_store().put(self.pack(thing), self.name, self.suffix)
        hand(reference, thing)
        return reference

    def load(self, reference: Reference, device: torch.device = CPU) -> T:
        """Take a thing that was handed on, or read it back, verified.

        Raises
        ------
        StoreMiss
            It was not handed on, and is not in the store as it was written.
        """
        thing: T | None = handed(reference)
        if thing is None:
            thing = self.unpack(open_store().read(reference), device)
            hand(reference, thing)
        return self.settle(thing, device)


def _of_bytes(name: str, suffix: str) -> Kind[bytes]:
    """A kind that is made as a file's bytes: a picture, a table."""
    return Kind(name, suffix, lambda data: data, lambda data, _: data, lambda data, _: data)


def _settled(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor as it comes from a file: alone, row by row, on the device."""
    return tensor.detach().to(device).contiguous()


def _pack_image(image: Tensor) -> bytes:
    return pack_arrays({"image": image.cpu().numpy()})


def _unpack_image(data: bytes, device: torch.device) -> Tensor:
    return _tensors(data, ("image",), device)["image"]


def _pack_regions(regions: Regions) -> bytes:
    told = ("source", "notes", "names", "model", "confidence")
    said = json.dumps({name: getattr(regions, name) for name in told}).encode()
    arrays = {name: getattr(regions, name) for name in ("content", "style", "colors")}
    return pack_arrays(arrays | {"said": np.frombuffer(said, np.uint8)}, compression="zstd")


def _unpack_regions(data: bytes, _: torch.device) -> Regions:
    arrays = unpack_arrays(data)
    try:
        said = json.loads(arrays["said"].tobytes())
        return Regions(
            arrays["content"], arrays["style"], arrays["colors"],
            str(said["source"]), tuple(said["notes"]), tuple(said["names"]), str(said["model"]),
            tuple(said["confidence"]),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise _other("regions") from error


def _settle_regions(regions: Regions, _: torch.device) -> Regions:
    content, style, colors = map(np.ascontiguousarray, (regions.content, regions.style, regions.colors))
    return replace(regions, content=content, style=style, colors=colors)


def _pack_working_pair(pair: WorkingPair) -> bytes:
    return pack_arrays({item.name: getattr(pair, item.name).cpu().numpy() for item in fields(pair)})


def _unpack_working_pair(data: bytes, device: torch.device) -> WorkingPair:
    return WorkingPair(**_tensors(data, [item.name for item in fields(WorkingPair)], device))


def _settle_working_pair(pair: WorkingPair, device: torch.device) -> WorkingPair:
    return WorkingPair(**{item.name: _settled(getattr(pair, item.name), device) for item in fields(pair)})


def _pack_targets(targets: Targets) -> bytes:
    """One array a group and layer."""
    return pack_arrays({
        f"{group}/{layer}": tensor.cpu().numpy()
        for group in GROUPS
        for layer, tensor in getattr(targets, group).items()
    })  # fmt: skip


def _unpack_targets(data: bytes, device: torch.device) -> Targets:
    groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
    for name, array in unpack_arrays(data).items():
        group, _, layer = name.partition("/")
        if group not in groups:
            raise _other("targets")
        groups[group][layer] = torch.from_numpy(array).to(device)
    return Targets(**groups)


def _settle_targets(targets: Targets, device: torch.device) -> Targets:
    return Targets(**{
        group: {layer: _settled(tensor, device) for layer, tensor in getattr(targets, group).items()}
        for group in GROUPS
    })  # fmt: skip


def _pack_look(look: Look) -> bytes:
    finding = None if look.finding is None else look.finding.model_dump(mode="json")
    said = {"format": LOOK_FORMAT, "names": look.names, "finding": finding}
    lattices = np.stack([look.whole.values, *(lattice.values for lattice in look.regions)])
    arrays = {"lattices": lattices, "masks": look.masks, "content": look.content}
    told = np.frombuffer(json.dumps(said).encode(), np.uint8)
    return pack_arrays(arrays | {"said": told}, compression="zstd")


def _unpack_look(data: bytes, _: torch.device) -> Look:
    arrays = unpack_arrays(data)
    try:
        said = json.loads(arrays["said"].tobytes())
        if said["format"] != LOOK_FORMAT:
            raise LookError("It holds a look of another version of this program: install that one.")
        whole, *regions = map(Lattice, arrays["lattices"])
        finding = None if said["finding"] is None else Finding(**said["finding"])
        if not len(regions) == len(said["names"]) == len(arrays["masks"]):
            raise ValueError("its parts do not fit together")
        return Look(whole, tuple(regions), tuple(said["names"]), arrays["masks"], arrays["content"], finding)
    except (KeyError, ValueError, TypeError) as error:
        raise _other("a look") from error


def _tensors(data: bytes, names: Sequence[str], device: torch.device) -> dict[str, Tensor]:
    arrays = unpack_arrays(data)
    if set(arrays) != set(names):
        raise _other(", ".join(names))
    return {name: torch.from_numpy(arrays[name]).to(device) for name in names}


def _other(what: str) -> PstError:
    return PstError(f"An artifact holds something else than {what}: `pst store verify` finds it.")


IMAGE = Kind("image", "parquet", _pack_image, _unpack_image, _settled)
"""A working image: Tensor of float32, shape (3, h, w)."""
REGIONS = Kind("regions", "parquet", _pack_regions, _unpack_regions, _settle_regions)
WORKING_PAIR = Kind("working-pair", "parquet", _pack_working_pair, _unpack_working_pair, _settle_working_pair)
TARGETS = Kind("targets", "parquet", _pack_targets, _unpack_targets, _settle_targets)
CUBE = _of_bytes("cube", "cube")
"""A lattice as `pst_core.looks.cube` writes it."""
MASK = _of_bytes("mask", "png")
"""Where a region lies, in gray, at its photograph's size."""
LOOK = Kind("look", "parquet", _pack_look, _unpack_look, lambda look, _: look)
LOSSES = _of_bytes("losses", "parquet")
"""A table as `pst_core.pipeline.trace` writes it."""
CURVE = _of_bytes("curve", "png")
REGION_MAP = _of_bytes("region-map", "png")
PICTURE = _of_bytes("picture", "png")
"""A finished picture at full size, with nothing but its pixels in it."""
DESCRIPTION = _of_bytes("description", "chunks")
"""What `pst_core.images.writing.as_chunks` makes of what a photograph says about itself."""
PREVIEW = _of_bytes("preview", "jpg")
SHRUNK_PHOTOGRAPH = _of_bytes("photograph", "png")
SHRUNK_MAP = _of_bytes("map", "png")
