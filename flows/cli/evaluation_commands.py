"""The commands of the paper's evaluation: tables, figures, and the user study."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from flows.cli.options import NO_OPTIONS, SETTINGS_GROUP, SettingOptions, resolve
from flows.pairs.pair import Pairing
from pst_core.settings.config import PresetName
from pst_core.settings.methods import ABLATIONS, METHODS

__all__ = ["add_commands"]

_EVALUATION = Group("Evaluation", sort_key=0)
_STUDY = Group("Study", sort_key=0)
_OUTPUT = Group("Output", sort_key=2)
_Source = Annotated[Path | None, Parameter(group=_EVALUATION)]
_Switch = Annotated[bool, Parameter(group=_OUTPUT, negative=(), show_default=False)]
_Json = Annotated[bool, Parameter(name="--json", group=_OUTPUT, negative=(), show_default=False)]
_Crops = Annotated[list[str] | None, Parameter(group=_EVALUATION, negative=())]

study = App(name="study", help="Ask people which result looks real, and count their answers.")


def _option(kind: Any, text: str, **details: Any) -> Any:  # noqa: ANN401 - a type built at run time
    """The type of an option of every evaluation, with its help."""
    return Annotated[kind, Parameter(help=text, group=_EVALUATION, negative=(), **details)]


def _output(text: str, **details: Any) -> Any:  # noqa: ANN401 - a type built at run time
    return Annotated[bool, Parameter(help=text, group=_OUTPUT, negative=(), show_default=False, **details)]


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "out": (
        _option(Path | None, "Folder for results (methods/NAME/PAIR), scores, table, figures; what is there "
                "is used.", name=("--out", "-o")), None,
    ),
    "methods": (
        _option(str | None, "Names with commas between; pst methods lists them. Without: those that the "
                "paper compares, and more; for an ablation regional only, global only, both, ours."), None,
    ),
    "external": (
        _option(list[str] | None, "NAME=DIR: results made elsewhere; may be given several times."), None,
    ),
    "pairs": (_option(str | None, "Names of the pairs to take, with commas between; all without it."), None),
    "side": (
        _option(int | None, "Long side in pixels to which all photographs are shrunk first; native size "
                "without it."), None,
    ),
    "evaluations": (
        _option(int | None, "Loss evaluations of each compared method, in place of its recipe's."), None,
    ),
    "quality_models": (
        _option(Path | None, "Folder of BRISQUE's and NIQE's models: LIVE's files, or this program's."), None,
    ),
    "pairing": (_option(Pairing, "How files are put together, as for pst run."), "auto"),
    "allow_outside": (_option(bool, "Let a manifest's paths lead out of its folder."), False),
    "settings": (_option(Path | None, "TOML file with settings under their names, and preset."), None),
    "preset": (
        Annotated[PresetName | None, Parameter(
            help="Settings to begin with; pst presets shows them.", group=SETTINGS_GROUP)], None,
    ),
    "quiet": (_output("Print nothing but errors."), False),
    "as_json": (
        _output("One JSON object per line on stdout, as for pst run, and at the end event evaluation.",
                name="--json"), False,
    ),
}  # fmt: skip
_Chosen = dataclasses.make_dataclass(
    "_Chosen", [(name, kind, default) for name, (kind, default) in _OPTIONS.items()], frozen=True
)
_Chosen.__module__ = __name__  # "types", where it was made, counts as a built-in that has no fields
NOTHING_CHOSEN: Any = _Chosen()
if TYPE_CHECKING:
    Chosen = Any
else:
    Chosen = Annotated[_Chosen, Parameter(name="*")]


def add_commands(app: App) -> None:
    """Register them."""
    for command in (evaluate, compare, ablate, methods, study):
        app.command(command)


def methods() -> None:
    """List the methods that --method takes, and what each one sets."""
    for name, method in METHODS.items():
        print(f"{name}: {method.title} ({method.source})")
        for setting, value in method.settings.items():
            print(f"  {setting} = {'none' if value is None else value}")


def evaluate(
    source: _Source = None, /, *, chosen: Chosen = NOTHING_CHOSEN, options: SettingOptions = NO_OPTIONS
) -> int:
    """Run methods over every pair of a folder, measure all results, and write the paper's Table 1.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    """
    return _run(source, chosen, options, drawing="table")


