"""Text that can be printed, stored and sent, whatever a file is called."""

import json
import os

import pytest

from pst_core.printing import printable, storable

NAMES = [os.fsdecode(b"caf\xe9.jpg"), "new\nline.jpg", "nul\0", "\x1b[2J", "\u2028", "\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_printed_is_escaped_on_one_line(name):
    assert printable(name).isprintable()
    printable(name).encode()


def test_plain_text_stays_as_it_is():
    for text in ("Café am Rhein.jpg", "日本", "a\\b"):
        assert printable(text) == storable(text) == text


def test_what_is_stored_is_text_down_to_the_last_part():
    value = {NAMES[0]: [NAMES[0], 3, None, (NAMES[5], {"a": "b\n"})]}
    stored = storable(value)
    json.dumps(stored, ensure_ascii=False).encode()
    assert stored == {"caf\\udce9.jpg": ["caf\\udce9.jpg", 3, None, ("\\ud800", {"a": "b\n"})]}
