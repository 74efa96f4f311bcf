"""What an evaluation makes of photographs and maps before anything else, under ``OUT/inputs``.

Pairs are brought to the size that is asked for, or made of single photographs, with their right answers.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from flows import layout
from flows.orders.evaluation_order import EvaluationOrder
from flows.orders.planning import Prober
from flows.pairs.pair import Pair
from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_trouble
from pst_core.files import write_bytes_atomically
from pst_core.images.roles import PHOTOGRAPHS, map_of
from pst_core.steady import read_steadily
from pst_core.store import Reference, open_store
from tasks.self_reference import split
from tasks.shrinking import shrink, shrink_map

PHOTOGRAPH, ANSWER = "photograph", "answer"  # folders of inputs, besides those called after roles


def bring_to_size(pair: Pair, order: EvaluationOrder, prober: Prober) -> Pair:
    """The pair at the evaluation's size, if it asks for one; what keeps a pair from it is its problem."""
    if order.side is None or pair.problem is not None:
        return pair
    paths: dict[str, Any] = {}
    try:
        for role in PHOTOGRAPHS:
            photograph = prober(pair.paths[role])
            made = shrink(photograph=photograph, side=order.side)
            paths[role] = _publish(order.out, role, pair.name, made)
            if given := pair.paths.get(map_of(role)):
                small = prober(paths[role])
                made = shrink_map(
                    semantic_map=prober(given), photograph=photograph, width=small.width, height=small.height
                )
                paths[map_of(role)] = _publish(order.out, f"{map_of(role)}s", pair.name, made)
    except Exception as error:
        if is_server_trouble(error):
            raise
        return replace(pair, problem=explain_failure(error)[0])
    return replace(pair, **paths)


def with_answer(pair: Pair, seed: int, order: EvaluationOrder, prober: Prober) -> Pair:
    """The pair that is made of a photograph, whose right answer lies at `answer_path` then.

    What keeps it from being made is its problem.
    """
    if pair.problem is not None:
        return pair
    try:
        photograph = prober(pair.content)
        if order.side is not None:
            small = shrink(photograph=photograph, side=order.side)
            photograph = prober(_publish(order.out, PHOTOGRAPH, pair.name, small))
        parts = split(photograph=photograph, seed=seed)
        paths = {role: _publish(order.out, role, pair.name, made) for role, made in parts}
    except Exception as error:
        if is_server_trouble(error):
            raise
        return replace(pair, problem=explain_failure(error)[0])
    return replace(pair, content=paths["content"], style=paths["style"])


def answer_path(pair: Pair, order: EvaluationOrder) -> Path:
    """Where the right answer of a pair lies."""
    return _input_path(order.out, ANSWER, pair.name)


def _input_path(out: Path, folder: str, name: str) -> Path:
    return out / layout.INPUTS / folder / f"{name}.png"


def _publish(out: Path, folder: str, name: str, made: Reference) -> Path:
    """Bring a shrunk picture to where a person finds it; the same bytes are not written again."""
    path, data = _input_path(out, folder, name), open_store().read(made)
    if not path.is_file() or read_steadily(path) != data:
        write_bytes_atomically(path, data, overwrite=True)
    return path
