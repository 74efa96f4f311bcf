"""The table of measures: complete, light, and each taken as it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pst_core.quality.brisque import brisque
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.grams import gram_distance
from pst_core.quality.measures import (
    LISTED,
    MEASURES,
    NOT_FINITE,
    REPORTED,
    TABULATED,
    Measures,
    in_words,
    take,
)
from pst_core.quality.models import load_quality_models
from pst_core.quality.niqe import niqe
from pst_core.quality.quick import quick_color_distance, quick_similarity
from pst_core.quality.subject import Subject
from pst_core.regions.labels import Regions

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def models():
    return load_quality_models()


@pytest.fixture
def subject(models, small_encoder):
    rng = np.random.default_rng(3)
    image, content, style = (rng.random((3, 200, 200), np.float32) for _ in range(3))
    labels = np.zeros((200, 200), np.int16)
    labels[:, 90:] = 1
    regions = Regions(labels, labels[:, ::-1], np.zeros((2, 3), np.uint8))
    return Subject(
        image, content, style, regions, models, small_encoder, ("conv1_1", "conv2_1"), "tiny network"
    )


def test_the_table_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'PIL', 'cv2', 'skimage'} & set(sys.modules)"
    code = f"import sys, pst_core.quality.measures; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_measure_has_its_own_names_and_is_in_some_list():
    for names in ([each.key for each in MEASURES.values()], [each.label for each in MEASURES.values()]):
        assert len(set(names)) == len(names)
    assert {*TABULATED, *REPORTED} == set(MEASURES.values()) and set(LISTED) <= set(REPORTED)
    for measure in MEASURES.values():
        assert measure.key.endswith("_quick") == measure.label.startswith("Quick ")
        assert measure.arrow == {"higher": "↑", "lower": "↓"}[measure.better]


def test_table_1s_measures_are_taken_as_they_say(subject, models):
    taken = take(TABULATED, subject)
    image, style, regions = subject.image, subject.style, subject.regions
    labels = regions.content, regions.style
    assert taken.values == {
        "brisque": brisque(image, models.brisque), "niqe": niqe(image, models.niqe),
        "ssim": structural_similarity(image, subject.content),
        "color_distance": color_distance(image, style, *labels, matched=regions.matched),
        "gram_distance": gram_distance(image, style, regions, subject.encoder, subject.layers),
    }  # fmt: skip
    assert taken.reasons == {}
    assert taken.models == {
        "brisque": models.brisque.name, "niqe": models.niqe.name, "gram_distance": "tiny network",
    }  # fmt: skip


def test_a_reports_measures_are_quick_or_table_1s_own(subject, models):
    taken, tabulated = take(REPORTED, subject), take(TABULATED, subject)
    for key in ("brisque", "niqe"):
        assert taken.values[key] == tabulated.values[key]
    assert taken.values["ssim_quick"] == quick_similarity(subject.image, subject.content)
    assert taken.values["color_distance_before_quick"] == quick_color_distance(
        subject.content, subject.style, subject.regions
    )
    # A picture as small as this is measured by every pixel in either way.
    for key in ("ssim", "color_distance"):
        assert taken.values[f"{key}_quick"] == tabulated.values[key]
    assert set(taken.models) == {"brisque", "niqe"}


def test_what_cannot_be_taken_has_a_reason(subject, models):
    plain = np.zeros((3, 8, 8), np.float32)
    labels = np.zeros((8, 8), np.int16)
    apart = Regions(labels, labels + 1, np.zeros((2, 3), np.uint8))
    taken = take([*MEASURES.values()], Subject(plain, plain, plain, apart, models))
    assert {key for key, value in taken.values.items() if value is not None} == {"color_distance_whole_quick"}
    assert set(taken.reasons) == set(MEASURES) - {"color_distance_whole_quick"}
    assert "BRISQUE needs at least 32x32 pixels" in taken.reasons["brisque"]
    assert "11 pixels" in taken.reasons["ssim_quick"] and "a network" in taken.reasons["gram_distance"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_finite_number_is_no_value(value):
    odd = Measures(values={"niqe": value, "ssim": 0.5}, reasons={})
    assert (odd.values, odd.reasons) == ({"niqe": None, "ssim": 0.5}, {"niqe": NOT_FINITE})


def test_words_name_the_listed_measures_that_there_are():
    scores = {"ssim_quick": 0.71249, "color_distance_quick": 3.456, "brisque": 20.0, "niqe": None}
    assert in_words(scores) == "quick SSIM 0.712, quick colour distance 3.46, BRISQUE 20.000"
    assert in_words({"ssim": 0.5}) == in_words({}) == ""
    assert MEASURES["brisque"].text(None) == "n/a" and MEASURES["brisque"].text(19.8064) == "19.806"
