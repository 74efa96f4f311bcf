"""Text in Markdown, wherever it comes from."""

import html
import re

from pst_core.printing import printable


def escape_markdown(text: str) -> str:
    """Text that is nothing but text on one line, in Markdown as in HTML."""
    line = printable(" ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()#|~!])", r"\\\1", html.escape(line, quote=False))
