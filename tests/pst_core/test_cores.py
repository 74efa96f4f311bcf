import os

import pytest

from pst_core import cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of a machine with 16 cores, in which this process is in `a.slice/b.service`."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    (root / "a.slice" / "b.service").mkdir(parents=True)
    own.write_text("0::/a.slice/b.service\n")
    monkeypatch.setattr(cores, "_GROUPS", root)
    monkeypatch.setattr(cores, "_OWN_GROUP", own)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    return root


def test_without_quotas_affinity_decides(groups):
    assert cores.usable_cores() == 16
    (groups / "a.slice" / "b.service" / "cpu.max").write_text("max 100000\n")
    assert cores.usable_cores() == 16


@pytest.mark.parametrize(
    ("quota", "count"),
    [("400000 100000", 4), ("250000 100000", 2), ("50000 100000", 1), ("9900000 100000", 16), ("", 16)],
)
def test_whole_cores_of_a_quota_count(groups, quota, count):
    (groups / "a.slice" / "b.service" / "cpu.max").write_text(f"{quota}\n")
    assert cores.usable_cores() == count


def test_the_narrowest_group_counts_wherever_it_stands(groups):
    (groups / "a.slice" / "b.service" / "cpu.max").write_text("800000 100000\n")
    (groups / "a.slice" / "cpu.max").write_text("300000 100000\n")
    assert cores.usable_cores() == 3


def test_a_container_sees_its_own_group_at_the_root(groups):
    (groups / "cpu.max").write_text("200000 100000\n")
    (groups.parent / "own").write_text("0::/\n")
    assert cores.usable_cores() == 2
    (groups.parent / "own").write_text("0::/docker/0123\n")  # a path of the host's, which is not there
    assert cores.usable_cores() == 2


@pytest.mark.parametrize("text", [None, "", "7:cpu,cpuacct:/a.slice\n1:name=systemd:/\n"])
def test_where_there_are_no_such_groups_affinity_decides(groups, text):
    own = groups.parent / "own"
    own.unlink() if text is None else own.write_text(text)
    assert cores.usable_cores() == 16
