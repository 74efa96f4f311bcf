import time

import numpy as np
import pytest
import torch

from pst_core.shapes import expect_shapes


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_shapes_that_are_as_wanted(make):
    expect_shapes("image: C H W", make((2, 4, 5)))
    expect_shapes("image: 3 H W, guide: 3 H W, mask: H W", make((3, 4, 5)), make((3, 4, 5)), make((4, 5)))
    expect_shapes("grams: ... N N, targets: ... N N", make((2, 7, 3, 3)), make((2, 7, 3, 3)))
    expect_shapes("grams: ... N N", make((3, 3)))
    expect_shapes("loss: ...", make(()))


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
@pytest.mark.parametrize("wanted, shapes, said", [
    ("image: 3 H W", [(1, 4, 5)], "image must have the shape (3, H, W), not (1, 4, 5)"),
    ("image: 3 H W", [(4, 5)], "image must have the shape (3, H, W), not (4, 5)"),
    ("image: C H W", [(1, 3, 4, 5)], "image must have the shape (C, H, W), not (1, 3, 4, 5)"),
    ("image: 3 H W", [(3, 0, 5)], "image must have the shape (3, H, W), not (3, 0, 5)"),
    ("image: C H W, guide: 3 H W", [(2, 4, 5), (3, 5, 4)],
     "guide must have the shape (3, 4, 5), not (3, 5, 4)"),
    ("image: C h w, guide: 3 H W", [(2, 4, 5), (2, 8, 9)],
     "guide must have the shape (3, H, W), not (2, 8, 9)"),
    ("laplacian: P P", [(4, 5)], "laplacian must have the shape (P, P), not (4, 5)"),
    ("grams: ... N N", [(5,)], "grams must have the shape (..., N, N), not (5,)"),
    ("grams: ... N N", [(2, 4, 5)], "grams must have the shape (..., N, N), not (2, 4, 5)"),
    ("a: ... 3 3, b: ... 3 3", [(2, 3, 3), (3, 3)], "b must have the shape (2, 3, 3), not (3, 3)"),
    ("a: ... 3 3, b: ... 3 3", [(3, 3), (2, 3, 3)], "b must have the shape (3, 3), not (2, 3, 3)"),
    ("features: N D, mask: D", [(2, 3), ()], "mask must have the shape (3), not ()"),
])  # fmt: skip
def test_others_are_refused_in_a_sentence_that_names_the_array(make, wanted, shapes, said):
    with pytest.raises(ValueError) as refused:
        expect_shapes(wanted, *map(make, shapes))
    assert str(refused.value) == said


def test_every_name_has_an_array():
    with pytest.raises(ValueError, match="zip"):
        expect_shapes("image: C H W, guide: 3 H W", np.zeros((3, 4, 5)))


def test_it_costs_microseconds():
    image, guide = torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)
    expect_shapes("image: C H W, guide: 3 H W", image, guide)
    start = time.thread_time()  # of this thread, however busy the machine is
    for _ in range(1000):
        expect_shapes("image: C H W, guide: 3 H W", image, guide)
    assert time.thread_time() - start < 0.1
