"""How the process ends: with its status and one sentence, whatever signals come on the way out."""

import subprocess
import sys

import pytest

COMMAND = """
import asyncio, atexit, os, signal, sys, time
from flows.cli import app

class AtItsEnd:
    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()

def interrupt(kill=os.kill, me=os.getpid(), number=signal.SIGINT):
    kill(me, number)

def lose():
    raise KeyboardInterrupt

def command(arguments):
{body}

app._call = command
app.main()
"""


def ended(body):
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    command = [sys.executable, "-c", COMMAND.replace("{body}", lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


INTERRUPTED = (130, "pst: interrupted; nothing was left half-written.\n")


def test_an_interrupt_that_a_destructor_loses_comes_again():
    assert ended("AtItsEnd(lose)\ntime.sleep(20)\nreturn 0") == INTERRUPTED


def test_what_an_interrupt_left_of_an_event_loop_is_passed_over():
    half_made = "asyncio.SelectorEventLoop.__new__(asyncio.SelectorEventLoop)"
    assert ended(f"{half_made}\nraise KeyboardInterrupt") == INTERRUPTED


@pytest.mark.parametrize("when", ["atexit.register(interrupt)", "sys.at_the_very_end = AtItsEnd(interrupt)"])
def test_one_more_interrupt_on_the_way_out_changes_nothing(when):
    assert ended(f"{when}\nraise KeyboardInterrupt") == INTERRUPTED
    assert ended(f"{when}\nreturn 3") == (3, "")


def test_one_more_interrupt_while_the_end_is_told_changes_nothing():
    explain = (
        "explain = app.explain_failure\napp.explain_failure = lambda error: (interrupt(), explain(error))[1]"
    )
    assert ended(f"{explain}\nraise KeyboardInterrupt") == INTERRUPTED
