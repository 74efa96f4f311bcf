import itertools
import math

import pytest
import torch

from pst_core.errors import DivergenceError
from pst_core.optimisation import solver
from pst_core.optimisation.lbfgs import LARGEST_MOVE, LimitedMemoryBFGS
from pst_core.optimisation.losses import Losses
from pst_core.optimisation.solver import Adam, minimise

SHAPE = (3, 4, 5)
SIZE = math.prod(SHAPE)


def as_losses(total):
    return Losses(total, 0.25 * total, 0.75 * total)


def quadratic(condition, seed=0, dtype=torch.float64):
    """A convex quadratic with its least value 0 at a known point."""
    generator = torch.Generator().manual_seed(seed)
    axes, _ = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64))
    values = torch.logspace(0, math.log10(condition), SIZE, dtype=torch.float64)
    matrix = (axes @ torch.diag(values) @ axes.T).to(dtype)
    least = torch.rand(SHAPE, generator=generator, dtype=torch.float64).to(dtype)

    def value(image):
        move = (image - least).flatten()
        return move @ matrix @ move / 2

    return value, least, matrix


def gradient_of(value, image):
    point = image.clone().requires_grad_()
    return torch.autograd.grad(value(point), point)[0]


def start(dtype=torch.float64):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(9), dtype=dtype)


@pytest.mark.parametrize("history", [1, 3, 30])
def test_lbfgs_walks_as_torchs_does(history):
    """Both are given the same first two points, for torch's first step, min(1, 1/|g|_1) g, is not ours."""
    value, _, _ = quadratic(50)
    image = start()
    rate = 0.8
    ours = LimitedMemoryBFGS(history, rate, limit_moves=False)
    theirs = image.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([theirs], lr=rate, max_iter=1, history_size=history)
    slope = gradient_of(value, image)
    first = min(1.0, 1 / slope.abs().sum().item()) * rate
    optimizer.step(lambda: _closure(optimizer, value, theirs))
    torch.testing.assert_close(theirs.detach(), image - first * slope)
    ours.step(image, slope)  # it remembers where it was; its own first step is not taken
    image = theirs.detach().clone()
    for _ in range(12):
        optimizer.step(lambda: _closure(optimizer, value, theirs))
        image = ours.step(image, gradient_of(value, image))
        torch.testing.assert_close(image, theirs.detach(), rtol=1e-6, atol=1e-9)


def _closure(optimizer, value, parameter):
    optimizer.zero_grad()
    loss = value(parameter)
    loss.backward()
    return loss


def test_lbfgs_direction_is_the_dense_bfgs_inverse_times_the_slope():
    """Liu and Nocedal 1989, equation 2.2: the inverse Hessian updated pair by pair, as a dense matrix."""
    stepper = LimitedMemoryBFGS(10, limit_moves=False)
    value, _, matrix = quadratic(20)
    image = start()
    points = [
        start() + 0.1 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(k)).double()
        for k in range(6)
    ]
    for image in points:
        found = image - stepper.step(image, gradient_of(value, image))
    moves = [(b - a).flatten() for a, b in itertools.pairwise(points)]
    changes = [matrix @ move for move in moves]
    inverse = (moves[-1] @ changes[-1]) / (changes[-1] @ changes[-1]) * torch.eye(SIZE).double()
    for move, change in zip(moves, changes, strict=True):
        weight = 1 / (move @ change)
        left = torch.eye(SIZE).double() - weight * torch.outer(move, change)
        inverse = left @ inverse @ left.T + weight * torch.outer(move, move)
    expected = inverse @ gradient_of(value, points[-1]).flatten()
    torch.testing.assert_close(found.flatten(), expected, rtol=1e-8, atol=1e-10)


def test_first_step_follows_the_slope_by_a_hundredth_of_the_range():
    slope = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    move = start(torch.float32) - LimitedMemoryBFGS(5).step(start(torch.float32), 1e6 * slope)
    assert move.square().mean().sqrt().item() == pytest.approx(0.01, rel=1e-4)
    torch.testing.assert_close(move / move.norm(), slope / slope.norm(), rtol=1e-3, atol=1e-5)


