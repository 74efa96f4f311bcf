"""The recipe of a result, carried inside its file: settings, seed and hashes as one JSON object.

PNG has a text chunk of its own for it; the other formats carry an XMP packet.

References
----------
XMP specification, part 1 (ISO 16684-1:2019) and part 3 (embedding in files), Adobe.
"""

import json
import os
from pathlib import Path
from typing import Any

from pst_core.errors import ImageError, OutputError
from pst_core.images.decoding import open_header
from pst_core.images.kinds import PNG
from pst_core.images.limits import ImageLimits, read_file
from pst_core.images.png import read_text, walk
from pst_core.images.xmp import recipe_in

KEYWORD = b"pst:recipe"
MAX_RECIPE_BYTES = 2**20


def recipe_text(recipe: dict[str, Any]) -> str:
    """Write a recipe as JSON in ASCII, which no format and no encoding on the way can change.

    Raises
    ------
    OutputError
        The recipe has a value that JSON cannot hold (such as NaN), or more than `MAX_RECIPE_BYTES` bytes.
    """
    try:
        text = json.dumps(recipe, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(f"the recipe cannot be written as JSON ({error}); leave that value out.") from error
    if len(text) > MAX_RECIPE_BYTES:
        raise OutputError(
            f"the recipe has {len(text)} bytes, more than the {MAX_RECIPE_BYTES} allowed; leave it out."
        )
    return text


def read_recipe(path: str | os.PathLike[str], limits: ImageLimits | None = None) -> dict[str, Any] | None:
    """Read the recipe a result carries; its pixels are not decoded.

    Returns
    -------
    dict or None
        None for a picture that carries no recipe.

    Raises
    ------
    ImageError
        The file is no picture, or its recipe is not one JSON object of at most `MAX_RECIPE_BYTES` bytes.
    """
    place, limits = Path(path), limits or ImageLimits(min_side=1)
    data = read_file(place, limits)
    picture = open_header(data, place, limits)
    try:
        text = _png_text(data) if picture.kind is PNG else recipe_in(picture.xmp)
        recipe = None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImageError(
            f"{place} carries a recipe that is damaged; use the one beside it instead."
        ) from error
    if recipe is not None and not isinstance(recipe, dict):
        raise ImageError(f"{place} carries a recipe that is no JSON object; use the one beside it instead.")
    return recipe


def _png_text(data: bytes) -> str | None:
    for chunk in walk(data):
        if chunk.kind == b"iTXt":
            text = read_text(chunk.kind, chunk.payload(data), KEYWORD, MAX_RECIPE_BYTES)
            if text is not None:
                return text.decode("utf-8")
    return None
