"""Arrays as Parquet and back, bit for bit: one row an array, its values as little-endian bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError

__all__ = ["Arrays", "pack_arrays", "pack_rows", "unpack_arrays"]

Arrays = Mapping[str, NDArray[Any]]
KINDS = "biuf"  # booleans, integers, floating point: what bytes alone can hold


def pack_arrays(arrays: Arrays, *, compression: Literal["zstd", "none"] = "none") -> bytes:
    """Write named arrays as the bytes of a Parquet file; equal arrays give equal bytes.

    Parameters
    ----------
    compression
        ``zstd`` pays for label maps; floating point hardly shrinks, and costs time.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {"name": name, "dtype": str(array.dtype), "shape": list(array.shape),
         "data": np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()}
        for name, array in arrays.items()
    ]  # fmt: skip
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=_schema())
    parquet.write_table(
        table, sink, compression=compression, write_page_checksum=True, use_dictionary=False,
        write_statistics=False,
    )  # fmt: skip
    return bytes(sink.getvalue())


def unpack_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Read what `pack_arrays` wrote; the arrays are copies of their own.

    Raises
    ------
    PstError
        If the bytes are damaged or hold something else.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(data), page_checksum_verification=True)
        if table.schema != _schema():
            raise ValueError("its columns are others")
        return {row["name"]: _array(row) for row in table.to_pylist()}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise PstError(f"An artifact holds no arrays ({error}): `pst store verify` finds it.") from error


def pack_rows(rows: Sequence[Mapping[str, Any]], schema: Any) -> bytes:  # noqa: ANN401 - pyarrow has no types
    """Write rows as the bytes of a Parquet file with the columns of a pyarrow schema."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return bytes(sink.getvalue())


def _array(row: dict[str, Any]) -> NDArray[Any]:
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
