import numpy as np
import pytest
import torch

from pst_core.optimisation.losses import (
    content_loss,
    gram,
    mask_supports,
    regional_gram,
    style_loss,
    supported_gram,
)

N, D, R = 4, 11, 3


@pytest.fixture
def features():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def others():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture
def soft_masks():
    return torch.rand(R, D, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture
def partition():
    labels = torch.tensor([0, 0, 1, 2, 1, 0, 2, 2, 1, 0, 0])
    return torch.nn.functional.one_hot(labels, R).T.double()


def loop_gram(features):
    """G_ij = sum over k of F_ik F_jk, in the paper's letters."""
    result = np.zeros((len(features), len(features)))
    for i in range(len(features)):
        for j in range(len(features)):
            for k in range(features.shape[1]):
                result[i, j] += features[i, k] * features[j, k]
    return result


def test_gram_is_the_papers_sum(features):
    np.testing.assert_allclose(gram(features, normalized=False), loop_gram(features.numpy()), rtol=1e-12)


def test_normalized_gram_is_the_papers_over_the_number_of_positions(features):
    np.testing.assert_allclose(gram(features), loop_gram(features.numpy()) / D, rtol=1e-12)


def test_normalized_gram_does_not_depend_on_how_often_the_image_is_repeated(features):
    torch.testing.assert_close(gram(torch.cat([features] * 3, dim=1)), gram(features))


def test_regional_gram_is_that_of_the_masked_features(features, soft_masks):
    found = regional_gram(features, soft_masks, normalized=False)
    for region in range(R):
        masked = features.numpy() * soft_masks[region].numpy()
        np.testing.assert_allclose(found[region], loop_gram(masked), rtol=1e-12)


def test_normalized_regional_gram_weighs_positions_by_the_mask(features, soft_masks):
    found = regional_gram(features, soft_masks)
    for region in range(R):
        weights = soft_masks[region].numpy()
        expected = (
            sum(w * np.outer(f, f) for w, f in zip(weights, features.numpy().T, strict=True)) / weights.sum()
        )
        np.testing.assert_allclose(found[region], expected, rtol=1e-12)


def test_with_binary_masks_normalized_is_the_papers_over_the_regions_positions(features, partition):
    paper = regional_gram(features, partition, normalized=False)
    positions = partition.sum(dim=1)
    torch.testing.assert_close(regional_gram(features, partition), paper / positions[:, None, None])


def test_the_papers_regional_grams_of_a_partition_add_up_to_the_global_one(features, partition):
    total = regional_gram(features, partition, normalized=False).sum(dim=0)
    torch.testing.assert_close(total, gram(features, normalized=False))


def test_a_region_that_is_not_there_has_a_zero_gram(features):
    empty = regional_gram(features, torch.zeros(1, D, dtype=torch.float64))
    assert (empty == 0).all()


def test_content_loss_is_equation_1(features, others):
    total = 0.0
    for i in range(N):
        for j in range(D):
            total += (features[i, j].item() - others[i, j].item()) ** 2
    assert content_loss(features, others).item() == pytest.approx(total / (2 * N * D), rel=1e-12)


def test_over_a_partition_the_content_loss_is_equation_2_too(features, others, partition):
    total = 0.0
    for r in range(R):
        for i in range(N):
            for j in range(D):
                mask = partition[r, j].item()
                total += (mask * features[i, j].item() - mask * others[i, j].item()) ** 2
    assert content_loss(features, others).item() == pytest.approx(total / (2 * N * D), rel=1e-12)


def test_style_loss_is_equation_1(features, others):
    here, there = loop_gram(features.numpy()), loop_gram(others.numpy())
    expected = ((here - there) ** 2).sum() / (2 * N**2)
    assert style_loss(torch.tensor(here), torch.tensor(there)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, [0.2, 0.0, 3.0]])
def test_style_loss_is_equation_2(features, others, partition, weights):
    here = regional_gram(features, partition, normalized=False)
    there = regional_gram(others, partition, normalized=False)
    expected = 0.0
    for region in range(R):
        factor = 1.0 if weights is None else weights[region]
        expected += factor * ((here[region] - there[region]) ** 2).sum().item() / (2 * N**2)
    given = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    assert style_loss(here, there, given).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("normalized", [True, False])
