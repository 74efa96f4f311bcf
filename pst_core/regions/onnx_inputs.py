"""What an ONNX file says that its network takes, read from its protocol buffer.

OpenCV runs a network on whatever it is given, so this is the only place where a misfit shows. Field numbers
are those of onnx.proto: ModelProto.graph 7, GraphProto.initializer 5 and input 11, TensorProto.name 8,
ValueInfoProto.name 1 and type 2, TypeProto.tensor_type 1, its shape 2, TensorShapeProto.dim 1, its
dim_value 1.
"""

from collections.abc import Iterator

Shape = tuple[int | None, ...]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def declared_inputs(data: bytes) -> dict[str, Shape]:
    """Name -> shape of each input that is no constant; None where a side may have any length.

    Raises
    ------
    ValueError
        If the bytes are no ONNX file.
    """
    shapes: dict[str, Shape] = {}
    for graph in _messages(data, 7):
        constants = {name for tensor in _messages(graph, 5) for name in _messages(tensor, 8)}
        for value in _messages(graph, 11):
            name = b"".join(_messages(value, 1))
            if name not in constants:
                shapes[name.decode("utf-8", "replace")] = _shape(value)
    return shapes


def _shape(value: bytes) -> Shape:
    sides: list[int | None] = []
    for kind in _messages(value, 2):
        for tensor in _messages(kind, 1):
            for shape in _messages(tensor, 2):
                for dimension in _messages(shape, 1):
                    lengths = [int(part) for part in _numbers(dimension, 1) if part > 0]
                    sides.append(lengths[0] if lengths else None)
    return tuple(sides)


def _messages(data: bytes, field: int) -> Iterator[bytes]:
    return (part for number, part in _fields(data) if number == field and isinstance(part, bytes))


def _numbers(data: bytes, field: int) -> Iterator[int]:
    return (part for number, part in _fields(data) if number == field and isinstance(part, int))


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field of a message."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if wire == _BYTES:
            length, place = _varint(data, place)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError("not a protocol buffer")
        if place + length > len(data):
            raise ValueError("cut short")
        yield number, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while place < len(data) and shift < 64:
        value |= (data[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 0x80:
            return value, place
    raise ValueError("cut short")
