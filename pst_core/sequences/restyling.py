"""A frame from its file to the bytes of its restyled copy."""

from typing import NamedTuple

from pst_core.images.carried import carry
from pst_core.images.input_files import InputFile
from pst_core.images.writing import as_chunks, encode_levels, to_levels
from pst_core.sequences.carrying import Key
from pst_core.sequences.footage import Decoding
from pst_core.sequences.mixing import frame_under
from pst_core.settings.config import OutputSettings


class Restyled(NamedTuple):
    """A frame under its keys' looks.

    Attributes
    ----------
    picture : bytes
        PNG, with nothing but its pixels in it.
    described : bytes
        What the frame says about itself, see `pst_core.images.writing.embed`.
    notes : tuple of str
        What of that does not go along.
    """

    picture: bytes
    described: bytes
    notes: tuple[str, ...]


def restyle(
    decode: Decoding,
    keys: tuple[Key, Key],
    distance: float,
    semantic: InputFile | None,
    settings: OutputSettings,
) -> Restyled:
    """Decode a frame, apply its keys' looks and encode it; see `pst_core.sequences.mixing.frame_under`."""
    frame = decode()
    carried, lost = carry(frame.stored, settings.metadata)
    depth = frame.bit_depth if settings.bit_depth == "auto" else settings.bit_depth
    known = None if semantic is None else semantic.semantic_map()
    levels = frame_under(keys, distance, frame, known, 16 if depth == 16 else 8)
    return Restyled(encode_levels(levels, quick=True), as_chunks(carried), lost)


def as_picture(decode: Decoding) -> bytes:
    """A frame as it is, as PNG of its depth."""
    frame = decode()
    return encode_levels(to_levels(frame.pixels, frame.alpha, frame.bit_depth), quick=True)
