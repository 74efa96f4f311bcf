import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from pst_core.errors import PstError
from pst_core.parquet import _schema, have_library, pack_arrays, pack_rows, unpack_arrays

DTYPES = st.sampled_from(["bool", "uint8", "int16", "int64", "float16", "float32", "float64"])


@given(
    st.dictionaries(
        st.text(max_size=12), st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_dims=0, min_side=0))
    )
)
@settings(max_examples=60)
def test_arrays_come_back_bit_for_bit(arrays):
    for compression in ("none", "zstd"):
        data = pack_arrays(arrays, compression=compression)
        assert data == pack_arrays(arrays, compression=compression)
        found = unpack_arrays(data)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes()
            assert found[name].flags.writeable


@pytest.mark.parametrize(
    "foreign", [b"", b"hello, I am no Parquet file", pack_rows([], pa.schema([("name", pa.string())]))]
)
def test_what_holds_no_arrays_is_refused(foreign):
    with pytest.raises(PstError, match="holds no arrays"):
        unpack_arrays(foreign)


def as_rows(*rows):
    schema = _schema()
    return pack_rows([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


@pytest.mark.parametrize("row", [
    ("scales/conv1_1", "float32", [3], bytes(8)),
    ("scales/conv1_1", "nonsense", [2], bytes(8)),
    ("scales/conv1_1", "object", [1], bytes(8)),
    ("scales/conv1_1", "float32", [2], bytes(7)),
    ("scales/conv1_1", "U2", [1], bytes(8)),
])  # fmt: skip
def test_rows_that_are_no_arrays_are_refused(row):
    with pytest.raises(PstError, match="holds no arrays"):
        unpack_arrays(as_rows(row))


def test_rows_come_back_with_nulls_for_what_they_lack():
    schema = pa.schema([("pair", pa.string()), ("shown", pa.list_(pa.string())), ("seconds", pa.float64())])
    rows = [{"pair": "ü", "shown": ["a", "b"], "seconds": 0.1 + 0.2}, {"pair": "x"}]
    data = pack_rows(rows, schema)
    assert data == pack_rows(rows, schema)
    table = parquet.read_table(pa.BufferReader(data))
    assert table.schema == schema
    assert table.to_pylist() == [rows[0], {"pair": "x", "shown": None, "seconds": None}]
    assert parquet.read_table(pa.BufferReader(pack_rows([], schema))).num_rows == 0


def test_a_value_of_another_type_is_no_row():
    with pytest.raises(pa.ArrowException):
        pack_rows([{"seconds": "long"}], pa.schema([("seconds", pa.float64())]))


def test_reading_leaves_no_threads_behind():
    """One of pyarrow's that is still there when the process ends makes C++ end it by SIGABRT now and then."""
    program = (
        "from pathlib import Path\nimport pyarrow as pa\nfrom pyarrow import parquet\n"
        "from pst_core.parquet import pack_rows, unpack_table\n"
        "data = pack_rows([{'a': 1, 'b': 'x'}], pa.schema([('a', pa.int64()), ('b', pa.string())]))\n"
        "names = lambda: {p.name for p in Path('/proc/self/task').iterdir()\n"
        "                 if 'jemalloc' not in (p / 'comm').read_text()}\n"
        "before = names()\nassert unpack_table(data).to_pylist() == [{'a': 1, 'b': 'x'}]\n"
        "print(len(names() - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_library_that_is_missing_is_told_before_the_work(monkeypatch):
    have_library()
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)  # as an import finds what is not there
    monkeypatch.delattr(pa, "parquet", raising=False)
    with pytest.raises(PstError, match=r"^pyarrow cannot be loaded .*: install it again\.$"):
        have_library()
