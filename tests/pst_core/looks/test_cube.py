import re

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813 - its own short name
import pytest
from lattices import bent, colour

from pst_core.errors import LookError
from pst_core.looks.cube import cube_of, read_cube
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


LINES = cube_of(bent(), "a look").decode().splitlines()


def changed(change):
    """A look's lines after a change of them."""
    lines = [*LINES]
    change(lines)
    return "\n".join(lines) + "\n"


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "look.cube"
    path.write_bytes(cube_of(bent(), "a look"))
    assert np.abs(read_cube(path).values - bent().values).max() <= 5.1e-7


def test_what_an_independent_program_writes_is_read(tmp_path):
    path = tmp_path / "look.cube"
    table = colour.LUT3D(bent().values, "theirs", comments=["from elsewhere"])
    colour.write_LUT(table, str(path))
    assert np.abs(read_cube(path).values - bent().values).max() <= 1e-6


def test_a_look_is_applied_as_opencolorio_applies_its_file(tmp_path):
    path = tmp_path / "look.cube"
    path.write_bytes(cube_of(bent(), "a look"))
    image = np.random.default_rng(4).random((3, 8, 9), dtype=np.float32)
    transform = ocio.FileTransform(str(path), interpolation=ocio.INTERP_TETRAHEDRAL)
    theirs = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    processor.apply(ocio.PackedImageDesc(theirs, 9, 8, 3))
    assert np.abs(np.moveaxis(read_cube(path).apply(image), 0, -1) - theirs).max() < 1e-5


def test_comments_blank_lines_and_other_spellings_say_nothing(tmp_path):
    path = tmp_path / "look.cube"
    text = changed(lambda lines: lines.__setitem__(slice(0, 4), [
        "\ufeff# made by somebody", "", "lut_3d_size 33", "LUT_3D_INPUT_RANGE 0.0 1.0", "  # table",
    ]))  # fmt: skip
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert np.abs(read_cube(path).values - bent().values).max() <= 5.1e-7


@pytest.mark.parametrize(("change", "named"), [
    (lambda lines: lines.__setitem__(1, "LUT_3D_SIZE 17"), "17 points"),
    (lambda lines: lines.__setitem__(1, "LUT_3D_SIZE many"), "many points"),
    (lambda lines: lines.__setitem__(1, "LUT_1D_SIZE 33"), "LUT_1D"),
    (lambda lines: lines.__delitem__(1), "no LUT_3D_SIZE"),
    (lambda lines: lines.__setitem__(3, "DOMAIN_MAX 1 1 4"), "DOMAIN_MAX 1 1 4"),
    (lambda lines: lines.__setitem__(2, "DOMAIN_MIN -1 0 0"), "DOMAIN_MIN -1 0 0"),
    (lambda lines: lines.__setitem__(2, "LUT_3D_INPUT_RANGE 0 4"), "LUT_3D_INPUT_RANGE 0 4"),
    (lambda lines: lines.__setitem__(40, "1.5 0 0"), "to 1.5"),
    (lambda lines: lines.__setitem__(40, "0 -0.25 0"), "from -0.25"),
    (lambda lines: lines.__setitem__(40, "nan 0 0"), "no colour"),
    (lambda lines: lines.__setitem__(40, "0 inf 0"), "no colour"),
    (lambda lines: lines.__setitem__(40, "0 0"), "no colour"),
    (lambda lines: lines.__setitem__(40, "0 0 x"), "no colour"),
    (lambda lines: lines.__delitem__(slice(9000, None)), "cut short: 8996 colours of 35937"),
    (lambda lines: lines.append("0 0 0"), "too many lines"),
    (lambda lines: lines.clear(), "no .cube file"),
])  # fmt: skip
def test_what_is_no_look_is_refused_in_one_sentence(tmp_path, change, named):
    path = tmp_path / "look.cube"
    path.write_text(changed(change))
    with pytest.raises(LookError, match=re.escape(named)) as refusal:
        read_cube(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_negative_is_refused(tmp_path):
    path = tmp_path / "look.cube"
    path.write_bytes(cube_of(Lattice(1 - bent().values), "negative"))
    with pytest.raises(LookError, match="negative"):
        read_cube(path)


def test_grays_may_fall_on_the_way(tmp_path):
    """As where a dark sky takes the place of a light one."""
    path = tmp_path / "look.cube"
    values = bent().values
    path.write_bytes(cube_of(Lattice(np.where((values > 0.6) & (values < 0.9), 0, values)), "night"))
    assert read_cube(path).values.max() == 1


def test_one_colour_for_everything_is_a_look(tmp_path):
    """Such as of a fog that hides everything: nothing falls."""
    path = tmp_path / "look.cube"
    path.write_bytes(cube_of(Lattice(np.full_like(bent().values, 0.5)), "fog"))
    assert read_cube(path).values.max() == 0.5


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_what_cannot_be_read_is_named(tmp_path, make):
    make(tmp_path / "look.cube")
    with pytest.raises(LookError, match=r"look\.cube cannot be read"):
        read_cube(tmp_path / "look.cube")