def test_no_step_is_longer_than_allowed():
    stepper = LimitedMemoryBFGS(5)
    image, slope = start(), torch.ones(SHAPE).double()
    moved = stepper.step(image, slope)
    after = stepper.step(moved, slope * (1 - 1e-6))  # next to no curvature: the model asks for a huge step
    assert (after - moved).square().mean().sqrt().item() == pytest.approx(LARGEST_MOVE)
    free = LimitedMemoryBFGS(5, limit_moves=False)
    assert (free.step(free.step(image, slope), slope * (1 - 1e-6)) - moved).abs().max() > 100


def test_a_pair_of_negative_curvature_counts_as_none():
    value, _, _ = quadratic(20)
    points = [
        start() + 0.05 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(k)).double()
        for k in range(4)
    ]
    good = LimitedMemoryBFGS(10, limit_moves=False)
    for point in points:
        expected = good.step(point, gradient_of(value, point)) - point
    last = (points[-1], gradient_of(value, points[-1]))
    for wrong in (-1.0, 0.0):  # against the slope, and no change of it at all
        mixed = LimitedMemoryBFGS(10, limit_moves=False)
        for point in points:
            mixed.step(point, gradient_of(value, point))
        elsewhere = points[-1] + 0.1
        mixed.step(elsewhere, last[1] + wrong * 0.1)
        mixed.last = (last[0].flatten(), last[1].flatten())
        direction = mixed._direction(last[1].flatten()).view(SHAPE)
        torch.testing.assert_close(-direction, expected)


@pytest.mark.parametrize("condition", [1e2, 1e4])
def test_lbfgs_converges_on_an_ill_conditioned_quadratic(condition):
    value, _least, _ = quadratic(condition)
    image, trace = minimise(start(), lambda x: as_losses(value(x)), iterations=250, history=20)
    assert value(image) < 1e-6 * trace[0].total
    plain = start()
    for _ in range(250):  # steepest descent at its best fixed step is far behind
        plain = plain - 2 / (1 + condition) * gradient_of(value, plain)
    assert value(image) < 0.1 * value(plain) or value(plain) < 1e-12


def test_a_start_at_the_minimum_stays_there():
    value, least, _ = quadratic(10)
    image, _ = minimise(least.clone(), lambda x: as_losses(value(x)), iterations=5)
    torch.testing.assert_close(image, least)


def test_adam_is_torchs():
    value, _, _ = quadratic(10)
    image = start()
    theirs = start().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.02)
    ours = Adam(2.0)
    for _ in range(10):
        _closure(optimizer, value, theirs)
        optimizer.step()
        image = ours.step(image, gradient_of(value, image))
        torch.testing.assert_close(image, theirs.detach(), rtol=0, atol=1e-12)


def test_adam_converges():
    value, _, _ = quadratic(10)
    image, trace = minimise(start(), lambda x: as_losses(value(x)), iterations=300, optimizer="adam")
    assert value(image) < 1e-3 * trace[0].total


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_each_evaluation_is_recorded_once_in_order(optimizer):
    value, _, _ = quadratic(10)
    seen, evaluated = [], []

    def loss(image):
        evaluated.append(value(image).item())
        return as_losses(value(image))

    _, trace = minimise(start(), loss, iterations=17, optimizer=optimizer, callback=seen.append)
    assert seen == trace
    assert [record.iteration for record in trace] == list(range(17))
    assert [record.total for record in trace] == pytest.approx(evaluated, rel=1e-12)
    assert [record.content for record in trace] == pytest.approx(
        [total / 4 for total in evaluated], rel=1e-12
    )
    assert [record.style for record in trace] == pytest.approx(
        [0.75 * total for total in evaluated], rel=1e-12
    )


def test_losses_fetched_in_batches_are_recorded_in_order():
    """On an accelerator losses are read every few steps."""
    records = torch.tensor([[3.0, 1, 2], [2.0, 1, 1], [1.0, 0.5, 0.5]])
    seen, trace = [], []
    assert solver._fetch(list(records[:2]), trace, seen.append, 10.0)
    assert solver._fetch(list(records[2:]), trace, seen.append, 10.0)
    assert [(r.iteration, r.total, r.content, r.style) for r in trace] == [
        (0, 3, 1, 2),
        (1, 2, 1, 1),
        (2, 1, 0.5, 0.5),
    ]
    assert seen == trace


def test_the_best_image_seen_is_returned():
    images, totals = [], iter([5.0, 2.0, 4.0, 3.0])

    value, _, _ = quadratic(10)

    def wobbling(image):
        images.append(image.detach().clone())
        return as_losses(value(image) * 1e-3 + next(totals))

    image, trace = minimise(start(), wobbling, iterations=4)
    assert [round(record.total) for record in trace] == [5, 2, 4, 3]
    assert torch.equal(image, images[1])


