"""ICC profiles of colours that a file describes by numbers: primaries, white, and a transfer curve.

Below, `Primaries` are the (x, y) of red, green, blue and white.

References
----------
ITU-T H.273, tables 2 (primaries) and 3 (transfer). PNG, third edition, sections 4.4 and 11.3.2 (cICP, gAMA,
cHRM). ICC.1:2022, sections 7.2 (header), 10.18 (parametric curves) and annex E (adaptation to D50).
"""

import math
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Primaries = tuple[Point, Point, Point, Point]

_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_OF_CODE: dict[int, tuple[str, Primaries]] = {
    1: ("BT.709", SRGB),
    4: ("BT.470 M", ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C)),
    5: ("BT.601", ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65)),
    6: ("SMPTE 170M", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    7: ("SMPTE 240M", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)),
    11: ("DCI-P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)),
    22: ("EBU 3213", ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65)),
}
_UNSPECIFIED = 2
_HDR = {16: "PQ", 18: "HLG"}
# Parameters of ICC's curve of type 3: (a x + b) ** g from d on, c x below.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, Sequence[float]] = {
    **dict.fromkeys((1, 6, 14, 15), _BT709_CURVE),
    4: (2.2,), 5: (2.8,), 8: (1.0,), 13: _SRGB_CURVE, _UNSPECIFIED: _SRGB_CURVE,
}  # fmt: skip
_SRGB_GAMMA = 0.45455
_CLOSE = 0.05  # gammas within this share of each other look alike
_SAME_POINT = 0.003  # chromaticities are written with three digits or so
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])


def of_code_points(primaries: int, transfer: int) -> tuple[bytes | None, list[str]]:
    """Make an ICC profile of H.273's code points, as PNG's cICP and the boxes of HEIF carry them.

    Returns
    -------
    profile : bytes or None
        None for sRGB, and for what no profile of this kind can say.
    notes : list of str
        What is not converted.
    """
    if transfer in _HDR:
        return None, [f"HDR colours ({_HDR[transfer]}) not converted: they look flat; export them as SDR"]
    if primaries == _UNSPECIFIED:
        primaries = 1
    if primaries not in _OF_CODE or transfer not in _CURVES:
        return None, [f"colours of an unusual kind (H.273: {primaries}, {transfer}) taken as sRGB"]
    name, points = _OF_CODE[primaries]
    curve = _CURVES[transfer]
    if points == SRGB and curve == _SRGB_CURVE:
        return None, []
    return _profile(f"{name} by code, transfer {transfer}", points, curve), []


def of_gamma(gamma: float, points: Primaries | None) -> bytes | None:
    """Make an ICC profile of a PNG's gAMA, the exponent that encoded it, and cHRM.

    Returns
    -------
    bytes or None
        None for sRGB, as near as these numbers can say it, and for what makes no sense.
    """
    if not 0.01 <= gamma <= 10:
        return None
    is_srgb = abs(gamma / _SRGB_GAMMA - 1) <= _CLOSE
    if points is None or _same(points, SRGB):
        points = SRGB
    if is_srgb and points == SRGB:
        return None
    return _profile(f"PNG gamma {gamma:g}", points, _SRGB_CURVE if is_srgb else (1 / gamma,))


def _same(one: Primaries, other: Primaries) -> bool:
    return bool(np.abs(np.array(one) - np.array(other)).max() <= _SAME_POINT)


def _profile(name: str, points: Primaries, curve: Sequence[float]) -> bytes | None:
    """Write a matrix profile; None for primaries that span no colours."""
    try:
        colorants = _to_d50(points)
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    if not np.isfinite(colorants).all() or np.abs(colorants).max() > 4:
        return None
    text = name.encode("utf-16-be")
    transfer = b"para" + struct.pack(">IHH", 0, 0 if len(curve) == 1 else 3, 0) + _fixed(*curve)
    tags = {
        b"desc": b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(text), 28) + text,
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50),
        **{
            letter + b"XYZ": b"XYZ \0\0\0\0" + _fixed(*column)
            for letter, column in zip((b"r", b"g", b"b"), colorants.T, strict=True)
        },
        **{letter + b"TRC": transfer for letter in (b"r", b"g", b"b")},
    }
    return _assembled(tags)


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for signature, data in tags.items():
        table += struct.pack(">4sII", signature, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    struct.pack_into(">I", header, 0, 128 + len(table) + len(body))
    header[8:12] = b"\x04\x20\0\0"
    header[12:24] = b"mntrRGB XYZ "
    header[36:40] = b"acsp"
    header[68:80] = _fixed(*_D50)
    return bytes(header) + table + body


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65536 * float(value)) for value in values))


def _to_d50(points: Primaries) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ under D50, shape (3, 3)."""
    if any(not math.isfinite(value) or y <= 0 for x, y in points for value in (x, y)):
        raise ArithmeticError("no chromaticity")
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in points]).T
    white = columns[:, 3]
    matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.solve(_BRADFORD, scale[:, None] * (_BRADFORD @ matrix))
    return adapted
