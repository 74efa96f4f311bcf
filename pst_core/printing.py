"""Text that can be printed, stored and sent everywhere: names of files may hold what no text can."""

import re
from collections.abc import Mapping
from typing import Any

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line separators, and halves of characters, as which undecodable bytes are read."""


def printable(text: object) -> str:
    r"""Write something on one line, with what cannot be printed escaped as Python does: ``caf\udce9``."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(text))


def storable(value: Any) -> Any:  # noqa: ANN401 - whatever a table or a message holds
    """A value whose texts are text: UTF-8 knows no halves of characters, so they are escaped."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {storable(key): storable(part) for key, part in value.items()}
    return type(value)(map(storable, value)) if isinstance(value, list | tuple) else value


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """So many of something, in words.

    Examples
    --------
    >>> counted(1, "pair"), counted(0, "pair"), counted(2, "copy", "copies")
    ('1 pair', '0 pairs', '2 copies')
    """
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def sentence(note: str) -> str:
    """A note as a sentence by itself.

    Examples
    --------
    >>> sentence("the file's end marker is missing")
    "The file's end marker is missing."
    """
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."