def test_gradients(features, others, soft_masks, normalized):
    target = regional_gram(others, soft_masks, normalized=normalized)
    whole = gram(others, normalized=normalized)
    point = features.clone().requires_grad_()

    def regional(value):
        return style_loss(regional_gram(value, soft_masks, normalized=normalized), target)

    assert torch.autograd.gradcheck(regional, point)
    # Of the matrices themselves too: behind a loss their gradient is always symmetric, here it is not.
    assert torch.autograd.gradcheck(lambda value: gram(value, normalized=normalized), point)
    assert torch.autograd.gradcheck(
        lambda value: regional_gram(value, soft_masks, normalized=normalized), point
    )
    assert torch.autograd.gradcheck(
        lambda value: style_loss(gram(value, normalized=normalized), whole), point
    )
    assert torch.autograd.gradcheck(lambda value: content_loss(value, others), point)


def test_gradient_of_the_content_loss_in_closed_form(features, others):
    point = features.clone().requires_grad_()
    (found,) = torch.autograd.grad(content_loss(point, others), point)
    torch.testing.assert_close(found, (features - others) / (N * D))


def test_gradient_of_the_style_loss_in_closed_form(features, others):
    point = features.clone().requires_grad_()
    target = gram(others, normalized=False)
    (found,) = torch.autograd.grad(style_loss(gram(point, normalized=False), target), point)
    torch.testing.assert_close(found, 2 / N**2 * (gram(features, normalized=False) - target) @ features)


@pytest.mark.parametrize(("call", "said"), [
    (lambda f, m: gram(f[None]), r"features must have the shape \(N, D\), not \(1, 4, 11\)"),
    (lambda f, m: gram(f[:, :0]), r"features must have the shape \(N, D\), not \(4, 0\)"),
    (lambda f, m: supported_gram(f[0], mask_supports(m)), r"features must have the shape \(N, D\)"),
    (lambda f, m: mask_supports(m[0]), r"masks must have the shape \(R, D\), not \(11,\)"),
    (lambda f, m: regional_gram(f, m[:, 1:]), r"masks must have the shape \(R, 11\), not \(3, 10\)"),
    (lambda f, m: content_loss(f, f[:, :1]), r"target must have the shape \(4, 11\), not \(4, 1\)"),
    (lambda f, m: style_loss(f, f), r"grams must have the shape \(..., N, N\), not \(4, 11\)"),
    (lambda f, m: style_loss(gram(f), regional_gram(f, m)), r"targets must have the shape \(4, 4\)"),
    (lambda f, m: style_loss(gram(f), gram(f), m[0]), r"grams must have the shape \(R, N, N\)"),
    (lambda f, m: style_loss(*[regional_gram(f, m)] * 2, m[0]), r"weights must have the shape \(3\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(features, soft_masks, call, said):
    with pytest.raises(ValueError, match=said):
        call(features, soft_masks)


@pytest.fixture
def odd_masks(soft_masks, partition):
    """Soft masks, binary ones that leave positions out, an empty region, and one region that is all."""
    empty, whole = torch.zeros_like(soft_masks[:1]), torch.ones_like(soft_masks[:1])
    return {
        "soft": soft_masks,
        "binary": partition[:2],
        "empty": torch.cat([soft_masks, empty]),
        "one": whole,
    }


@pytest.mark.parametrize("which", ["soft", "binary", "empty", "one"])
@pytest.mark.parametrize("normalized", [True, False])
def test_first_and_second_gradients_of_the_grams_that_we_wrote_out(features, odd_masks, which, normalized):
    supports = mask_supports(odd_masks[which], normalized=normalized)
    point = features.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: supported_gram(value, supports), point)
    assert torch.autograd.gradgradcheck(lambda value: supported_gram(value, supports), point)
    empty = odd_masks[which].sum(dim=1) == 0
    assert torch.equal((supported_gram(features, supports) == 0).all(dim=(1, 2)), empty)


def test_outside_of_its_region_a_gram_has_no_gradient(features, partition):
    point = features.clone().requires_grad_()
    (found,) = torch.autograd.grad(regional_gram(point, partition)[1].sum(), point)
    assert ((found != 0).any(dim=0) == partition[1].bool()).all()
