"""The roles that a pair's files have, and what to call them."""

from collections.abc import Iterable

PHOTOGRAPHS = ("content", "style")
MAPS = ("content_map", "style_map")
ROLES = (*PHOTOGRAPHS, *MAPS)
"""Every file that a pair can have."""
START = "start"
"""An image to start from, which a single picture can have besides."""


def is_map(role: str) -> bool:
    """Whether a role is that of a semantic map."""
    return role in MAPS


def has_maps(roles: Iterable[str]) -> bool:
    """Whether semantic maps are among the roles; they come together."""
    return any(is_map(role) for role in roles)


def map_of(photograph: str) -> str:
    """The role of a photograph's semantic map."""
    return f"{photograph}_map"


def in_words(role: str) -> str:
    """What a sentence calls a role: ``content map``."""
    return role.replace("_", " ")
