"""A disk that is soon full."""

import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(place, options):
    """Mount one with tmpfs's options for as long as the block lasts; skip the test where that may not be."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
