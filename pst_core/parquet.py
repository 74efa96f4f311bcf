"""Parquet files as bytes: tables, and arrays and back, bit for bit, each a row of little-endian bytes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from pst_core.errors import PstError
from pst_core.printing import storable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
KINDS = "biuf"  # booleans, integers, floating point: what bytes alone can hold
GROUP_ROWS = 1024
"""Rows that are written, and read, together."""


def have_library() -> None:
    """Load pyarrow now: what is written at a night's end must not depend on whether it is still there then.

    Raises
    ------
    PstError
        It cannot be loaded.
    """
    try:
        import pyarrow.parquet  # noqa: F401 - kept by Python for whoever asks for it later
    except ImportError as error:
        raise PstError(f"pyarrow cannot be loaded ({error}): install it again.") from error


def pack_rows(rows: Iterable[Mapping[str, Any]], schema: Any, **options: Any) -> bytes:  # noqa: ANN401
    """Write rows as the bytes of a Parquet file; equal rows give equal bytes.

    Parameters
    ----------
    rows
        Column -> value; what a row lacks is null. Text that is none, as a file's name may be, is escaped.
        They are taken in groups: of many, only so many are held at once.
    schema : pyarrow.Schema
    options
        Of `pyarrow.parquet.ParquetWriter`.
    """
    import pyarrow as pa

    sink = pa.BufferOutputStream()  # pyarrow's own: a file of Python's takes a copy more of every block
    write_rows(sink, rows, schema, **options)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def write_rows(
    file: Any,  # noqa: ANN401 - a file for writing, of Python or of pyarrow
    rows: Iterable[Mapping[str, Any]],
    schema: Any,  # noqa: ANN401
    **options: Any,  # noqa: ANN401
) -> None:
    """Write to a file what `pack_rows` returns, group by group."""
    import pyarrow as pa
    from pyarrow import parquet

    waiting = iter(rows)
    with parquet.ParquetWriter(file, schema, **options) as writer:
        while group := [*islice(waiting, GROUP_ROWS)]:
            writer.write_table(pa.Table.from_pylist([*map(storable, group)], schema=schema))


def read_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read some columns of a Parquet file row by row, without threads of pyarrow's, as `unpack_table` does.

    Parameters
    ----------
    file
        Read where these columns lie, and held in parts.

    Raises
    ------
    OSError, pyarrow.ArrowException, ValueError
        It is no such file, or lacks a column, or is damaged, be it after some rows.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(file, pre_buffer=False) as opened:
        if lacking := {*columns} - {*opened.schema_arrow.names}:
            raise ValueError(f"it has no column {min(lacking)}")
        for batch in opened.iter_batches(GROUP_ROWS, columns=[*columns], use_threads=False):
            yield from batch.to_pylist()


def unpack_table(data: bytes, **options: Any) -> Any:  # noqa: ANN401 - a pyarrow.Table
    """Read the bytes of a Parquet file as a table, without threads of pyarrow's.

    For tables this small threads gain nothing, and now and then one of them is still there when the process
    ends, which C++ then ends by SIGABRT.

    Parameters
    ----------
    options
        Of `pyarrow.parquet.ParquetFile`.

    Raises
    ------
    OSError, pyarrow.ArrowException
        It is no such file, or damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(pa.BufferReader(data), pre_buffer=False, **options) as file:
        return file.read(use_threads=False)


def pack_arrays(arrays: Arrays, *, compression: Literal["zstd", "none"] = "none") -> bytes:
    """Write named arrays as the bytes of a Parquet file; equal arrays give equal bytes.

    Parameters
    ----------
    compression
        ``zstd`` pays for label maps; floating point hardly shrinks, and costs time.
    """
    rows = [
        {"name": name, "dtype": str(array.dtype), "shape": list(array.shape),
         "data": array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()}
        for name, array in arrays.items()
    ]  # fmt: skip
    return pack_rows(
        rows, _schema(), compression=compression, write_page_checksum=True, use_dictionary=False,
        write_statistics=False,
    )  # fmt: skip


def unpack_arrays(data: bytes) -> dict[str, "NDArray[Any]"]:
    """Read what `pack_arrays` wrote; the arrays are copies of their own.

    Raises
    ------
    PstError
        If the bytes are damaged or hold something else.
    """
    import pyarrow as pa

    try:
        table = unpack_table(data, page_checksum_verification=True)
        if table.schema != _schema():
            raise ValueError("its columns are others")
        return {row["name"]: _array(row) for row in table.to_pylist()}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise PstError(f"An artifact holds no arrays ({error}): `pst store verify` finds it.") from error


def _array(row: dict[str, Any]) -> "NDArray[Any]":
    import numpy as np

    dtype = np.dtype(row["dtype"])
    if dtype.kind not in KINDS:
        raise ValueError(f"no numbers: {dtype}")
    return np.frombuffer(row["data"], dtype.newbyteorder("<")).reshape(row["shape"]).astype(dtype)


def _schema() -> object:
    import pyarrow as pa

    return pa.schema([
        ("name", pa.string()), ("dtype", pa.string()), ("shape", pa.list_(pa.int64())),
        ("data", pa.large_binary()),
    ])  # fmt: skip
