import numpy as np
import pytest
from photographs import noise, saved, smooth
from PIL import Image

from pst_core.images.reading import read_photograph
from pst_core.images.transparency import counted, fill, on_white
from pst_core.images.writing import write_image

HEIGHT, WIDTH = 41, 58


def cut_out(hidden, *, height=HEIGHT, width=WIDTH):
    """A photograph of which only the middle is visible, with hidden colours around it; (H, W, 4), uint8."""
    samples = np.empty((height, width, 4), np.uint8)
    samples[..., :3], samples[..., 3] = hidden, 0
    inner = np.s_[height // 4 : -height // 4, width // 3 : -width // 5]
    samples[inner] = np.dstack([smooth(height, width), np.full((height, width), 255, np.uint8)])[inner]
    return samples


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_picture_of_which_nothing_is_visible_is_taken_as_opaque(tmp_path, name, mode):
    samples = noise(HEIGHT, WIDTH, len(mode))
    samples[..., -1] = 0
    options = {"lossless": True, "exact": True} if name == "x.webp" else {}
    photo = read_photograph(saved(tmp_path / name, samples, **options))
    assert photo.alpha is None and photo.filled is photo.pixels and photo.counted is None
    np.testing.assert_allclose(photo.pixels[0], samples[..., 0] / 255, atol=1e-6)
    assert photo.notes == ("nothing of it is visible (its alpha is 0 everywhere): taken as opaque",)


def test_so_is_one_of_the_transparent_colour_alone(tmp_path):
    plain = Image.new("RGB", (WIDTH, HEIGHT), (9, 99, 199))
    plain.save(tmp_path / "x.png", transparency=(9, 99, 199))
    photo = read_photograph(tmp_path / "x.png")
    assert photo.alpha is None and "taken as opaque" in photo.notes[0]


@pytest.mark.parametrize(("alpha", "expected"), [
    (None, None),
    ([1, 1, 1], None),
    ([0.5, 0.7, 1], None),  # it is all there, behind glass
    ([0, 1, 1], [False, True, True]),
    ([0.4, 0.5, 1], [False, True, True]),  # more invisible than not
    ([0, 0.1, 0.3], [False, True, True]),  # faint throughout
    ([0.1, 0.2, 0.3], None),
])  # fmt: skip
def test_what_is_more_visible_than_not_counts(alpha, expected):
    found = counted(None if alpha is None else np.array([alpha], np.float32))
    assert (None if found is None else found[0].tolist()) == expected


@pytest.mark.parametrize("hidden", [(0, 0, 0), (0, 255, 0), (255, 255, 255)])
def test_the_filling_is_the_same_whatever_is_hidden_and_lies_between_what_is_visible(tmp_path, hidden):
    photo = read_photograph(saved(tmp_path / "x.png", cut_out(hidden)))
    gray = read_photograph(saved(tmp_path / "y.png", cut_out((128, 128, 128))))
    assert np.array_equal(photo.filled, gray.filled)
    visible = photo.alpha > 0
    assert np.array_equal(photo.filled[:, visible], photo.pixels[:, visible])
    for channel, seen in zip(photo.filled, photo.pixels[:, visible], strict=True):
        assert seen.min() - 1e-6 <= channel.min() and channel.max() <= seen.max() + 1e-6
    assert "% is transparent and counts for nothing" in photo.notes[0]


def test_the_filling_continues_what_is_beside_it_without_an_edge():
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (3, 48, 1))
    alpha = np.ones((48, 64), np.float32)
    alpha[10:30, 20:44] = 0
    filled = fill(np.where(alpha > 0, ramp, np.float32(7)), alpha)
    assert np.abs(np.diff(filled, axis=2)).max() < 0.12 and np.abs(np.diff(filled, axis=1)).max() < 0.12


def test_what_is_visible_a_little_keeps_its_colour_and_gives_none_to_others():
    pixels, alpha = np.full((3, 8, 8), 0.25, np.float32), np.ones((8, 8), np.float32)
    pixels[:, :, 5], alpha[:, 5] = 0.9, 0.1
    pixels[:, :, 6:], alpha[:, 6:] = 0.6, 0
    filled = fill(pixels, alpha)
    assert (filled[:, :, 5] == np.float32(0.9)).all() and (filled[:, :, 6:] == 0.25).all()


def test_a_copy_hides_what_the_photograph_hides(tmp_path):
    photo = read_photograph(saved(tmp_path / "x.png", cut_out((0, 255, 0))))
    restyled = photo.with_hidden(1 - photo.filled)
    hidden = photo.alpha == 0
    assert np.array_equal(restyled[:, hidden], photo.pixels[:, hidden])
    assert np.array_equal(restyled[:, ~hidden], 1 - photo.pixels[:, ~hidden])


def test_jpeg_shows_white_paper_and_no_hidden_colour(tmp_path):
    photo = read_photograph(saved(tmp_path / "x.png", cut_out((0, 255, 0))))
    write_image(tmp_path / "x.jpg", photo.pixels, alpha=photo.alpha)
    found = read_photograph(tmp_path / "x.jpg").pixels
    np.testing.assert_allclose(found, on_white(photo.pixels, photo.alpha), atol=0.08)
    assert found[:, :5].min() > 0.98
