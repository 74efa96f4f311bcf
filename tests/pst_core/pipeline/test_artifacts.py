"""What passes between steps comes back bit for bit, or not at all."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from pst_core.errors import PstError
from pst_core.optimisation.targets import GROUPS, Targets
from pst_core.pipeline import artifacts
from pst_core.pipeline.artifacts import IMAGE, REGIONS, TARGETS, WORKING_PAIR, Kind
from pst_core.pipeline.working import WorkingPair
from pst_core.regions.labels import Regions
from pst_core.store import Store
from pst_core.store.handing import handing_on

CPU = torch.device("cpu")


@pytest.fixture
def odd_targets():
    """Values that lose bits in any text form or through float64 to float32 and back."""
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, dtype=np.uint32)
    values = bits.view(np.float32).copy()
    values[np.isnan(values)] = 0
    values[:6] = [np.float32(1e-45), -0.0, np.inf, -np.inf, np.nan, np.finfo(np.float32).tiny / 3]
    tensor = torch.from_numpy(values)
    return Targets(
        scales={"conv1_1": tensor[7], "conv4_2": tensor[8]},
        content={"conv4_2": tensor[:600].view(20, 30)},
        global_grams={"conv1_1": tensor[:64].view(8, 8)},
        regional_grams={"conv1_1": tensor[:192].view(3, 8, 8).transpose(1, 2)},
        masks={"conv1_1": torch.zeros(3, 0)},
        region_weights={"conv1_1": tensor[:3].double()},
    )


def as_bytes(targets):
    return [
        (group, layer, tensor.dtype, tensor.shape, np.ascontiguousarray(tensor.numpy()).tobytes())
        for group in GROUPS
        for layer, tensor in getattr(targets, group).items()
    ]


def test_targets_come_back_bit_for_bit(odd_targets):
    assert [item.name for item in fields(Targets)] == list(GROUPS)
    assert as_bytes(TARGETS.unpack(TARGETS.pack(odd_targets), CPU)) == as_bytes(odd_targets)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_truncated_targets_are_refused(odd_targets, share):
    data = TARGETS.pack(odd_targets)
    with pytest.raises(PstError, match="holds no arrays"):
        TARGETS.unpack(data[: int(share * len(data))], CPU)


def test_a_flipped_bit_never_gives_other_targets(odd_targets):
    """Most of the file is data, which is refused; a bit that says nothing about it may pass."""
    written = TARGETS.pack(odd_targets)
    whole, refused = as_bytes(TARGETS.unpack(written, CPU)), 0
    places = range(0, len(written), len(written) // 150)
    for place in places:
        damaged = bytearray(written)
        damaged[place] ^= 16
        try:
            assert as_bytes(TARGETS.unpack(bytes(damaged), CPU)) == whole
        except PstError:
            refused += 1
    assert refused > 0.6 * len(places)


def test_artifacts_of_another_kind_are_refused(odd_targets):
    image = IMAGE.pack(torch.zeros(3, 2, 2))
    for kind in (TARGETS, REGIONS, WORKING_PAIR):
        with pytest.raises(PstError, match="something else than"):
            kind.unpack(image, CPU)
    with pytest.raises(PstError, match="something else than image"):
        IMAGE.unpack(TARGETS.pack(odd_targets), CPU)


def test_images_pairs_and_regions_come_back(random_image):
    image = random_image(5, 7)
    assert torch.equal(IMAGE.unpack(IMAGE.pack(image), CPU), image)
    masks = torch.rand(2, 5, 7)
    pair = WorkingPair(
        image, image[:, :4], masks, masks[:, :4], masks.flip(0), torch.tensor([True, False]), masks[:1],
        masks[1:, :4], torch.ones(1), torch.zeros(2, dtype=torch.int64), torch.rand(10, 3), torch.tensor(0.5),
    )  # fmt: skip
    found = WORKING_PAIR.unpack(WORKING_PAIR.pack(pair), CPU)
    for item in fields(WorkingPair):
        assert torch.equal(getattr(found, item.name), getattr(pair, item.name))
    labels = np.arange(12, dtype=np.int16).reshape(3, 4) % 3
    regions = Regions(
        labels, labels.T, np.eye(3, dtype=np.uint8), "semantic", ("naïve note",), ("a", "b", "ü"), "a model",
        (0.1, 1.0, 1 / 3),
    )  # fmt: skip
    back = REGIONS.unpack(REGIONS.pack(regions), CPU)
    assert (
        (back.content == labels).all() and (back.style == labels.T).all() and back.content.dtype == np.int16
    )
    assert (back.colors == regions.colors).all() and (back.source, back.notes) == (
        "semantic",
        ("naïve note",),
    )
    assert (back.names, back.model, back.confidence) == (regions.names, "a model", (0.1, 1.0, 1 / 3))


@pytest.mark.usefixtures("pst_home")
def test_what_is_handed_on_is_what_the_file_would_be_read_as(odd_targets, random_image, monkeypatch):
    turned = random_image(7, 5).transpose(1, 2)  # as no file holds it: not row by row
    with handing_on():
        image, targets = IMAGE.keep(turned), TARGETS.keep(odd_targets)
        with monkeypatch.context() as patched:
            patched.setattr(Store, "read", None)  # nothing is read
            found = IMAGE.load(image)
            assert as_bytes(TARGETS.load(targets)) == as_bytes(odd_targets)
            handed_on = TARGETS.load(targets).regional_grams["conv1_1"]
    read = IMAGE.load(image)
    assert torch.equal(found, read)
    assert found.stride() == read.stride() != turned.stride()
    assert handed_on.stride() == TARGETS.load(targets).regional_grams["conv1_1"].stride()


@pytest.mark.usefixtures("pst_home")
def test_what_is_kept_is_called_by_its_kind_and_comes_back(random_image):
    image = random_image(5, 7)
    reference = IMAGE.keep(image)
    assert reference.kind == "image" and reference.path.endswith(".parquet")
    assert torch.equal(IMAGE.load(reference), image)
    kinds = [kind for kind in vars(artifacts).values() if isinstance(kind, Kind)]
    assert len({kind.name for kind in kinds}) == len(kinds) == 15
