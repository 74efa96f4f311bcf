"""The demo's one concession: without any weights at hand it shows the way with an untrained network."""

import os
import sys
from dataclasses import replace

from flows.cli.options import Choice
from pst_core.errors import WeightsError

__all__ = ["with_weights_at_hand"]


def with_weights_at_hand(choice: Choice) -> Choice:
    """The choice itself, or one of the untrained network where no weights can be had and none were named."""
    from pst_core.network.encoder import weights_for
    from pst_core.network.identity import ENVIRONMENT, UNTRAINED

    config = choice.config
    if config.weights is not None or os.environ.get(ENVIRONMENT):
        return choice
    try:
        weights_for(config, config.layers)
    except WeightsError as error:
        print(f"warning: {error} The demo goes on with the untrained network.", file=sys.stderr)
        settings = {**choice.settings, "weights": UNTRAINED}
        return replace(choice, settings=settings, config=config.model_copy(update={"weights": UNTRAINED}))
    return choice
