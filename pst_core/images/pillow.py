"""Pillow kept quiet, its pictures taken apart, and what decoders raise turned into sentences."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pst_core.errors import ImageError
from pst_core.images.profiles import Space
from pst_core.images.rasters import Raster

ACCEPTED = "JPEG, PNG, WebP, TIFF or BMP"
"""What to save a picture as, in a sentence."""

# Pillow speaks of odd metadata through `warnings`, whose filters are the whole process's: changing them for a
# moment is safe only for one thread at a time. Decoding is a small part of restyling, so it may queue.
_ONE_DECODER = threading.Lock()


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Drop Pillow's warnings about odd metadata; one thread at a time, and not to be nested."""
    with _ONE_DECODER, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def as_image_error(path: Path, what: str) -> Iterator[None]:
    """Keep Pillow quiet, and turn whatever a decoder raises on foreign bytes into one sentence.

    Parameters
    ----------
    path
        The file.
    what
        What it is, as a sentence needs it: ``a JPEG picture``.
    """
    try:
        with quiet_pillow():
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"{path} does not fit into memory; close other programs or use a smaller copy."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path} has more pixels than its format's decoder allows; save a smaller copy."
        ) from error
    except Exception as error:  # decoders raise nearly everything: SyntaxError, KeyError, cv2.error
        if "truncated" in str(error).lower():
            raise ImageError(f"{path} is {what} that is cut short; copy or export it again.") from error
        raise ImageError(
            f"{path} is {what} that is damaged or of an unusual kind; save it again as {ACCEPTED}."
        ) from error


def from_pillow(image: Image.Image, path: Path) -> Raster:
    """Take 8-bit samples apart: palettes unfolded, alpha aside, never blended with a background.

    Raises
    ------
    ImageError
        The pixels are of a type that is not read.
    """
    opaque_targets = {"1": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB", "La": "LA", "LA": "LA"}
    target = opaque_targets.get(image.mode, "RGB")
    if image.mode not in opaque_targets and image.mode not in (
        "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"
    ):  # fmt: skip
        raise ImageError(f"{path} has the unusual pixel type {image.mode}; save it as {ACCEPTED} in RGB.")
    if target in ("L", "RGB") and image.has_transparency_data:
        target += "A"
    numbers = np.asarray(image) if image.mode == "P" else None
    samples = np.asarray(image if image.mode == target else image.convert(target))
    if target in ("LA", "RGBA"):
        color = samples[..., 0] if target == "LA" else samples[..., :3]
        return Raster(color, "gray" if target == "LA" else "rgb", samples[..., -1], numbers=numbers)
    spaces: dict[str, Space] = {"L": "gray", "RGB": "rgb", "CMYK": "cmyk", "LAB": "lab"}
    return Raster(samples, spaces[target], numbers=numbers)
