"""What tests of the user study share: soft pictures, refusals, and what a page's script is given."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from pst_core.errors import PstError

METHODS = ("ours", "luan", "gatys")


def paint(path, size=(96, 64), seed=0, **save):
    """A soft coloured picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize(size, Image.Resampling.BICUBIC).save(path, **save)
    return path


def refusal(kind, function, *arguments, **options):
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    assert isinstance(caught.value, PstError)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def data_of(page):
    """What the page's script is given."""
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.S)[1])