def test_the_start_image_is_not_changed():
    value, _, _ = quadratic(10)
    for optimizer in ("lbfgs", "adam"):
        image = start()
        minimise(image, lambda x: as_losses(value(x)), iterations=5, optimizer=optimizer)
        assert torch.equal(image, start()) and not image.requires_grad and image.grad is None


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_every_call_starts_a_fresh_optimiser(optimizer):
    value, _, _ = quadratic(10)
    first = minimise(start(), lambda x: as_losses(value(x)), iterations=8, optimizer=optimizer)
    second = minimise(start(), lambda x: as_losses(value(x)), iterations=8, optimizer=optimizer)
    assert torch.equal(first[0], second[0]) and first[1] == second[1]


def test_a_start_that_is_not_contiguous(random_image):
    image = random_image(6, 4).transpose(1, 2)
    found, trace = minimise(image, lambda x: as_losses((x - 0.5).square().sum()), iterations=10)
    assert found.shape == (3, 4, 6) and trace[-1].total < 0.1 * trace[0].total


def test_no_iterations_change_nothing():
    image, trace = minimise(start(), lambda x: as_losses(x.sum()), iterations=0)
    assert torch.equal(image, start()) and trace == []


def breaks_beyond(reach, breakage):
    """A quadratic around the start that breaks where a step of full length leads."""
    origin, calls = start(), []

    def loss(image):
        distance = (image - origin).square().mean().sqrt()
        calls.append(distance.item())
        total = (image - origin - 1).square().sum()
        return as_losses(total if distance < reach else total * breakage)

    return loss, calls


@pytest.mark.parametrize("breakage", [float("nan"), float("inf"), 100.0])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_step_too_far_is_tried_again_at_a_quarter_of_the_length(breakage, optimizer):
    loss, calls = breaks_beyond(0.007, breakage)
    _image, trace = minimise(start(), loss, iterations=3 if optimizer == "adam" else 2, optimizer=optimizer)
    again = [index for index, distance in enumerate(calls) if distance == 0]
    assert len(again) == 2  # one restart, from the start
    assert calls[again[1] + 1] == pytest.approx(calls[1] / 4, rel=0.01)
    assert trace[-1].total < trace[0].total and all(math.isfinite(record.total) for record in trace)


def test_growth_below_the_bound_is_no_divergence():
    loss, calls = breaks_beyond(0.007, 9.0)
    image, trace = minimise(start(), loss, iterations=2)
    assert len(calls) == 2 and trace[1].total > 8 * trace[0].total
    assert torch.equal(image, start())  # the best one seen


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_start_next_to_the_minimum_is_no_divergence(optimizer):
    """A style that is its own content: every step leads up, and the start comes back."""
    value, least, _ = quadratic(1e4)
    near = least + 1e-7
    image, trace = minimise(near, lambda x: as_losses(value(x)), iterations=3, optimizer=optimizer)
    assert trace[1].total > 10 * trace[0].total
    assert torch.equal(image, near) or value(image) < value(near)


@pytest.mark.parametrize("scale", [1e-9, 1e14])
def test_the_scale_of_a_loss_does_not_matter(scale):
    """Literal Grams make losses of 1e14, normalised ones of 1: the steps are the same."""
    value, _, _ = quadratic(1e3)
    plain, _ = minimise(start(), lambda x: as_losses(value(x)), iterations=12)
    scaled, _ = minimise(start(), lambda x: as_losses(scale * value(x)), iterations=12)
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=1e-4)
    assert value(scaled) < 0.2 * value(start())


def test_what_diverges_at_every_length_is_an_error():
    calls = []

    def loss(image):
        calls.append(1)
        return as_losses(image.sum() * float("nan"))

    with pytest.raises(DivergenceError, match=r"diverged even at small steps: lower --style-weight"):
        minimise(start(), loss, iterations=50)
    assert len(calls) == 1 + solver.RESTARTS


def test_no_record_of_a_value_that_is_no_number_reaches_the_callback():
    loss, _ = breaks_beyond(0.007, float("nan"))
    seen = []
    _, trace = minimise(start(), loss, iterations=2, callback=seen.append)
    assert all(math.isfinite(record.total) for record in seen)
    assert seen[-len(trace) :] == trace
