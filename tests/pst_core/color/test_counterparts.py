import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pst_core.color import counterparts
from pst_core.color.counterparts import common_grade, find_counterparts, no_grade
from pst_core.color.grade import apply_grade


def scene(seed, height=96, width=160):
    """Shapes of several sizes in several colours."""
    rng = np.random.default_rng(seed)
    layers = [
        gaussian_filter(rng.standard_normal((3, height, width)), (0, sigma, sigma)) for sigma in (1.5, 4, 12)
    ]
    picture = sum(layer / layer.std() for layer in layers) * 0.12 + 0.5
    return torch.tensor(np.clip(picture, 0.02, 0.98), dtype=torch.float32)


def graded(image):
    tint = torch.tensor([1.0, 0.8, 0.65])[:, None, None]
    return 0.08 + 0.85 * tint * image**1.2


def everywhere(image):
    return torch.ones(1, *image.shape[1:])


def common(content, style):
    return common_grade(content, style, everywhere(content), everywhere(style))


def test_two_views_of_one_place_tell_the_grade_between_them():
    whole = scene(0)
    content, style = whole[:, :, :110], graded(whole)[:, :, 50:]
    found = common(content, style)
    assert found.confidence == 1
    error = (apply_grade(found.grade, content) - graded(content)).abs()
    assert error.mean() < 0.01 < 0.1 < (content - graded(content)).abs().mean()


def test_different_places_tell_of_none():
    assert common(scene(0), graded(scene(1))).confidence == 0


def test_one_place_by_another_light_tells_of_no_grade():
    """The same shapes, whose colours no one change makes: light falls from one side."""
    whole = scene(0)
    light = torch.linspace(0.15, 1, 160) ** 2
    assert common(whole, whole * light).confidence < 0.2


def test_counterparts_are_where_the_place_is_seen_again():
    whole = scene(3)
    content, style = whole[:, :, :110], whole[:, :, 50:] ** 1.5
    seen, there = (torch.ones(image[0].numel(), dtype=torch.bool) for image in (content, style))
    places, found = find_counterparts(content, style, seen, there)
    shared = places % 110 >= 60
    expected = places // 110 * 110 + places % 110 - 50
    assert (found[shared] >= 0).float().mean() > 0.8
    right = found[shared] == expected[shared]
    assert right[found[shared] >= 0].float().mean() > 0.95
    assert (found[places % 110 < 40] >= 0).float().mean() < 0.2


def test_what_does_not_count_is_neither_looked_for_nor_found():
    whole = scene(3)
    seen = torch.arange(96 * 160) % 160 < 80
    places, found = find_counterparts(whole, whole, seen, torch.ones_like(seen))
    assert (places % 160 < 80).all() and (found == places).all()
    places, found = find_counterparts(whole, whole, torch.ones_like(seen), seen)
    assert (found[found >= 0] % 160 < 80).all() and (
        found[places % 160 > 90] != places[places % 160 > 90]
    ).all()


def test_what_is_invisible_has_no_part(monkeypatch):
    whole, counted = scene(0), everywhere(scene(0))
    style = graded(whole)
    style[:, :, 90:] = scene(5)[:, :, 90:]
    monkeypatch.setattr(counterparts, "AGREEMENT", (0.99, 1.0))
    half = counted.clone()
    half[:, :, 84:] = 0
    assert common_grade(whole, style, half, half).confidence == 1
    assert common_grade(whole, style, counted, counted).confidence < 1


@pytest.mark.parametrize("side", [3, 12])
def test_a_tiny_picture_tells_of_no_grade(side):
    image = scene(0)[:, :side, :side]
    found = common(image, image)
    assert found.confidence == 0 and found.grade.shape == no_grade(torch.device("cpu")).grade.shape


def test_plain_pictures_tell_of_no_grade():
    plain = torch.full((3, 60, 80), 0.4)
    assert common(plain, plain + 0.2).confidence == 0


def test_the_same_pictures_tell_the_same_twice():
    content, style = scene(0)[:, :, :110], graded(scene(0))[:, :, 50:]
    first, second = common(content, style), common(content, style)
    assert torch.equal(first.grade, second.grade) and torch.equal(first.confidence, second.confidence)
