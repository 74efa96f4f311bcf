import numpy as np
import pytest
from PIL import Image

from pst_core.errors import ImageError
from pst_core.images.input_files import probe
from tasks.shrinking import shrink, shrink_map


def save(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)).save(path)


@pytest.mark.parametrize("work", [
    lambda file: shrink.fn(file, 50), lambda file: shrink_map.fn(file, file, 50, 33),
])  # fmt: skip
def test_a_file_that_changed_meanwhile_is_not_kept_under_the_old_ones_name(pst_home, tmp_path, work):
    save(tmp_path / "x.png", 1)
    planned = probe(tmp_path / "x.png")
    assert work(planned).size > 0
    save(tmp_path / "x.png", 2)
    with pytest.raises(ImageError, match=r"x\.png changed while it was worked on"):
        work(planned)
