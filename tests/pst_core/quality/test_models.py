import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from fit_models import distort, fit_brisque, main, shrink
from PIL import Image
from scipy.io import savemat

from pst_core.images.reading import read_photograph
from pst_core.quality import models
from pst_core.quality.brisque import brisque, brisque_features
from pst_core.quality.models import (
    BrisqueModel,
    QualityModelError,
    load_quality_models,
    models_identity,
    write_model,
)
from pst_core.quality.niqe import niqe
from pst_core.samples import find_samples

RANGES = "x\r\n-1 1\r\n" + "".join(f"{place} {place / 10} {place}\r\n" for place in range(1, 37))
SUPPORT = (
    "svm_type epsilon_svr\r\nkernel_type rbf\r\ngamma 0.05\r\nnr_class 2\r\ntotal_sv 2\r\nrho -153.5\r\n"
    "SV\r\n-1024 1:-0.5 3:0.25 \r\n2.5 36:1e-3\r\n"
)


@pytest.fixture(autouse=True)
def _no_models_from_outside(monkeypatch):
    monkeypatch.delenv("PST_QUALITY_MODELS", raising=False)


@pytest.fixture
def live_files(tmp_path):
    """A folder with small models in LIVE's formats."""
    folder = tmp_path / "live"
    folder.mkdir()
    (folder / "allmodel").write_bytes(SUPPORT.encode())
    (folder / "allrange").write_bytes(RANGES.encode())
    spread = np.random.default_rng(0).random((36, 36))
    gaussian = {"mu_prisparam": np.arange(36.0)[None], "cov_prisparam": spread @ spread.T}
    savemat(folder / "modelparameters.mat", gaussian)
    return folder


def test_the_shipped_models_say_how_they_were_made():
    models = load_quality_models()
    for metric in ("brisque", "niqe"):
        path = find_samples().parent / "models" / f"{metric}.json"
        made = json.loads(path.read_text())["made"]
        assert getattr(models, metric).name == f"project fit, {made['photographs']} photographs"
        assert made["photographs"] > 100
        assert path.stat().st_size < 400_000


def test_lives_formats_are_read(live_files):
    models = load_quality_models(live_files)
    model = models.brisque
    assert model.name == "allmodel"
    assert (model.gamma, model.rho, model.coefficients.tolist()) == (0.05, -153.5, [-1024, 2.5])
    expected = np.zeros((2, 36))
    expected[0, 0], expected[0, 2], expected[1, 35] = -0.5, 0.25, 1e-3
    np.testing.assert_array_equal(model.vectors, expected)
    np.testing.assert_array_equal(model.lower, np.arange(1, 37) / 10)
    np.testing.assert_array_equal(model.upper, np.arange(1, 37))
    assert models.niqe.name == "modelparameters.mat"
    np.testing.assert_array_equal(models.niqe.mean, np.arange(36))
    assert models.niqe.covariance.shape == (36, 36)


def test_the_published_release_is_known_by_its_bytes(luan60):
    live = luan60.parent / "iqa"
    if not live.is_dir():
        pytest.skip("needs LIVE's models in ../shared/iqa beside the project")
    models = load_quality_models(live)
    assert (models.brisque.name, models.niqe.name) == ("LIVE release 2011", "LIVE release 2012")
    assert models.brisque.vectors.shape == (774, 36)


def test_a_kind_that_a_folder_lacks_is_the_shipped_one(live_files):
    shipped = load_quality_models()
    (live_files / "modelparameters.mat").unlink()
    models = load_quality_models(live_files)
    assert models.niqe.sha256 == shipped.niqe.sha256
    assert models.brisque.sha256 != shipped.brisque.sha256


