"""The table of measures: complete, light, and each taken as it says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pst_core.quality.answers import answer_similarity, mean_ciede2000, peak_signal_to_noise
from pst_core.quality.brisque import brisque
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.grams import gram_distance, quick_gram_distance
from pst_core.quality.measures import (
    ANSWERED,
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
from pst_core.quality.rims import rim_overshoot
from pst_core.quality.slopes import largest_slope
from pst_core.quality.subject import Subject
from pst_core.regions.labels import Regions

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def models():
    return load_quality_models()


@pytest.fixture
def subject(models, small_encoder):
    rng = np.random.default_rng(3)
    image, content, style, answer = (rng.random((3, 200, 200), np.float32) for _ in range(4))
    content[:, :, 100:] = 0.1 * content[:, :, 100:] + 0.9  # has an edge
    labels = np.zeros((200, 200), np.int16)
    labels[:, 90:] = 1
    regions = Regions(labels, labels[:, ::-1], np.zeros((2, 3), np.uint8))
    return Subject(
        image, content, style, regions, models, small_encoder, ("conv1_1", "conv2_1"), "tiny network",
        answer,
    )  # fmt: skip


def test_the_table_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'PIL', 'cv2', 'skimage'} & set(sys.modules)"
    code = f"import sys, pst_core.quality.measures; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_measure_has_its_own_names_and_is_in_some_list():
    for names in ([each.key for each in MEASURES.values()], [each.label for each in MEASURES.values()]):
        assert len(set(names)) == len(names)
    assert {*TABULATED, *ANSWERED, *REPORTED} == set(MEASURES.values()) and set(LISTED) <= set(REPORTED)
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
        "rim_overshoot": rim_overshoot(image, subject.content),
        "largest_slope": largest_slope(image, subject.content, regions.content),
    }  # fmt: skip
    assert taken.reasons == {}
    assert taken.models == {
        "brisque": models.brisque.name, "niqe": models.niqe.name, "gram_distance": "tiny network",
    }  # fmt: skip


def test_a_reports_measures_are_quick_or_table_1s_own(subject, models):
    taken, tabulated = take(REPORTED, subject), take(TABULATED, subject)
    for key in ("brisque", "niqe", "rim_overshoot", "largest_slope"):
        assert taken.values[key] == tabulated.values[key]
    assert taken.values["ssim_quick"] == quick_similarity(subject.image, subject.content)
    assert taken.values["color_distance_before_quick"] == quick_color_distance(
        subject.content, subject.style, subject.regions
    )
    # A picture as small as this is measured by every pixel in either way.
    for key in ("ssim", "color_distance", "gram_distance"):
        assert taken.values[f"{key}_quick"] == tabulated.values[key]
    assert set(taken.models) == {"brisque", "niqe", "gram_distance_quick"}


def test_where_the_right_answer_is_known_results_are_held_against_it(subject):
    taken, image, answer = take(ANSWERED, subject), subject.image, subject.answer
    assert list(taken.values) == [measure.key for measure in ANSWERED]
    assert {key: value for key, value in taken.values.items() if key.startswith("answer_")} == {
        "answer_psnr": peak_signal_to_noise(image, answer),
        "answer_ssim": answer_similarity(image, answer),
        "answer_ciede2000": mean_ciede2000(image, answer),
    }
    without = take(ANSWERED, replace(subject, answer=None))
    assert without.values["answer_psnr"] is None and without.values["rim_overshoot"] is not None
    assert "no right answer" in without.reasons["answer_psnr"]


def test_a_large_picture_s_gram_distance_is_quick(subject):
    wide = replace(
        subject, image=subject.image.repeat(2, axis=2), content=subject.content.repeat(2, axis=2),
        regions=replace(subject.regions, content=subject.regions.content.repeat(2, axis=1)),
    )  # fmt: skip
    taken = take(REPORTED, wide).values["gram_distance_quick"]
    assert taken == quick_gram_distance(wide.image, wide.style, wide.regions, wide.encoder, wide.layers)


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
