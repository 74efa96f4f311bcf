"""What tests of several commands start from."""

import os

import pytest
from batch_runs import make_folder, settings_file
from picture_runs import save_map, save_photograph


@pytest.fixture(scope="module")
def one_thread():
    """Pictures this small gain nothing from threads, which on a busy machine wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    """A folder of the test's own to stand in, and no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def pair(own_place, one_thread, tmp_path):
    """Two photographs with maps, as `pst stylize` takes them."""
    save_photograph(tmp_path / "content.png")
    save_photograph(tmp_path / "style.png", 56, 56, seed=1)
    save_map(tmp_path / "content_map.png")
    save_map(tmp_path / "style_map.png", 56, 56)
    return ["content.png", "style.png", "--content-map", "content_map.png", "--style-map", "style_map.png"]


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """A folder of two pairs, quick settings, and the beginning of the command that runs it."""
    monkeypatch.chdir(tmp_path)
    source, settings = make_folder(tmp_path / "in", 2), settings_file(tmp_path)
    return ["run", str(source), "--out", "out", "--settings", str(settings)]
