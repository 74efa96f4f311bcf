"""Text in Markdown, wherever it comes from."""

import html
import re


def escape_markdown(text: str) -> str:
    """Text that is nothing but text on one line, in Markdown as in HTML."""
    escaped = re.sub(r"([\\`*_{}\[\]()#|~!])", r"\\\1", html.escape(text, quote=False))
    return " ".join(escaped.split())
