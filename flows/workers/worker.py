"""What stands at a post: one of Prefect's workers, which first ends what the last one there was starting.

``python -m flows.workers.worker --pool POOL --name NAME --limit LIMIT``.
"""

import argparse
import runpy
import sys

from flows.runtime.left_running import end_what_was_starting
from flows.runtime.settings import import_prefect

MODULE = "flows.workers.worker"


def main() -> None:
    """Take runs from a pool until a signal ends it."""
    parser = argparse.ArgumentParser(prog=MODULE)
    for option in ("--pool", "--name", "--limit"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    import_prefect()
    end_what_was_starting(given.pool, given.name)
    sys.argv[1:] = ["worker", "start", "--type", "process", "--install-policy", "never", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
