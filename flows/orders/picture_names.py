"""What pictures are called that lie together in one folder, by a template that the user writes."""

from collections.abc import Sequence
from string import Formatter

from flows.layout import RESERVED, RESULT
from flows.pairs.names import clean, cut, fold, unprintable
from flows.pairs.own_names import digest, settle
from flows.pairs.pair import Pair
from pst_core.errors import ConfigError

LIKE_PAIRS = "{name}{ext}"
"""The template of a picture called like its pair."""
EXTENSION = RESULT[RESULT.rfind(".") :]
LONGEST = 255
"""Bytes that a file's name has at most, on nearly all file systems."""
_ROOM = 30  # bytes of a longest name for what is put behind it: a few letters, a number, the extension
_FIELDS = ("name", "content", "style", "preset", "ext")


def name_pictures(pairs: Sequence[Pair], template: str, preset: str) -> list[str]:
    """Name each pair's picture by a template; pictures that would share a name are called like their pairs.

    So are those whose name would be longer than a file's can be, and their pairs' names are cut if need be.

    Parameters
    ----------
    template
        Text with ``{name}`` (the pair's), ``{content}`` and ``{style}`` (their files' names without
        extension), ``{preset}``, and at its end ``{ext}``; with ``/`` for subfolders.
    preset
        Of pairs that have none of their own.

    Returns
    -------
    list of str
        Paths inside the results' folder, with ``/``.

    Raises
    ------
    ConfigError
        The template is none.
    """
    _check(template)
    wishes = [
        (
            _filled(template, pair, preset),
            f"{(flat := pair.name.replace('/', '-'))}{EXTENSION}",
            f"{_shortened(flat)}-{digest(pair.name)}{EXTENSION}",
        )
        for pair in pairs
    ]
    return settle(wishes, _is_usable, EXTENSION)


def _filled(template: str, pair: Pair, preset: str) -> str:
    return template.format(
        name=pair.name, content=clean(pair.content.stem), style=clean(pair.style.stem),
        preset=pair.given.get("preset", preset), ext=EXTENSION,
    )  # fmt: skip


def _shortened(name: str) -> str:
    return name.encode()[: LONGEST - _ROOM].decode(errors="ignore")


def _is_usable(name: str) -> bool:
    """Whether a picture can lie there: neither too long, nor where the batch's own do, nor below another."""
    if any(len(part.encode()) > LONGEST for part in name.split("/")):
        return False
    *folders, last = fold(name).split("/")
    if (folders or [last])[0] in RESERVED:
        return False
    return all(folder and not folder.endswith(EXTENSION) for folder in folders)


def _check(template: str) -> None:
    way_out = f"write one such as {LIKE_PAIRS!r} or '{{content}}-{{style}}{{ext}}'"
    try:
        parts = [*Formatter().parse(template)]
    except ValueError as error:
        raise ConfigError(f"Pictures cannot be named {cut(template)} ({error}): {way_out}.") from error
    used = [field for _, field, _, _ in parts if field is not None]
    unknown = next((field for field in used if field not in _FIELDS), None)
    first = template.split("/", maxsplit=1)[0]
    faults = {
        f"there is no {{{unknown}}}, but {', '.join(f'{{{field}}}' for field in _FIELDS)}": unknown
        is not None,
        "fields have neither a format nor a conversion": any(spec or kind for _, _, spec, kind in parts),
        f"results of a batch are PNG: end it with {{ext}} or {EXTENSION}": not template.endswith(
            ("{ext}", EXTENSION)
        ),
        "it names no pair: it needs {name} or {content}": not {"name", "content"} & {*used},
        "it holds a backslash, or a character that names cannot have": unprintable(template)
        or "\\" in template,
        "its last part is nothing but an extension": template.rsplit("/", maxsplit=1)[-1]
        in ("{ext}", EXTENSION),
        "it leads out of the folder": template.startswith("/") or ".." in template.split("/"),
        f"the batch keeps its own files in {first}": fold(first) in RESERVED,
    }
    fault = next((fault for fault, holds in faults.items() if holds), None)
    if fault is not None:
        raise ConfigError(f"Pictures cannot be named {cut(template)}, as {fault}: {way_out}.")
