"""`pst evaluate`, `compare` and `ablate`: methods side by side, in a table or a figure of the paper."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flows import layout
from flows.cli.groups import OUT, Flag, Json, Quiet, listed
from flows.cli.options import NO_OPTIONS, SettingOptions, resolve
from flows.cli.run import lasting_settings
from flows.pairs.pair import Pairing
from flows.runtime.failures import SOME_FAILED
from pst_core.errors import ConfigError
from pst_core.quality.self_reference import Protocol
from pst_core.settings.methods import ABLATIONS, ANSWERING, METHODS
from pst_core.steady import read_steadily

if TYPE_CHECKING:
    from flows.orders.evaluation_order import EvaluationOrder

_Several = Annotated[list[str] | None, Parameter(negative=())]


@dataclass(frozen=True)
class EvaluationOptions:
    """What every evaluation can be told.

    Attributes
    ----------
    out
        Folder for results (methods/NAME/PAIR), scores, table, figures; what is there is used.
    protocol
        pairs, or self-reference: the left part of each photograph in the folder and its subfolders becomes a
        content, its right part after a random grade the style; the graded left part is the right answer.
    grades
        Seed of the first photograph's grade; each further photograph has the next.
    methods
        Names with commas between; pst methods lists them. Without: those that the paper compares, and more;
        for an ablation the paper's stages and ours with and without optimisation; for self-reference the
        linear transfer, histograms and ours.
    external
        NAME=DIR: results made elsewhere; may be given several times.
    pairs
        Names of the pairs to take, with commas between; all without it.
    side
        Long side in pixels to which all photographs are shrunk first; native size without it.
    evaluations
        Loss evaluations of each compared method, in place of its recipe's.
    quality_models
        Folder of BRISQUE's and NIQE's models: LIVE's files, or this program's.
    pairing
        How files are put together, as for pst run.
    allow_outside
        Let a manifest's paths lead out of its folder.
    as_json
        One JSON object per line on stdout, as for pst run, and at the end event evaluation.
    """

    out: Annotated[Path | None, OUT] = None
    protocol: Protocol = "pairs"
    grades: int | None = None
    methods: str | None = None
    external: _Several = None
    pairs: str | None = None
    side: int | None = None
    evaluations: int | None = None
    quality_models: Path | None = None
    pairing: Pairing = "auto"
    allow_outside: Flag = False
    quiet: Quiet = False
    as_json: Json = False


_Asked = Annotated[EvaluationOptions, Parameter(name="*")]
_NOTHING = EvaluationOptions()


def evaluate(
    source: Path | None = None, /, *, asked: _Asked = _NOTHING, options: SettingOptions = NO_OPTIONS
) -> int:
    """Evaluate methods for a table; the exit status.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    """
    return _run(source, asked, options, drawing="table")


def compare(
    source: Path | None = None,
    /,
    *,
    crop: _Several = None,
    asked: _Asked = _NOTHING,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Evaluate methods for a comparison's figure; the exit status.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    crop
        LEFT,TOP,WIDTH,HEIGHT in pixels of the content; may be given several times. Without it, details are
        found where methods differ most.
    """
    return _run(source, asked, options, drawing="comparison", crops=crop or ())


def ablate(
    source: Path | None = None, /, *, asked: _Asked = _NOTHING, options: SettingOptions = NO_OPTIONS
) -> int:
    """Evaluate stages for the ablation's figure; the exit status.

    Parameters
    ----------
    source
        Folder or manifest of pairs, as for pst run.
    """
    if asked.methods is None:
        asked = replace(asked, methods=",".join(ABLATIONS))
    return _run(source, asked, options, drawing="ablation")


def _run(source: Path | None, asked: EvaluationOptions, options: SettingOptions, **drawn: Any) -> int:  # noqa: ANN401 - EvaluationOrder's
    order = _make_order(source, asked, options, drawn)
    return carry_out_evaluation(order, quiet=asked.quiet, as_json=asked.as_json)


def _make_order(
    source: Path | None, asked: EvaluationOptions, options: SettingOptions, drawn: dict[str, Any]
) -> "EvaluationOrder":
    chosen = resolve(options)
    if source is None or asked.out is None:
        raise ConfigError(
            "A folder of pairs and one for what is made are needed: pst evaluate FOLDER --out DIR."
        )
    from pydantic import ValidationError

    from flows.orders.evaluation_order import EvaluationOrder
    from flows.pairs.elsewhere import named_folders
    from pst_core.settings.config import explain

    names = ("out", "protocol", "side", "evaluations", "quality_models", "pairing", "allow_outside")
    details = drawn | {name: getattr(asked, name) for name in names}
    details |= {"source": source, "preset": chosen.preset, "pairs": listed(asked.pairs or "")}
    details["settings"] = {
        name: value for name, value in lasting_settings(chosen).items() if name != "method"
    }
    details["external"] = named_folders(asked.external or ())
    if asked.methods:
        details["methods"] = _methods(asked.methods)
    elif asked.protocol == "self-reference":
        details["methods"] = ANSWERING
    if asked.grades is not None:
        details["grades"] = asked.grades
    try:
        return EvaluationOrder.model_validate(details)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _methods(text: str) -> Sequence[str]:
    names = listed(text)
    if unknown := next((name for name in names if name not in METHODS), None):
        raise ConfigError(f"There is no method {unknown!r}: `pst methods` lists them.")
    return names


def carry_out_evaluation(order: "EvaluationOrder", *, quiet: bool, as_json: bool) -> int:
    """Run an evaluation to its end and print its table; the exit status."""
    from flows.cli.running import ended, run_anywhere
    from flows.display.batch import choose_watcher
    from flows.display.meter import emit
    from flows.orders.evaluation_order import check_evaluation
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows.evaluation import run_evaluation

    found = check_evaluation(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    evaluation, server_lost = run_anywhere(watcher, order.out, lambda _: run_evaluation(order, found))
    drawn = order.out / layout.DRAWINGS[order.drawing]
    if as_json:
        emit("evaluation", out=str(order.out), drawn=str(drawn), said=evaluation.sentence)
    elif not quiet:
        print(read_steadily(order.out / layout.TABLE_TEXT).decode("utf-8"))
        print(f"{evaluation.sentence}. Drawn: {drawn}")
    return ended(SOME_FAILED if evaluation.missing else 0, server_lost=server_lost)
