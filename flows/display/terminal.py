"""What can be shown where: bars on a terminal that moves its cursor, letters that a stream has bytes for."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_CANNOT_MOVE = ("", "dumb", "unknown")


def shows_bars() -> bool:
    """Whether standard error is a terminal on which bars can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in _CANNOT_MOVE


def console(*, stderr: bool = False) -> "Console":
    """A console on a standard stream, with control codes only if that one is a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, force_terminal=stream.isatty())


def printable(text: str, *, stderr: bool = False) -> str:
    """Text with whatever the stream's encoding lacks escaped, so that it is as wide as it will be printed."""
    encoding = getattr(sys.stderr if stderr else sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
