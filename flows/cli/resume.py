"""`pst resume`: go on with what was run into a folder."""

from pathlib import Path

from flows.cli.apply import carry_out_application
from flows.cli.evaluate import carry_out_evaluation
from flows.cli.groups import Json, Pool, Quiet, Workers
from flows.cli.helpers import Helpers
from flows.cli.run import carry_out
from flows.cli.sequence import carry_out_sequence
from flows.orders.apply_order import ApplyOrder
from flows.orders.batch_order import BatchOrder
from flows.orders.evaluation_order import EvaluationOrder
from flows.orders.last_order import load_last_order
from flows.orders.sequence_order import SequenceOrder


def resume(
    out: Path,
    /,
    *,
    workers: Workers = None,
    pool: Pool = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Carry out again the order that a folder holds; the exit status.

    Parameters
    ----------
    out
        Folder of the results.
    workers
        So many processes do a batch's pairs side by side, as for pst run.
    pool
        Have a batch's pairs done by the workers of this work pool, as for pst run.
    as_json
        One JSON object per line on stdout, as for pst run.
    """
    helpers = Helpers(workers, pool)
    order = load_last_order(out)
    if isinstance(order, EvaluationOrder):
        helpers.refuse("An evaluation")
        return carry_out_evaluation(order, quiet=quiet, as_json=as_json)
    if isinstance(order, ApplyOrder):
        helpers.refuse("Applying a look")
        return carry_out_application(order, quiet=quiet, as_json=as_json)
    if isinstance(order, SequenceOrder):
        return carry_out_sequence(order, quiet=quiet, as_json=as_json, helpers=helpers)
    assert isinstance(order, BatchOrder), "orders are of four kinds"
    return carry_out(order, quiet=quiet, as_json=as_json, helpers=helpers)
