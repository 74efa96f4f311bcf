import numpy as np
import pytest

from pst_core.quality.self_reference import grade, self_reference


def photograph(height=20, width=41, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def graded_color(color, seed):
    """One colour's grade, number by number, drawn in the order in which the draws were published."""
    random = np.random.RandomState(seed)
    gammas = [random.uniform(0.6, 1.7) for _ in range(3)]
    bend, saturation = random.uniform(-0.6, 0.8), None
    x = [(int(value) / 255) ** gamma for value, gamma in zip(color, gammas, strict=True)]
    x = [min(max(v + bend * v * (1 - v) * (2 * v - 1), 0), 1) for v in x]
    saturation = random.uniform(0.35, 1.5)
    gray = 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]
    x = [min(max(gray + saturation * (v - gray), 0), 1) for v in x]
    low = random.uniform(0, 0.12)
    high = random.uniform(0.86, 1.0)
    return [round(255 * (low + (high - low) * v)) for v in x]


@pytest.mark.parametrize("seed", [100, 103, 115])
def test_a_grade_is_what_was_published_color_by_color(seed):
    given = photograph(4, 5)
    expected = [[graded_color(color, seed) for color in row] for row in given]
    assert grade(given, seed).tolist() == expected


def test_parts_are_65_hundredths_and_the_answer_is_the_contents_grade():
    given = photograph()
    for seed in (100, 103):
        content, style, answer = self_reference(given, seed)
        assert content.shape == style.shape == answer.shape == (20, 27, 3)
        assert np.array_equal(content, given[:, :27])
        assert np.array_equal(answer, grade(content, seed))
        assert np.array_equal(style, grade(given[:, 14:], seed))


def test_each_photograph_has_its_own_grade():
    assert not np.array_equal(self_reference(photograph(), 0).style, self_reference(photograph(), 1).style)