def test_the_environment_names_a_folder_and_an_argument_goes_before_it(live_files, tmp_path, monkeypatch):
    monkeypatch.setenv("PST_QUALITY_MODELS", str(live_files))
    assert load_quality_models().brisque.name == "allmodel"
    assert models_identity() == models_identity(live_files)
    other = tmp_path / "other"
    other.mkdir()
    write_model(other / "niqe.json", "niqe", "mine", {"mean": [0] * 36, "covariance": np.eye(36).tolist()})
    models = load_quality_models(other)
    assert (models.niqe.name, models.brisque.name) == ("mine", load_quality_models(other).brisque.name)
    assert models.brisque.name.startswith("project fit")
    assert models_identity(other) != models_identity()


def test_identity_follows_the_bytes_of_either_model_and_nothing_else(live_files, tmp_path):
    before = models_identity(live_files)
    assert len(before) == 64
    assert before != models_identity()
    (live_files / "README").write_text("about these files")
    moved = live_files.rename(tmp_path / "moved")
    assert models_identity(moved) == before
    for name in ("allmodel", "allrange", "modelparameters.mat"):
        data = (moved / name).read_bytes()
        (moved / name).write_bytes(data + b"\n")
        assert models_identity(moved) != before
        (moved / name).write_bytes(data)
    assert models_identity(moved) == before


def test_files_that_stay_as_they_are_are_read_once(live_files, monkeypatch):
    before = models_identity(live_files)
    reads, read = [], models._read
    monkeypatch.setattr(models, "_read", lambda path: reads.append(path) or read(path))
    assert (
        models_identity(live_files) == before and len(reads) == 3
    )  # written just now: they may change once more
    old = time.time() - 60
    for path in live_files.iterdir():
        os.utime(path, (old, old))
    assert [models_identity(live_files) for _ in range(3)] == [before] * 3 and len(reads) == 6
    (live_files / "allmodel").write_bytes(b"other")
    os.utime(live_files / "allmodel", (old, old))
    assert models_identity(live_files) != before


def test_identity_needs_no_heavy_library():
    code = (
        "import sys; from pst_core.quality.models import models_identity; models_identity(None); "
        "print([name for name in ('numpy', 'scipy', 'cv2', 'torch', 'sklearn') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("allmodel", "epsilon_svr", "c_svc", "holds c_svc and rbf"),
        ("allmodel", "total_sv 2", "total_sv 3", "2 support vectors of 3"),
        ("allmodel", "36:1e-3", "37:1e-3", "feature 37 beyond the 36"),
        ("allmodel", "1:-0.5", "1:nan", "not finite"),
        ("allmodel", "rho -153.5", "rho inf", "rho and gamma"),
        ("allmodel", "gamma 0.05\r\n", "", "lacks 'gamma'"),
        ("allmodel", "\r\nSV\r\n", "\r\n", "'SV' is not in list"),
        ("allrange", "-1 1\r\n", "0 1\r\n", "scale features to -1 and 1"),
        ("allrange", "36 3.6 36\r\n", "", "list features 1 to 36"),
        ("allrange", "36 3.6 36\r\n", "36 36 36\r\n", "range is empty"),
        ("allrange", "36 3.6 36\r\n", "36 3.6\r\n", "no quality model"),
        ("allrange", RANGES, "x", "scale features to -1 and 1"),
    ],
)
def test_a_broken_text_file_is_named(live_files, name, old, new, said):
    path = live_files / name
    text = path.read_bytes().decode()
    path.write_bytes(text.replace(old, new).encode())
    with pytest.raises(QualityModelError, match=said) as caught:
        load_quality_models(live_files)
    assert name in str(caught.value)
    assert "PST_QUALITY_MODELS" in str(caught.value)


def test_a_text_file_cut_anywhere_is_refused(live_files):
    for name, text, end in (("allmodel", SUPPORT, "2.5"), ("allrange", RANGES, "36 3.6")):
        for place in range(0, text.rindex(end), 7):
            (live_files / name).write_bytes(text[:place].encode())
            with pytest.raises(QualityModelError, match=f"{name} is no quality model"):
                load_quality_models(live_files)
        (live_files / name).write_bytes(text.encode())


