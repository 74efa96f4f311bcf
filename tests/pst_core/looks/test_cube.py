import numpy as np
from lattices import bent, colour

from pst_core.looks.cube import cube_of
from pst_core.looks.lattice import Lattice


def read(tmp_path, data):
    """By colour-science, which knows nothing of this program."""
    path = tmp_path / "look.cube"
    path.write_bytes(data)
    return colour.read_LUT(str(path))


def test_an_independent_reader_finds_the_same_table(tmp_path):
    table = read(tmp_path, cube_of(bent(), "a look"))
    assert np.abs(table.table - bent().values).max() <= 5.1e-7
    assert table.name == "a look" and table.domain.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_titles_that_no_file_could_hold_are_written_as_text(tmp_path):
    table = read(tmp_path, cube_of(Lattice.identity(2), 'caf\u00e9 "so"\nLUT_3D_SIZE 99'))
    assert table.size == 2 and "'so'" in table.name


def test_equal_looks_give_equal_bytes():
    assert cube_of(bent(), "a") == cube_of(bent(), "a")
