"""The roles that a pair's files have, and what to call them."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

PHOTOGRAPHS = ("content", "style")
MAPS = ("content_map", "style_map")
ROLES = (*PHOTOGRAPHS, *MAPS)
"""The files of a pair with one style."""
MOST_STYLES = 4
"""How many styles a pair can have."""
STYLES = ("style", *(f"style_{number}" for number in range(2, MOST_STYLES + 1)))
"""The style, and further ones that it is mixed with."""
FURTHER = tuple(name for style in STYLES[1:] for name in (style, f"{style}_map"))
"""Further styles, and their maps."""
EVERY_ROLE = (*ROLES, *FURTHER)
"""Every file that a pair can have."""
START = "start"
"""An image to start from, which a single picture can have besides."""


def is_map(role: str) -> bool:
    """Whether a role is that of a semantic map."""
    return role.endswith("_map")


def has_maps(roles: Iterable[str]) -> bool:
    """Whether semantic maps are among the roles; they come together."""
    return any(is_map(role) for role in roles)


def map_of(photograph: str) -> str:
    """The role of a photograph's semantic map."""
    return f"{photograph}_map"


def in_words(role: str) -> str:
    """What a sentence calls a role: ``content map``."""
    return role.replace("_", " ")


def by_style(files: Mapping[str, T]) -> tuple[dict[str, T], ...]:
    """The files of a pair with each of its styles: role, out of `ROLES`, -> file.

    Examples
    --------
    >>> by_style({"content": "a", "style": "b", "style_2": "c"})
    ({'content': 'a', 'style': 'b'}, {'content': 'a', 'style': 'c'})
    """
    return tuple(
        {role: files[name] for role, name in zip(ROLES, _names_of(style), strict=True) if name in files}
        for style in styles_of(files)
    )


def _names_of(style: str) -> tuple[str, ...]:
    """What the files of `ROLES` are called with one of the styles."""
    return ("content", style, "content_map", map_of(style))


def styles_of(roles: Iterable[str]) -> tuple[str, ...]:
    """The styles among roles, in their order."""
    given = set(roles)
    return tuple(style for style in STYLES if style in given)