@pytest.mark.parametrize("content", [
    b"", b"no MATLAB file", {"mu_prisparam": np.zeros((1, 36))},
    {"mu_prisparam": np.zeros((1, 18)), "cov_prisparam": np.eye(36)},
    {"mu_prisparam": np.zeros((1, 36)), "cov_prisparam": np.eye(36)[:35]},
    {"mu_prisparam": np.zeros((1, 36)), "cov_prisparam": np.triu(np.ones((36, 36)))},
    {"mu_prisparam": np.full((1, 36), np.nan), "cov_prisparam": np.eye(36)},
    {"mu_prisparam": "letters", "cov_prisparam": np.eye(36)},
])  # fmt: skip
def test_a_broken_matlab_file_is_named(live_files, content):
    path = live_files / "modelparameters.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    with pytest.raises(QualityModelError, match=r"modelparameters\.mat is no quality model"):
        load_quality_models(live_files)


def test_a_matlab_file_cut_or_altered_anywhere_fails_in_a_sentence_or_not_at_all(live_files):
    path = live_files / "modelparameters.mat"
    data = path.read_bytes()
    for place in range(0, len(data), 211):
        path.write_bytes(data[:place])
        with pytest.raises(QualityModelError):
            load_quality_models(live_files)
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        try:
            load_quality_models(live_files)
        except QualityModelError as error:
            assert "modelparameters.mat" in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no quality model"),
        ("[1]", "does not say 'pst quality model 1'"),
        ('{"format":"pst quality model 2","metric":"niqe","name":"x"}', "does not say 'pst quality model 1'"),
        ('{"format":"pst quality model 1","metric":"brisque","name":"x"}', "and 'niqe'"),
        ('{"format":"pst quality model 1","metric":"niqe","name":3}', "has no name"),
        ('{"format":"pst quality model 1","metric":"niqe","name":"x","mean":[1]}', "lacks 'covariance'"),
        ("[" * 100_000, "no quality model"),
    ],
)
def test_a_broken_file_of_the_projects_own_is_named(tmp_path, text, said):
    (tmp_path / "niqe.json").write_text(text)
    with pytest.raises(QualityModelError, match=said) as caught:
        load_quality_models(tmp_path)
    assert "niqe.json" in str(caught.value)


def test_a_folder_without_models_or_with_half_of_one_is_refused(tmp_path, live_files):
    with pytest.raises(QualityModelError, match="nowhere cannot be read"):
        load_quality_models(tmp_path / "nowhere")
    with pytest.raises(QualityModelError, match="allmodel cannot be read"):
        models_identity(live_files / "allmodel")
    with pytest.raises(QualityModelError, match="cannot be read"):
        models_identity(tmp_path / "a\0b")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(QualityModelError, match=r"empty holds no quality model: .*PST_QUALITY_MODELS"):
        models_identity(empty)
    (live_files / "second-allmodel.txt").write_text("")
    with pytest.raises(QualityModelError, match=r"one file named \*allmodel\*, and has allmodel, second"):
        load_quality_models(live_files)
    (live_files / "second-allmodel.txt").unlink()
    (live_files / "allrange").unlink()
    with pytest.raises(QualityModelError, match=r"one file named \*allrange\*, and has none"):
        load_quality_models(live_files)


def test_an_enormous_file_is_not_read(live_files):
    with (live_files / "allrange").open("ab") as file:
        file.truncate(2**31)
    with pytest.raises(QualityModelError, match=r"allrange is no quality model .*bytes"):
        models_identity(live_files)


def test_models_are_loaded_once_while_their_files_stay_as_they_are(live_files):
    for path in live_files.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    before, again = (load_quality_models(live_files) for _ in range(2))
    assert again.brisque is before.brisque
    assert again.niqe is before.niqe
    with pytest.raises(ValueError, match="read-only"):
        before.brisque.vectors[0, 0] = 0
    text = (live_files / "allmodel").read_text()
    (live_files / "allmodel").write_text(text.replace("gamma ", "gamma 1", 1))
    os.utime(live_files / "allmodel", ns=(10**18 + 1, 10**18 + 1))
    after = load_quality_models(live_files)
    assert after.niqe is before.niqe
    assert after.brisque.gamma > before.brisque.gamma
    assert after.brisque.sha256 != before.brisque.sha256


