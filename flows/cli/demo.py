"""`pst demo`: the sample pairs as a batch; without any weights at hand, with an untrained network."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from flows.cli.groups import OUT, Quiet
from flows.cli.options import NO_OPTIONS, Chosen, SettingOptions, resolve
from flows.cli.run import carry_out, make_order
from pst_core.errors import WeightsError


def demo(
    *,
    out: Annotated[Path, OUT] = Path("results/demo"),
    quiet: Quiet = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Run the samples' batch to its end; the exit status.

    Parameters
    ----------
    out
        Folder for the results.
    """
    from pst_core.samples import find_samples

    order = make_order(find_samples(), out, _with_weights_at_hand(resolve(options)))
    return carry_out(order, quiet=quiet, as_json=False)


def _with_weights_at_hand(chosen: Chosen) -> Chosen:
    """What was chosen, or the untrained network where no weights can be had and none were named."""
    from pst_core.network.encoder import weights_for
    from pst_core.network.identity import ENVIRONMENT, UNTRAINED

    config = chosen.config
    if config.weights is not None or os.environ.get(ENVIRONMENT):
        return chosen
    try:
        weights_for(config, config.layers)
    except WeightsError as error:
        print(f"warning: {error} The demo goes on with the untrained network.", file=sys.stderr)
        given = {**chosen.given, "weights": UNTRAINED}
        return replace(chosen, given=given, config=config.model_copy(update={"weights": UNTRAINED}))
    return chosen
