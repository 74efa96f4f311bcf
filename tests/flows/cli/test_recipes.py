"""Results made again: recipes in pictures and reports, and where the files that they name are found."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from flows.cli.again import load_recipe
from pst_core.errors import ConfigError, ImageError
from pst_core.images.writing import write_image
from pst_core.report import Run
from pst_core.settings.config import Config


@pytest.fixture
def made(tmp_path):
    """Return a function that leaves a result with its report, both changed as it is told."""
    paths = {"content": tmp_path / "in" / "content.png", "style": tmp_path / "in" / "style.png"}
    for role, path in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(role.encode())
    run = Run(
        tmp_path / "out" / "result.png", paths,
        {role: hashlib.sha256(role.encode()).hexdigest() for role in paths}, "fast", Config(size=40),
        {"name": "untrained network", "sha256": "e" * 64, "convention": "torchvision", "trained": False},
        {"source": "maps", "count": 0, "colors": [], "content_shares": [], "style_shares": [], "matched": []},
        0.5, "cpu", "float32", (), (),
    )  # fmt: skip

    def make(name, *, reported=run, **changes):
        picture = tmp_path / "out" / name
        recipe = run.recipe().model_dump(mode="json") | changes
        write_image(picture, np.zeros((3, 16, 16), np.float32), recipe=recipe, overwrite=True)
        report = reported.report().model_dump(mode="json") | changes
        picture.with_suffix(".json").write_text(json.dumps(report))
        return picture

    make.run = run
    return make


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_a_recipe_tells_how_it_was_made(made, suffix, tmp_path):
    earlier = load_recipe(made("result.png").with_suffix(suffix))
    chosen = earlier.chosen()
    assert (chosen.preset, chosen.config.size, chosen.config.weights) == ("fast", 40, "untrained")
    assert {role: path.resolve() for role, path in earlier.paths({}).items()} == {
        role: tmp_path / "in" / f"{role}.png" for role in ("content", "style")
    }


@pytest.mark.parametrize("suffix", [".png", ".tif", ".json"])
def test_a_field_of_a_newer_version_is_told(made, suffix):
    source = made("result.tif" if suffix == ".tif" else "result.png", version="77.1", warmth=3)
    with pytest.raises(ConfigError) as caught:
        load_recipe(source.with_suffix(suffix))
    told = str(caught.value)
    assert told.startswith(f"{source.with_suffix(suffix)} has the field 'warmth', which version 77.1 ")
    assert told.endswith("does not know: install version 77.1.")


def test_the_report_beside_a_picture_knows_where_files_were(made, tmp_path):
    picture = made("result.png")
    moved = (tmp_path / "elsewhere").joinpath("result.png")
    moved.parent.mkdir()
    picture.rename(moved)
    (tmp_path / "in").rename(tmp_path / "there")
    (tmp_path / "there").rename(tmp_path / "in")
    report = picture.with_suffix(".json").rename(moved.with_suffix(".json"))
    assert load_recipe(moved).paths({})["style"].read_bytes() == b"style"
    report.unlink()
    made("result.png", reported=replace(made.run, config=Config(size=48)))  # of another run
    (tmp_path / "out" / "result.json").rename(report)
    assert load_recipe(moved).report is None


def test_files_that_are_gone_or_changed_are_named(made, tmp_path):
    earlier = load_recipe(made("result.png"))
    (tmp_path / "in" / "style.png").write_bytes(b"another")
    with pytest.raises(ImageError, match=r"The style 'style\.png' of .* has changed: .*CONTENT and STYLE"):
        earlier.paths({})
    assert earlier.paths({"style": tmp_path / "mine.png"})["style"] == tmp_path / "mine.png"
    (tmp_path / "in" / "style.png").unlink()
    with pytest.raises(ImageError, match="is not found where it was, nor beside the result"):
        earlier.paths({})
