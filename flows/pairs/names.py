"""Names of pairs and files: how they are sorted, told apart, and printed."""

import re
import unicodedata
from pathlib import Path

from pst_core.printing import UNPRINTABLE, printable

_NOT_IN_NAMES = re.compile(rf"{UNPRINTABLE.pattern}|\\")
_DIGITS = re.compile("([0-9]+)")
_SHOWN = 80


def natural_key(name: str) -> tuple[list[tuple[str, int]], str]:
    """Sort key that puts img2 before img10, folder by folder, whatever the case."""
    parts: list[tuple[str, int]] = []
    for part in name.split("/"):
        pieces = _DIGITS.split(fold(part))
        texts, numbers = pieces[::2], [*map(int, pieces[1::2]), -1]
        parts += [*zip(texts, numbers, strict=True)]
        parts.append(("", -2))  # the end of a folder's name comes before whatever might follow there
    return parts, name


def fold(name: str) -> str:
    """Reduce a name to what file systems that ignore case or Unicode's spelling tell apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def clean(name: str) -> str:
    """Put ``_`` in the place of characters that no pair's name can have."""
    return _NOT_IN_NAMES.sub("_", name)


def unprintable(text: str) -> bool:
    """Tell whether a text holds control characters, line ends, NUL, or halves of characters."""
    return UNPRINTABLE.search(text) is not None


def show(path: Path | str) -> str:
    """Write a path so that it stays on one line and can be printed everywhere."""
    return printable(path)


def cut(value: object) -> str:
    """Write a value as Python does, and of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
