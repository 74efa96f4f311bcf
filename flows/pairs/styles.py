"""Further styles that a pair is mixed with, as roles."""

from collections.abc import Sequence
from pathlib import Path

from pst_core.errors import ConfigError, MapError
from pst_core.images.roles import MOST_STYLES, STYLES, map_of


def name_styles(styles: Sequence[Path], maps: Sequence[Path] = ()) -> dict[str, Path]:
    """Role -> file of further styles, and of their maps, in the order in which they were given.

    Raises
    ------
    ConfigError, MapError
        There are too many, or not as many maps as styles.
    """
    if len(styles) >= MOST_STYLES:
        raise ConfigError(f"{len(styles) + 1} styles are too many to be mixed: give {MOST_STYLES} at most.")
    if maps and len(maps) != len(styles):
        raise MapError(
            f"The further styles are {len(styles)} and their maps {len(maps)}: give a map of each, in the "
            "same order, or no map at all."
        )
    named = dict(zip(STYLES[1:], styles, strict=False))
    return named | {map_of(style): given for style, given in zip(named, maps, strict=False)}