def test_distortions_grow_with_their_scores():
    image = shrink(read_photograph(find_samples() / "style" / "pagoda.jpg").pixels)
    copies = list(distort(image, np.random.default_rng(0)))
    assert copies[0][0] == 0
    np.testing.assert_array_equal(copies[0][1], image)
    for kind in range(3):
        scores, pixels = zip(*copies[1 + kind :: 3], strict=True)
        errors = [np.square(each - image).mean() for each in pixels]
        assert list(scores) == sorted(set(scores))
        assert errors == sorted(errors)


def test_photographs_are_shrunk_to_a_side_and_by_a_third_at_least():
    assert shrink(np.zeros((3, 300, 600), np.float32)).shape == (3, 200, 400)
    assert shrink(np.zeros((3, 4000, 3000), np.float32)).shape == (3, 1000, 750)
    image = np.random.default_rng(0).random((3, 12, 3000), np.float32)
    means = image.reshape(3, 4, 3, 1000, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(shrink(image), means, atol=0.51 / 255)


def test_the_written_regression_is_the_fitted_one():
    from sklearn.svm import SVR

    image = read_photograph(find_samples() / "content" / "still.jpg").pixels[:, :200, :200]
    copies = list(distort(image, np.random.default_rng(0)))
    scores, features = np.array([score for score, _ in copies]), np.array(
        [brisque_features(copy) for _, copy in copies]
    )  # fmt: skip
    values = {name: np.array(value) for name, value in fit_brisque(features, scores).items()}
    lower, upper = features.min(axis=0), features.max(axis=0)
    scaled = 2 * (features - lower) / (upper - lower) - 1
    expected = SVR(C=128, gamma=0.05, epsilon=8).fit(scaled, scores).predict(scaled)
    found = [brisque(copy, BrisqueModel("", "", **values)) for _, copy in copies]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_script_fits_models_that_tell_spoilt_photographs_from_others(tmp_path, capsys):
    photographs, rng = tmp_path / "photographs", np.random.default_rng(0)
    photographs.mkdir()
    for index, (name, top, left) in enumerate(
        [("content/pagoda.jpg", 0, 0), ("content/pagoda.jpg", 100, 330), ("style/still.png", 0, 0),
         ("style/still.png", 90, 250), ("style/pagoda.jpg", 60, 300)]
    ):  # fmt: skip
        pixels = read_photograph(find_samples() / name).pixels[:, top : top + 300, left : left + 300]
        levels = np.moveaxis(np.rint(255 * pixels).astype(np.uint8), 0, -1)
        Image.fromarray(levels).save(photographs / f"{index}.png")
    (photographs / "notes.txt").write_text("no photograph")
    main([str(photographs), "--out", str(tmp_path / "models")])
    said = capsys.readouterr().out
    assert "left out: notes.txt" in said
    assert "0.png\n1.png\n2.png\n3.png\n4.png\n" in said
    models = load_quality_models(tmp_path / "models")
    assert models.brisque.name == models.niqe.name == "project fit, 5 photographs"
    unseen = shrink(read_photograph(find_samples() / "content" / "still.jpg").pixels)
    spoilt = np.clip(unseen + rng.normal(0, 0.2, unseen.shape), 0, 1)
    assert brisque(spoilt, models.brisque) > brisque(unseen, models.brisque) + 20
    assert niqe(spoilt, models.niqe) > 1.5 * niqe(unseen, models.niqe)


def test_the_script_says_that_it_needs_photographs(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "absent.jpg"), "--out", str(tmp_path / "models")])
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert "left out: absent.jpg" in captured.out
    assert "at least 5 photographs" in captured.err
    assert not (tmp_path / "models").exists()
