"""Maps of every kind, by chance: a pair has regions, or a sentence says why it has none."""

import numpy as np
import pytest
from painted_maps import as_map

from pst_core.errors import MapError
from pst_core.regions.codes import read_together
from pst_core.regions.maps import cluster_maps


def any_map(rng, name):
    """Blocks of up to 11 values, near or far, of 8 or 16 bits; gray, with noise, a palette, a hole."""
    (height, width), block, count = rng.integers(1, 60, 2), rng.integers(1, 9), rng.integers(1, 12)
    blocks = rng.integers(0, count, (height // block + 1, width // block + 1))
    labels = blocks.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    top = rng.choice([256, 65536])
    span = rng.choice([2, 5, 40, top])
    codes = rng.integers(0, span, (count, 3)) + rng.integers(0, top - span + 1)
    codes[:, 1:] = codes[:, :1] if rng.random() < 0.5 else codes[:, 1:]
    colors, numbers = codes[labels], None
    if rng.random() < 0.3:
        colors = np.clip(colors + rng.integers(-6, 7, colors.shape), 0, top - 1)
    elif top == 256 and rng.random() < 0.4:
        numbers = rng.permutation(256)[:count].astype(np.uint8)[labels]
    hole = labels == 0 if rng.random() < 0.3 and labels.any() else None
    kind = np.uint8 if top == 256 else np.uint16
    return as_map(colors.astype(kind), name, numbers=numbers, hole=hole, lossless=bool(rng.random() < 0.7))


@pytest.mark.parametrize("seed", range(300))
def test_a_pair_has_regions_or_a_sentence(seed):
    rng = np.random.default_rng(seed)
    content = any_map(rng, "content.png")
    style = content.turned(3) if rng.random() < 0.3 else any_map(rng, "style.png")
    wanted = None if rng.random() < 0.6 else int(rng.integers(1, 8))
    try:
        found = cluster_maps(content, style, regions=wanted)
    except MapError as error:
        assert str(error).endswith(".") and ".png" in str(error)
        return
    assert (found.content.shape, found.style.shape) == (content.size, style.size)
    for labels in (found.content, found.style):
        assert labels.min() >= 0 and labels.max() < found.count
    assert len(found.names) == len(found.colors) and found.matched.any()
    if wanted is not None and all(read_together(content, style).exact):
        assert found.count == wanted
