"""One HTML file that shows each pair's results side by side and tells nobody whose they are."""

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pst_core.errors import ConfigError
from pst_core.study.key import KeyPair, StudyError, StudyKey

if TYPE_CHECKING:
    from PIL import Image

PICTURE_SIDES = (200, 4000)
"""Shortest and longest long side of the page's pictures, in pixels."""

_ASPECT_TOLERANCE = (
    0.02  # of width over height: what cropping to the network's grid does; unseen when stretched
)
_QUALITY = 90  # of JPEG, without subsampling of colour: no artefact of ours may decide


@dataclass(frozen=True)
class Study:
    """A page and its key.

    Attributes
    ----------
    page : str
        HTML. It holds neither names of methods, pairs and files nor anything else from the pictures' files
        but their pixels.
    key : StudyKey
    """

    page: str
    key: StudyKey


@dataclass(frozen=True)
class _Result:
    """A decoded result and the hash of its file."""

    method: str
    path: Path
    sha256: str
    image: "Image.Image"


@dataclass(frozen=True)
class _Shown:
    """A pair as the page shows it: JPEG by option's id, all of one size."""

    key: KeyPair
    size: tuple[int, int]
    pictures: Mapping[str, bytes]


def build_study(
    pairs: Mapping[str, Mapping[str, Path]], *, title: str, seed: int, picture_side: int = 900
) -> Study:
    """Make the page of Yang's user study (section 4.1) and the key to its answers.

    As in the paper only results are shown, not the photographs they were made from. All results of a pair get
    the size of the smallest, so that no method is known by its size. The order in which the page lists them
    is that of their ids; each respondent sees an order of their own.

    Parameters
    ----------
    pairs
        Pair's name -> method's name -> file of the result. Colours under transparency are shown.
    title
        Stands at the head of the page.
    seed
        Other seeds give other ids; the same seed, side and files give the same.
    picture_side
        Longest long side of the page's pictures, in pixels.

    Raises
    ------
    StudyError
        There is no pair, a pair has fewer than two results, or results that cannot be compared.
    ConfigError
        `picture_side` or `title` cannot be used.
    ImageError
        A result cannot be read.
    """
    _check(pairs, title, picture_side)
    shown = sorted(
        (_show(name, results, seed, picture_side) for name, results in pairs.items()),
        key=lambda each: each.key.id,
    )
    _refuse_twins([(each.key.id, f"pair {each.key.name!r}") for each in shown])
    build = _identity("build", seed, picture_side, *(each.key.id for each in shown))
    by_name = {each.key.name: each.key for each in shown}
    key = StudyKey(build=build, title=title, seed=seed, pairs=tuple(by_name[name] for name in pairs))
    return Study(_render(title, build, shown), key)


def _check(pairs: Mapping[str, Mapping[str, Path]], title: str, picture_side: int) -> None:
    low, high = PICTURE_SIDES
    if not low <= picture_side <= high:
        raise ConfigError(f"The pictures' side cannot be {picture_side}: choose {low} to {high} pixels.")
    if not title.strip():
        raise ConfigError("The study needs a title: give one that does not tell what is compared.")
    if not pairs:
        raise StudyError("There is no pair to ask about: name at least one that has results.")
    for name, results in pairs.items():
        if len(results) < 2:
            raise StudyError(
                f"Pair {name!r} has {len(results)} result{'' if len(results) == 1 else 's'}, "
                "and a choice needs two: add another method's or leave the pair out."
            )


def _show(name: str, results: Mapping[str, Path], seed: int, side: int) -> _Shown:
    """Read a pair's results and bring them to one size."""
    read = [_read(method, path) for method, path in results.items()]
    size = _common_size(name, read, side)
    encoded = [_jpeg(result.image, size) for result in read]
    _refuse_twins(
        [(data, f"{result.path} ({result.method})") for data, result in zip(encoded, read, strict=True)]
    )
    pair = _identity("pair", seed, *sorted(result.sha256 for result in read))
    ids = [_identity("option", pair, result.sha256) for result in read]
    options = {option: result.method for option, result in zip(ids, read, strict=True)}
    pictures = dict(sorted(zip(ids, encoded, strict=True)))
    return _Shown(KeyPair(id=pair, name=name, options=options), size, pictures)


def _read(method: str, path: Path) -> _Result:
    from PIL import Image

    from pst_core.images.reading import read_photograph
    from pst_core.images.writing import to_levels

    photograph = read_photograph(path)
    return _Result(method, path, photograph.sha256, Image.fromarray(to_levels(photograph.on_white)))


def _common_size(name: str, results: Sequence[_Result], side: int) -> tuple[int, int]:
    """Width and height of the smallest result, or of `side` where that is smaller."""
    smallest = min(results, key=lambda result: max(result.image.size))
    width, height = smallest.image.size
    for result in results:
        other = result.image.width / result.image.height
        if abs(other * height / width - 1) > _ASPECT_TOLERANCE:
            raise StudyError(
                f"Pair {name!r} has results of different shapes, {smallest.path} ({width} x {height}) and "
                f"{result.path} ({result.image.width} x {result.image.height}): crop them alike."
            )
    scale = min(1.0, side / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _jpeg(image: "Image.Image", size: tuple[int, int]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def _refuse_twins(labelled: Sequence[tuple[object, str]]) -> None:
    """Make sure that no two things look the same: a choice between them would say nothing."""
    labels: dict[object, str] = {}
    for thing, label in labelled:
        if thing in labels:
            raise StudyError(f"{labels[thing]} and {label} show the same: leave one of them out.")
        labels[thing] = label


def _identity(kind: str, *parts: object) -> str:
    """Sixteen hexadecimal digits that tell nothing about what they stand for."""
    return hashlib.sha256("\n".join(map(str, (kind, *parts))).encode()).hexdigest()[:16]


def _render(title: str, build: str, shown: Sequence[_Shown]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    folder = files("pst_core") / "templates"
    style, script = ((folder / name).read_text("utf-8") for name in ("study.css", "study.js"))
    environment = Environment(
        loader=PackageLoader("pst_core"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("study.html.j2").render(
        title=title, count=len(shown), policy=_policy(style, script),
        style=Markup(style), script=Markup(script),  # ours, and hashed as they are
        study={"build": build, "pairs": [_page_pair(each) for each in shown]},
    )  # fmt: skip


def _policy(style: str, script: str) -> str:
    """Nothing but these very texts and pictures inside the page: it cannot speak to anyone."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _page_pair(shown: _Shown) -> dict[str, Any]:
    options = [
        {"id": option, "picture": f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"}
        for option, data in shown.pictures.items()
    ]
    return {"id": shown.key.id, "width": shown.size[0], "height": shown.size[1], "options": options}
