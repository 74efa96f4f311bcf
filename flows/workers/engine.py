"""What a worker starts for a flow run: Prefect's engine, with our settings and an end in time.

``python -m flows.workers.engine``, with the run's id in Prefect's own variable.
"""

import os
import runpy

from flows.runtime.children import end_with_parent
from flows.runtime.settings import import_prefect

COMMAND = "python -P -m flows.workers.engine"
"""For a work pool's template; workers see to it that it is their own Python."""


def main() -> None:
    """Carry out the flow run that the environment names."""
    end_with_parent(os.getppid())  # or it would have its GPU beside what the next worker starts
    import_prefect()
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
