"""Processes that are started for a run: as they should be, whoever started the run."""

import signal
import sys

from flows.runtime.children import start_child


def test_a_child_hears_sigint_though_its_parent_was_started_in_the_background(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does behind its &
    try:
        child = start_child(
            ["-c", "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"],
            environment={"PYTHONPATH": ":".join(sys.path)}, folder=tmp_path, log=tmp_path / "log",
        )  # fmt: skip
        assert child.wait(60) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "log").read_text() == "True\n"