def compare(
    source: _Source = None,
    /,
    *,
    crop: _Crops = None,
    chosen: Chosen = NOTHING_CHOSEN,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Draw methods side by side with magnified details, as the paper's Figures 3 and 6.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    crop
        LEFT,TOP,WIDTH,HEIGHT in pixels of the content; may be given several times. Without it, details are
        found where methods differ most.
    """
    return _run(source, chosen, options, drawing="comparison", crops=tuple(crop or ()))


def ablate(
    source: _Source = None, /, *, chosen: Chosen = NOTHING_CHOSEN, options: SettingOptions = NO_OPTIONS
) -> int:
    """Draw what each stage does, as the paper's Figure 5: regional only, global only, both.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    """
    if chosen.methods is None:
        chosen = dataclasses.replace(chosen, methods=",".join(ABLATIONS))
    return _run(source, chosen, options, drawing="ablation")


def _run(source: Path | None, chosen: Any, options: object, **drawn: Any) -> int:  # noqa: ANN401 - see `Chosen`
    from flows.cli.evaluation import carry_out_evaluation, make_evaluation

    names = ("pairs", "methods", "side", "evaluations", "quality_models", "pairing", "allow_outside")
    order = make_evaluation(
        source, chosen.out, resolve(options, chosen.preset, chosen.settings),
        external=chosen.external or [], **{name: getattr(chosen, name) for name in names}, **drawn,
    )  # fmt: skip
    return carry_out_evaluation(order, quiet=chosen.quiet, as_json=chosen.as_json)


@study.command
def build(
    sources: Annotated[list[str], Parameter(group=_STUDY)],
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), group=_STUDY)] = Path("study.html"),
    pairs: Annotated[str | None, Parameter(group=_STUDY)] = None,
    count: Annotated[int | None, Parameter(group=_STUDY)] = None,
    seed: Annotated[int, Parameter(group=_STUDY)] = 0,
    title: Annotated[str, Parameter(group=_STUDY)] = "Which picture looks real?",
    picture_side: Annotated[int, Parameter(group=_STUDY)] = 900,
    overwrite: _Switch = False,
    as_json: _Json = False,
) -> None:
    """Make one page that shows each pair's results in random order and asks for the most realistic.

    Parameters
    ----------
    sources
        NAME=DIR for each method: a folder of its results, as pst run or anybody else wrote them.
    out
        The page; its key (which picture is whose) is written beside it, as study.key.json.
    pairs
        Names of the pairs to show, with commas between; without it those that all sources have.
    count
        So many pairs are drawn at random; without it 5, or all that --pairs names.
    seed
        Of the drawing.
    title
        Of the page.
    picture_side
        Long side in pixels of the pictures in the page.
    overwrite
        Replace the page and its key.
    as_json
        One JSON object.
    """
    from flows.cli.study import build_page

    build_page(
        sources, out, pairs=pairs, count=count, seed=seed, title=title, picture_side=picture_side,
        overwrite=overwrite, as_json=as_json,
    )  # fmt: skip


@study.command
def tally(
    answers: Annotated[list[Path], Parameter(group=_STUDY)],
    /,
    *,
    key: Annotated[Path, Parameter(group=_STUDY)],
    out: Annotated[Path, Parameter(name=("--out", "-o"), group=_STUDY)],
    as_json: _Json = False,
) -> int:
    """Count answers, and draw the paper's Figure 4 with confidence intervals.

    Parameters
    ----------
    answers
        Files as the page saved them, or folders of them.
    key
        The key written beside the page.
    out
        Folder for answers.parquet, tally.parquet, tally.md and figure4.png.
    as_json
        One JSON object.
    """
    from flows.cli.study import tally_answers

    return tally_answers(answers, key, out, as_json=as_json)
