import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pst_core.errors import MapError
from pst_core.regions import confidence
from pst_core.regions.labels import display_colors, one_region
from pst_core.regions.photographs import cluster_photographs
from pst_core.settings.config import Config

DAY = {"sky": (110, 160, 225), "ground": (70, 110, 40)}
DUSK = {"sky": (215, 120, 70), "ground": (45, 35, 60)}


def unit(image):
    return np.moveaxis(image, -1, 0).astype(np.float32) / 255


@pytest.fixture
def photographs(landscape):
    day, _ = landscape(96, 128, **DAY, horizon=0.5, seed=1)
    dusk, _ = landscape(80, 120, **DUSK, horizon=0.6, seed=2)
    return unit(day), unit(dusk)


def top_and_bottom(labels, horizon):
    border = round(len(labels) * horizon)
    return labels[:border], labels[border:]


def test_sky_and_ground_are_found_in_both_whatever_their_colours(photographs, small_encoder):
    found = cluster_photographs(*photographs, small_encoder, Config(regions=2))
    assert found.count == 2 and found.source == "cluster" and found.matched.all()
    assert found.content.shape == (96, 128) and found.style.shape == (80, 120)
    sky = np.bincount(top_and_bottom(found.content, 0.5)[0].ravel()).argmax()
    for labels, horizon in ((found.content, 0.5), (found.style, 0.6)):
        top, bottom = top_and_bottom(labels, horizon)
        assert (top == sky).mean() > 0.95
        assert (bottom == 1 - sky).mean() > 0.95


def test_a_border_lies_on_the_photographs_edge(photographs, small_encoder):
    found = cluster_photographs(*photographs, small_encoder, Config(regions=2))
    sky = found.content[0, 64]
    heights = (found.content == sky).sum(axis=0)
    assert np.abs(heights - 48).mean() < 2.5  # cells are four pixels high: the guide does better


@pytest.mark.parametrize("seed", [0, 5])
def test_the_same_seed_gives_the_same_labels(photographs, small_encoder, seed):
    first, second = (cluster_photographs(*photographs, small_encoder, Config(seed=seed)) for _ in range(2))
    assert np.array_equal(first.content, second.content) and np.array_equal(first.style, second.style)


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_a_given_number_of_regions_is_honoured(photographs, small_encoder, wanted):
    found = cluster_photographs(*photographs, small_encoder, Config(regions=wanted))
    assert found.count == wanted
    used = np.union1d(found.content, found.style)
    assert used.tolist() == list(range(wanted))
    assert found.content.dtype == np.int16


def test_regions_that_only_one_photograph_has_are_refused_with_a_way_out(photographs, small_encoder):
    """Four clusters: smooth and rough halves of each, none of them shared."""
    with pytest.raises(MapError, match=r"have no region in common: ask for fewer regions, or give maps\.$"):
        cluster_photographs(*photographs, small_encoder, Config(regions=4))


def test_every_region_found_matters_on_both_sides(photographs, small_encoder):
    found = cluster_photographs(*photographs, small_encoder, Config())
    assert 2 <= found.count <= 5
    assert found.matched.all() and found.notes == ()
    assert min(found.content_shares.min(), found.style_shares.min()) > 0.03


def test_a_mirror_changes_nothing(photographs, small_encoder):
    found = cluster_photographs(*photographs, small_encoder, Config())
    mirrored = [np.ascontiguousarray(pixels[:, :, ::-1]) for pixels in photographs]
    turned = cluster_photographs(*mirrored, small_encoder, Config())
    for here, there in ((found.content, turned.content), (found.style, turned.style)):
        sky = [np.bincount(each[:32].ravel()).argmax() for each in (here, there)]
        assert ((here == sky[0]) == (there[:, ::-1] == sky[1])).mean() > 0.95


def test_a_photograph_and_itself_are_certain(photographs, small_encoder):
    found = cluster_photographs(photographs[0], photographs[0], small_encoder, Config())
    assert np.array_equal(found.content, found.style)
    assert found.confidence == (1.0,) * found.count


def test_photographs_that_have_little_in_common_are_doubtful(photographs, small_encoder):
    upside_down = np.ascontiguousarray(photographs[1][:, ::-1])
    found = cluster_photographs(photographs[0], upside_down, small_encoder, Config())
    assert found.count == 1 or max(found.confidence) < 0.5


