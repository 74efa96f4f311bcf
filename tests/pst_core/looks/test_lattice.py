import numpy as np
import pytest
from lattices import bent, colour

from pst_core.looks.lattice import SIZE, Lattice

RANDOM = np.random.default_rng(3)


def test_the_identity_changes_nothing():
    image = RANDOM.random((3, 20, 30), dtype=np.float32)
    assert np.abs(Lattice.identity().apply(image) - image).max() < 1e-6


def test_colours_are_those_of_an_independent_tetrahedral_interpolation():
    image, lattice = RANDOM.random((3, 20, 30), dtype=np.float32), bent()
    table = colour.LUT3D(lattice.values, "bent")
    wanted = table.apply(
        np.moveaxis(image, 0, -1), interpolator=colour.algebra.table_interpolation_tetrahedral
    )
    assert np.abs(np.moveaxis(lattice.apply(image), 0, -1) - wanted).max() < 1e-5


def test_what_lies_beyond_counts_as_the_end():
    image = np.array([-0.5, 1.5, 0.5], np.float32)[:, None, None]
    assert np.allclose(bent().apply(image), bent().apply(image.clip(0, 1)), atol=1e-6)


@pytest.mark.parametrize("size", [(4, 5), (1, 1)])
def test_the_picture_that_is_given_stays_as_it_is(size):
    image = RANDOM.random((3, *size), dtype=np.float32)
    before = image.copy()
    bent().apply(image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("shape", [(3, 3, 3), (2, 3, 2, 3), (2, 2, 2, 4)])
def test_no_lattice_has_another_shape(shape):
    with pytest.raises(ValueError, match="values must have"):
        Lattice(np.zeros(shape, np.float32))


def test_size_is_what_programs_expect():
    assert Lattice.identity().values.shape == (SIZE, SIZE, SIZE, 3) == (33, 33, 33, 3)
