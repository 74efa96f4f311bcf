"""The commands of the paper's evaluation: tables, figures, and the user study."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from flows.options import NO_OPTIONS, SETTINGS_GROUP, SettingOptions, resolve
from pst_core.config import PresetName
from pst_core.methods import ABLATIONS, METHODS

__all__ = ["add_commands"]

_EVALUATION = Group("Evaluation", sort_key=0)
_STUDY = Group("Study", sort_key=0)
_OUTPUT = Group("Output", sort_key=2)
_Path = Annotated[Path | None, Parameter(group=_EVALUATION)]
_Out = Annotated[Path | None, Parameter(name=("--out", "-o"), group=_EVALUATION)]
_Text = Annotated[str | None, Parameter(group=_EVALUATION)]
_Number = Annotated[int | None, Parameter(group=_EVALUATION)]
_External = Annotated[list[str] | None, Parameter(group=_EVALUATION, negative=())]
_Switch = Annotated[bool, Parameter(group=_OUTPUT, negative=(), show_default=False)]
_Json = Annotated[bool, Parameter(name="--json", group=_OUTPUT, negative=(), show_default=False)]
_Preset = Annotated[PresetName | None, Parameter(group=SETTINGS_GROUP)]

_ABLATIONS = ",".join(ABLATIONS)

study = App(name="study", help="Ask people which result looks real, and count their answers.")


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
    source: _Path = None,
    /,
    *,
    out: _Out = None,
    methods: _Text = None,
    external: _External = None,
    pairs: _Text = None,
    side: _Number = None,
    evaluations: _Number = None,
    quality_models: _Path = None,
    settings: _Path = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    as_json: _Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Run methods over every pair of a folder, measure all results, and write the paper's Table 1.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    out
        Folder for results (methods/NAME/PAIR), scores.parquet, and the table as Parquet, Markdown and PNG.
    methods
        Names with commas between; pst methods lists them. Without: those that the paper compares, and more.
    external
        NAME=DIR: results made elsewhere; may be given several times.
    pairs
        Names of the pairs to take, with commas between; all without it.
    side
        Long side in pixels to which all photographs are shrunk first; native size without it.
    evaluations
        Loss evaluations of each compared method, in place of its recipe's.
    quality_models
        Folder of BRISQUE's and NIQE's models, LIVE's own files or this program's.
    settings
        TOML file with settings under their names, and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout, as for pst run, and at the end event evaluation.
    """
    return _run(
        source, out, options, settings, preset, quiet=quiet, as_json=as_json, drawing="table",
        methods=methods, external=external or [], pairs=pairs, side=side, evaluations=evaluations,
        quality_models=quality_models,
    )  # fmt: skip


def compare(
    source: _Path = None,
    /,
    *,
    out: _Out = None,
    methods: _Text = None,
    external: _External = None,
    pairs: _Text = None,
    crop: Annotated[list[str] | None, Parameter(group=_EVALUATION, negative=())] = None,
    side: _Number = None,
    evaluations: _Number = None,
    settings: _Path = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    as_json: _Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Draw methods side by side with magnified details, as the paper's Figures 3 and 6.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    out
        Folder for comparison.png, and everything that pst evaluate writes; what is there is used.
    methods
        Names with commas between; pst methods lists them.
    external
        NAME=DIR: results made elsewhere; may be given several times.
    pairs
        Names of the pairs to draw, with commas between; all without it.
    crop
        LEFT,TOP,WIDTH,HEIGHT in pixels of the content; may be given several times. Without it, details are
        found where methods differ most.
    side
        Long side in pixels to which all photographs are shrunk first; native size without it.
    evaluations
        Loss evaluations of each compared method, in place of its recipe's.
    settings
        TOML file with settings under their names, and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout.
    """
    return _run(
        source, out, options, settings, preset, quiet=quiet, as_json=as_json, drawing="comparison",
        methods=methods, external=external or [], pairs=pairs, crops=tuple(crop or ()), side=side,
        evaluations=evaluations,
    )  # fmt: skip


def ablate(
    source: _Path = None,
    /,
    *,
    out: _Out = None,
    methods: _Text = _ABLATIONS,
    pairs: _Text = None,
    side: _Number = None,
    evaluations: _Number = None,
    settings: _Path = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    as_json: _Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Draw what each stage does, as the paper's Figure 5: regional only, global only, both.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    out
        Folder for ablation.png, and everything that pst evaluate writes; what is there is used.
    methods
        Names with commas between; pst methods lists them, other filters and none among them.
    pairs
        Names of the pairs to draw, with commas between; all without it.
    side
        Long side in pixels to which all photographs are shrunk first; native size without it.
    evaluations
        Loss evaluations of each ablation, in place of its recipe's.
    settings
        TOML file with settings under their names, and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout.
    """
    return _run(
        source, out, options, settings, preset, quiet=quiet, as_json=as_json, drawing="ablation",
        methods=methods, external=[], pairs=pairs, side=side, evaluations=evaluations,
    )  # fmt: skip


def _run(
    source: Path | None, out: Path | None, options: object, settings: Path | None, preset: str | None, *,
    quiet: bool, as_json: bool, **details: Any,  # noqa: ANN401 - EvaluationOrder's
) -> int:  # fmt: skip
    from flows.evaluation_cli import carry_out_evaluation, make_evaluation

    order = make_evaluation(source, out, resolve(options, preset, settings), **details)
    return carry_out_evaluation(order, quiet=quiet, as_json=as_json)


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
    from flows.study_cli import build_page

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
    from flows.study_cli import tally_answers

    return tally_answers(answers, key, out, as_json=as_json)
