"""`pst resume`: go on with what was run into a folder."""

from pathlib import Path

from flows.cli.apply import carry_out_application
from flows.cli.evaluate import carry_out_evaluation
from flows.cli.groups import Json, Pool, Quiet, Workers
from flows.cli.helpers import Helpers
from flows.cli.run import carry_out
from flows.cli.sequence import carry_out_sequence
from flows.orders.apply_order import load_apply_order
from flows.orders.batch_order import load_batch_order
from flows.orders.evaluation_order import load_evaluation_order
from flows.orders.sequence_order import load_sequence_order


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
    evaluation = load_evaluation_order(out)
    if evaluation is not None:
        helpers.refuse("An evaluation")
        return carry_out_evaluation(evaluation, quiet=quiet, as_json=as_json)
    if (application := load_apply_order(out)) is not None:
        helpers.refuse("Applying a look")
        return carry_out_application(application, quiet=quiet, as_json=as_json)
    if (sequence := load_sequence_order(out)) is not None:
        return carry_out_sequence(sequence, quiet=quiet, as_json=as_json, helpers=helpers)
    return carry_out(load_batch_order(out), quiet=quiet, as_json=as_json, helpers=helpers)
