"""Where workers stand: a GPU each, or a share of the cores."""

import os

import pytest

from flows.workers import posts
from flows.workers.posts import find_posts, visible_gpus
from pst_core import cores
from pst_core.cores import usable_cores
from pst_core.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_threads_from_outside(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_each_gpu_has_a_worker(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc")
    bound = [post.environment["CUDA_VISIBLE_DEVICES"] for post in find_posts("auto")]
    assert bound == ["2", "GPU-abc"]
    bound = [post.environment["CUDA_VISIBLE_DEVICES"] for post in find_posts(3)]
    assert bound == ["2", "GPU-abc", "2"]
    assert len({post.name for post in find_posts(3)}) == 3


@pytest.mark.parametrize(
    ("cores", "gigabytes", "expected"),
    [(16, [80], 8), (16, [24], 3), (64, [80, 24], 3), (8, [80, 80], 2), (4, [6], 1)],
)
def test_several_workers_keep_a_large_gpu_busy(cores, gigabytes, expected, monkeypatch):
    gpus = [str(index) for index in range(len(gigabytes))]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus))
    monkeypatch.setattr(posts, "_MEMORY", f"print({', '.join(str(each << 30) for each in gigabytes)})")
    monkeypatch.setattr(posts, "usable_cores", lambda: cores)
    found = find_posts("auto")
    assert [post.environment["CUDA_VISIBLE_DEVICES"] for post in found] == gpus * expected
    assert len({post.name for post in found}) == len(found)
    assert {post.environment["OMP_NUM_THREADS"] for post in found} == {str(max(1, cores // len(found)))}


@pytest.mark.parametrize("named", ["", "-1"])
def test_a_machine_whose_gpus_are_hidden_has_none(named, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == ()
    [post] = find_posts("auto")
    assert "CUDA_VISIBLE_DEVICES" not in post.environment


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for number in (1, 2, 5):
        shares = [int(post.environment["OMP_NUM_THREADS"]) for post in find_posts(number)]
        assert len(shares) == number and min(shares) >= 1
        assert sum(shares) <= max(usable_cores(), number)


def test_a_users_own_threads_stay(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    [post] = find_posts(1)
    assert post.environment["OMP_NUM_THREADS"] == "7"


def test_what_a_process_chose_for_itself_is_no_users_wish(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(cores, "_cores_by_affinity", lambda: 16)
    monkeypatch.setattr(cores, "_quotas", lambda: [6.0])
    monkeypatch.setattr(cores, "_chosen_here", {})
    cores.prepare_threads()
    assert os.environ["OMP_NUM_THREADS"] == "6"
    assert [post.environment["OMP_NUM_THREADS"] for post in find_posts(2)] == ["3", "3"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert [post.environment["OMP_NUM_THREADS"] for post in find_posts(2)] == ["5", "5"]


def test_gpus_are_counted_in_a_process_of_its_own(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(posts, "_COUNT", "print('noise'); print(3)")
    assert visible_gpus() == ("0", "1", "2")


@pytest.mark.parametrize("number", [0, -2])
def test_no_workers_is_no_number(number, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match=f"cannot be {number} workers"):
        find_posts(number)