def test_regions_that_are_not_trusted_at_all_are_one_region(photographs, small_encoder, monkeypatch):
    counted = np.ones(photographs[0].shape[1:], np.bool_)
    counted[:, :40] = False
    monkeypatch.setattr(confidence, "SURE_SEPARATION", np.inf)
    found = cluster_photographs(*photographs, small_encoder, Config(), (counted, None))
    whole = one_region(photographs, (counted, None))
    assert np.array_equal(found.content, whole.content) and np.array_equal(found.style, whole.style)
    assert found.trust == [1] and found.source == "cluster" and "taken as a whole" in found.notes[0]


def in_gray(pixels):
    return np.repeat(np.tensordot([0.3, 0.6, 0.1], pixels, 1)[None], 3, axis=0).astype(np.float32)


@pytest.mark.parametrize("gray", [(True, False), (False, True), (True, True)])
def test_where_a_photograph_is_gray_only_backdrops_are_told_and_trusted_less(gray, small_encoder, landscape):
    day, dusk = (
        unit(landscape(96, 128, **colors, horizon=0.4, seed=seed)[0])
        for colors, seed in ((DAY, 1), (DUSK, 2))
    )
    for image in (day, dusk):
        image[:, 50:, 64:] = np.reshape((0.9, 0.3, 0.1), (3, 1, 1)) + 0.3 * (image[:, 50:, 64:] - 0.4)
    assert cluster_photographs(day, dusk, small_encoder, Config()).count > 2
    shown = [in_gray(each) if faded else each for each, faded in zip((day, dusk), gray, strict=True)]
    found = cluster_photographs(*shown, small_encoder, Config())
    assert found.count == 2
    assert 0 < found.confidence[0] <= confidence.WITHOUT_COLOR


def test_strips_are_trusted_less(landscape, small_encoder):
    wide, square = (
        [
            unit(landscape(48, width, **colors, horizon=0.5, seed=seed)[0])
            for colors, seed in ((DAY, 1), (DUSK, 2))
        ]
        for width in (144, 72)
    )
    trust = [
        cluster_photographs(*pair, small_encoder, Config()).confidence[0]
        for pair in (square, wide, (square[0], wide[1]))
    ]
    assert trust == [1.0, confidence.IN_STRIPS, confidence.IN_STRIPS]


def lawn(color, seed):
    """A surface that goes back: brighter and finer above."""
    noise = np.random.default_rng(seed).standard_normal((3, 96, 128)) * np.linspace(0.02, 0.06, 96)[:, None]
    return np.clip(np.reshape(color, (3, 1, 1)) + np.linspace(0.1, -0.1, 96)[:, None] + noise, 0, 1)


def test_a_surface_has_no_backdrop_and_foreground(small_encoder):
    pair = [
        lawn(color, seed).astype(np.float32) for color, seed in (((0.3, 0.5, 0.2), 1), ((0.5, 0.45, 0.3), 2))
    ]
    assert cluster_photographs(*pair, small_encoder, Config()).count == 1


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (300, 16)])
def test_plain_photographs_of_any_size_are_one_region_or_whole(shape, small_encoder):
    plain = np.full((3, *shape), 0.4, np.float32)
    found = cluster_photographs(plain, plain[:, ::-1] + 0.1, small_encoder, Config())
    assert found.content.shape == found.style.shape == shape
    assert np.isfinite(found.trust).all()


def surface(shape, grain, color, seed):
    """An even surface, whose texture has grains of so many pixels."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), grain)
    lightness = 0.5 + 0.12 * noise / noise.std()
    return np.clip(lightness * np.reshape(color, (3, 1, 1)), 0, 1).astype(np.float32)


@pytest.mark.parametrize("grain", [0.7, 2])
@pytest.mark.parametrize("shape", [(96, 128), (40, 320), (200, 60)])
def test_photographs_of_one_surface_are_as_one_region(shape, grain, small_encoder):
    content, style = surface(shape, grain, (0.5, 0.9, 0.4), 1), surface(shape, grain, (1.2, 0.8, 0.5), 2)
    found = cluster_photographs(content, style, small_encoder, Config())
    assert found.count == 1 or max(found.confidence) < 0.3


def test_what_is_invisible_has_no_region(photographs, small_encoder):
    counted = np.ones(photographs[0].shape[1:], np.bool_)
    counted[:, :40] = False
    found = cluster_photographs(*photographs, small_encoder, Config(), (counted, None))
    assert (found.content[:, :40] == -1).all() and (found.content[:, 40:] >= 0).all()


def test_display_colours_differ():
    colors = display_colors(21).astype(int)
    assert colors.shape == (21, 3)
    gaps = [np.abs(a - b).sum() for k, a in enumerate(colors) for b in colors[:k]]
    assert min(gaps) > 20
