import numpy as np
from painted_maps import painted, scene
from PIL import Image

from pst_core.images.input_files import InputFiles, probe
from pst_core.pipeline.artifacts import REGIONS
from pst_core.settings.config import MapRegionSettings
from tasks.segmentation import segment


def test_what_was_odd_about_maps_is_kept_under_no_files_name(pst_home, tmp_path):
    """A map of half the size, and one made of the pixels as a turned photograph is stored."""
    labels, orientation = scene(), Image.Exif()
    orientation[274] = 6
    photograph = np.random.default_rng(0).integers(0, 256, (*labels.shape, 3), np.uint8)
    given = {
        "content": photograph, "style": np.rot90(photograph),
        "content_map": painted(labels, [2, 9, 16, 6, 25]).colors[::2, ::2],
        "style_map": painted(np.rot90(labels), [2, 9, 16, 6, 25]).colors,
    }  # fmt: skip
    for role, pixels in given.items():
        exif = {"exif": orientation} if role == "style" else {}
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"{role}.png", **exif)
    files = InputFiles(**{role: probe(tmp_path / f"{role}.png") for role in given})
    made = segment.fn(files, MapRegionSettings(), None)
    assert made.notes == (
        "The content map is 60x45 pixels and was scaled to the content's 120x90.",
        "The style map was made of the style as it is stored, on its side: it was turned by the photograph's "
        "EXIF orientation (6).",
    )
    assert made.description["names"] == ["value 2", "value 9", "value 16", "value 6", "value 25"]
    regions = REGIONS.load(made.regions)
    assert regions.content.shape == labels.shape
    np.testing.assert_array_equal(regions.style, labels)
