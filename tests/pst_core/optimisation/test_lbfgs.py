"""The descent in buffers against the stepper's, evaluated one by one and as replays of what was recorded."""

import math

import pytest
import torch
from recorded_work import RecordedWork

from pst_core.optimisation import solver
from pst_core.optimisation.lbfgs import BufferedDescent, LimitedMemoryBFGS
from pst_core.optimisation.losses import Losses

SHAPE = (3, 8, 6)
EVALUATIONS = 12


def start(dtype=torch.float64):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(9), dtype=dtype)


def bumpy(image):
    """A loss with curvature of both signs."""
    total = (
        (image - 0.3).pow(4).sum() + 0.05 * (9 * image).sin().sum() + 0.2 * image.diff(dim=2).square().sum()
    )
    return Losses(total, 0.25 * total, 0.75 * total)


def walked(loss, image, history, evaluations=EVALUATIONS, step=1.0):
    """Images and totals of the stepper's own walk."""
    stepper, images, totals = LimitedMemoryBFGS(history, step), [image], []
    for _ in range(evaluations):
        point = images[-1].clone().requires_grad_()
        total = loss(point).total
        totals.append(total.item())
        images.append(stepper.step(images[-1], torch.autograd.grad(total, point)[0]))
    return images, totals


def descent_from(image, history, evaluations=EVALUATIONS, loss=bumpy, step=1.0):
    return BufferedDescent(image, loss, history=history, step=step, evaluations=evaluations)


@pytest.mark.parametrize("history", [1, 3, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_descent_in_buffers_is_the_steppers_walk_bit_by_bit(history, dtype):
    images, totals = walked(bumpy, start(dtype), history)
    descent = descent_from(start(dtype), history)
    for expected in images[1:]:
        descent.advance()
        assert torch.equal(descent.image, expected)
    assert descent.losses[:, 0].tolist() == totals
    assert torch.equal(descent.losses[:, 1:], descent.losses[:, :1] * torch.tensor([0.25, 0.75], dtype=dtype))
    assert torch.equal(descent.best, images[min(range(EVALUATIONS), key=totals.__getitem__)])


@pytest.mark.parametrize("size", [(3, 5, 7), (3, 1, 1)])
def test_the_length_of_an_image_does_not_matter(size):
    """Rows of a buffer then begin anywhere in memory, and sums may come in another order."""
    image = torch.rand(size, generator=torch.Generator().manual_seed(1))
    images, _ = walked(lambda x: Losses((x - 0.5).square().sum(), x.sum(), x.sum()), image, 4, step=0.3)
    descent = descent_from(
        image, 4, loss=lambda x: Losses((x - 0.5).square().sum(), x.sum(), x.sum()), step=0.3
    )
    for expected in images[1:]:
        descent.advance()
        torch.testing.assert_close(descent.image, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("history", [1, 3, 20])
def test_what_is_recorded_once_and_replayed_is_the_same_descent(history):
    """One recording serves every evaluation: the first steps, a memory that fills, and one that is full."""
    expected, found = descent_from(start(), history), descent_from(start(), history)
    with RecordedWork() as recorded:
        found.advance()
    assert torch.equal(found.image, start()) and found.done == 0  # as in a capture, nothing was done
    for _ in range(EVALUATIONS):
        expected.advance()
        recorded.replay()
        assert torch.equal(found.image, expected.image)
    assert torch.equal(found.losses, expected.losses) and torch.equal(found.best, expected.best)


def test_a_descent_leaves_its_start_alone_and_may_start_anywhere_in_memory():
    image = start().transpose(1, 2)
    descent = descent_from(image, 3)
    for expected in walked(bumpy, image.contiguous(), 3)[0][1:]:
        descent.advance()
        torch.testing.assert_close(descent.image, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(image, start().transpose(1, 2)) and not image.requires_grad


@pytest.mark.parametrize("iterations", [0, 1, 2, 25])
def test_minimising_in_buffers_gives_the_same_image_and_losses(monkeypatch, iterations):
    expected = solver.minimise(start(), bumpy, iterations=iterations)
    on_a_gpu(monkeypatch)
    seen = []
    found = solver.minimise(start(), bumpy, iterations=iterations, callback=seen.append)
    assert torch.equal(found[0], expected[0]) and found[1] == expected[1] == seen


def on_a_gpu(monkeypatch):
    """Let the solver take the GPU's way, with each step done by itself."""

    def one_by_one(advance, count, device):
        for _ in range(count):
            advance()
            yield

    monkeypatch.setattr(solver, "_replays", lambda image: True)
    monkeypatch.setattr(solver, "repeated", one_by_one)


def test_a_step_too_far_in_buffers_is_tried_again_at_a_quarter_of_the_length(monkeypatch):
    origin = start()

    def loss(image):
        distance = (image - origin).square().mean().sqrt()
        total = (image - origin - 1).square().sum()
        broken = torch.where(distance < 0.007, total, torch.nan)
        return Losses(broken, broken, broken)

    expected = solver.minimise(start(), loss, iterations=2)
    on_a_gpu(monkeypatch)
    image, trace = solver.minimise(start(), loss, iterations=2)
    assert trace == expected[1] and torch.equal(image, expected[0])
    assert all(math.isfinite(record.total) for record in trace)
