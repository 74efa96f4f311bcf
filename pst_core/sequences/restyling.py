"""A frame from its file to the bytes of its restyled copy."""

from dataclasses import replace
from typing import Literal, NamedTuple

from pst_core.images.carried import carry
from pst_core.images.input_files import InputFile
from pst_core.images.profiles import Samples
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.writing import as_chunks, encode_levels, to_levels
from pst_core.printing import sentence
from pst_core.sequences.carrying import Key
from pst_core.sequences.footage import Decoding
from pst_core.sequences.grain import part_grain, with_grain
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
        What is odd about its file, and what of what it says about itself does not go along.
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
    """Decode a frame, apply its keys' looks and encode it; see `levels_under`."""
    frame = decode()
    carried, lost = carry(frame.stored, settings.metadata)
    depth = frame.bit_depth if settings.bit_depth == "auto" else settings.bit_depth
    known = None if semantic is None else semantic.semantic_map()
    levels = levels_under(keys, distance, frame, known, 16 if depth == 16 else 8)
    notes = *map(sentence, frame.notes), *lost
    return Restyled(encode_levels(levels, quick=True), as_chunks(carried), notes)


def levels_under(
    keys: tuple[Key, Key],
    distance: float,
    frame: Photograph,
    semantic: SemanticMap | None,
    bit_depth: Literal[8, 16],
) -> Samples:
    """A frame under its keys' looks, which leave its grain as it is.

    See `pst_core.sequences.mixing.frame_under`.

    A frame that is transparent has its colours changed as they are, for there grain ends at borders of what
    is seen.
    """
    if frame.alpha is not None:
        return frame_under(keys, distance, frame, semantic, bit_depth)
    smooth, grain = part_grain(frame.pixels)
    levels = frame_under(keys, distance, replace(frame, pixels=smooth), semantic, bit_depth)
    return with_grain(levels, grain)


def as_picture(decode: Decoding) -> bytes:
    """A frame as it is, as PNG of its depth."""
    frame = decode()
    return encode_levels(to_levels(frame.pixels, frame.alpha, frame.bit_depth), quick=True)
