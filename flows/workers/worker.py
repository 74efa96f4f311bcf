"""What stands at a post: one of Prefect's workers, which first ends what the last one there was starting.

``python -m flows.workers.worker POOL NAME LIMIT``.
"""

import runpy
import sys

from flows.runtime.left_running import end_what_was_starting
from flows.runtime.settings import import_prefect

MODULE = "flows.workers.worker"


def main() -> None:
    """Take runs from a pool until a signal ends it."""
    pool, name, limit = sys.argv[1:]
    import_prefect()
    end_what_was_starting(pool, name)
    sys.argv[1:] = [
        "worker", "start", "--pool", pool, "--type", "process", "--name", name, "--limit", limit,
        "--install-policy", "never",
    ]  # fmt: skip
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
