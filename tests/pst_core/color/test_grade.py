import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from pst_core.color import grade as grading
from pst_core.color.grade import apply_grade, fit_grade, relax, steepest, stretch


def colors(count, seed=0):
    return torch.tensor(np.random.default_rng(seed).random((count, 3)), dtype=torch.float64)


def edited(before, gamma=(1.3, 0.8, 1.1), contrast=0.4, saturation=0.7, low=0.05, high=0.95):
    """Exposure and white balance, contrast, saturation, fade."""
    after = before ** torch.tensor(gamma, dtype=before.dtype)
    after = after + contrast * after * (1 - after) * (2 * after - 1)
    gray = after.mean(dim=1, keepdim=True)
    return low + (high - low) * (gray + saturation * (after - gray))


def as_image(values):
    return values.T[..., None]


def after_grade(fitted, values):
    return apply_grade(fitted, as_image(values.float()))[..., 0].T.double()


def test_stretching_is_scipys_logit_with_a_margin_and_has_an_inverse():
    values = torch.linspace(0, 1, 50, dtype=torch.float64)
    kept = values * 0.8 + 0.1
    np.testing.assert_allclose(stretch(values), logit(kept.numpy()), atol=1e-12)
    torch.testing.assert_close(relax(stretch(values)), values)
    far = torch.tensor([-9.0, 9.0])
    assert expit(-9) < 0.1 and relax(far).tolist() == [0, 1]


def test_equal_colours_teach_to_change_nothing():
    before = colors(400)
    fitted, errors = fit_grade(before, before)
    assert errors.max() < 1e-5
    unseen = colors(100, 1)
    torch.testing.assert_close(after_grade(fitted, unseen), unseen, rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_what_an_editor_does_is_learnt_even_for_colours_that_were_not_seen(seed):
    before, rng = colors(400, seed), np.random.default_rng(seed)
    look = {"gamma": rng.uniform(0.7, 1.5, 3), "contrast": rng.uniform(-0.5, 0.6),
            "saturation": rng.uniform(0.4, 1.3)}  # fmt: skip
    fitted, _ = fit_grade(before, edited(before, **look).clamp(0, 1))
    unseen = colors(300, seed + 10)
    error = (after_grade(fitted, unseen) - edited(unseen, **look).clamp(0, 1)).norm(dim=1)
    assert error.mean() < 0.015 < 0.05 < (unseen - edited(unseen, **look)).norm(dim=1).mean()


def test_wrong_pairs_are_seen_through():
    before = colors(600)
    after = edited(before)
    wrong = torch.arange(600) % 4 == 0
    after[wrong] = colors(int(wrong.sum()), 5)
    fitted, errors = fit_grade(before, after)
    right, _ = fit_grade(before[~wrong], after[~wrong])
    unseen = colors(200, 6)
    assert (after_grade(fitted, unseen) - after_grade(right, unseen)).norm(dim=1).max() < 0.02
    assert errors[~wrong].median() < 0.01 < 0.2 < errors[wrong].median()


def test_the_slope_is_that_of_differences():
    before = colors(300)
    fitted, _ = fit_grade(before, edited(before, contrast=0.8))
    fitted = fitted.double()
    step, slopes = 1e-5, []
    for direction in np.random.default_rng(0).standard_normal((300, 3)):
        unit = torch.tensor(direction / np.linalg.norm(direction))
        moved = apply_grade(fitted, as_image(before + step * unit)) - apply_grade(fitted, as_image(before))
        slopes.append(moved[..., 0].norm(dim=0).max().item() / step)
    assert max(slopes) <= steepest(fitted, before) * (1 + 1e-3)
    assert max(slopes) > 0.9 * steepest(fitted, before)


def test_a_grade_is_never_steeper_than_allowed():
    before = 0.45 + 0.1 * colors(300)
    fitted, _ = fit_grade(before, (0.5 + 9 * (before - 0.5)).clamp(0, 1))  # what noise would become
    assert 2 < steepest(fitted.double(), before) <= grading.MAX_SLOPE


def test_pairs_of_one_colour_move_it_there():
    before = torch.full((80, 3), 0.4)
    fitted, errors = fit_grade(before, before + 0.2)
    assert fitted.isfinite().all() and errors.max() < 0.01


def test_flat_stays_flat():
    before = colors(200)
    fitted, _ = fit_grade(before, edited(before))
    flat = torch.full((3, 8, 9), 0.3)
    changed = apply_grade(fitted, flat)
    assert (changed == changed[:, :1, :1]).all()


@pytest.mark.parametrize(("call", "said"), [
    (lambda: fit_grade(torch.rand(5, 3), torch.rand(4, 3)), r"after must have the shape \(5, 3\)"),
    (lambda: fit_grade(torch.rand(3, 5), torch.rand(3, 5)), r"before must have the shape \(K, 3\)"),
    (lambda: apply_grade(torch.rand(10, 3), torch.rand(1, 4, 4)), r"image must have the shape \(3, H, W\)"),
    (lambda: steepest(torch.rand(10, 3), torch.rand(3, 4)), r"colors must have the shape \(K, 3\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
