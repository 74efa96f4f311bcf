"""How many threads there are and how they wait: by fake control groups, and in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pst_core import cores

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(
    ("quota", "period", "count"),
    [("400000", "100000", 4), ("-1", "100000", 16), ("50000", "25000", 2), ("0", "0", 16)],
)
def test_groups_of_the_first_version_count_too(groups, mount, quota, period, count):
    (groups.parent / "own").write_text("9:memory:/m\n7:cpu,cpuacct:/docker/0123\n1:name=systemd:/\n0::/\n")
    place = groups / mount / "docker" / "0123"
    place.mkdir(parents=True)
    (place / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (place / "cpu.cfs_period_us").write_text(f"{period}\n")
    assert cores.usable_cores() == count
    (groups / mount / "cpu.cfs_quota_us").write_text("300000\n")  # as a container sees its own
    (groups / mount / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.usable_cores() == min(count, 3)


def test_a_group_of_another_controller_says_nothing_of_cores(groups):
    (groups.parent / "own").write_text("7:cpuset,cpuacct:/\n")
    (groups / "cpuset,cpuacct").mkdir()
    (groups / "cpuset,cpuacct" / "cpu.cfs_quota_us").write_text("100000")
    (groups / "cpuset,cpuacct" / "cpu.cfs_period_us").write_text("100000")
    assert cores.usable_cores() == 16


@pytest.mark.parametrize("text", [None, "", "7:cpu,cpuacct:/a.slice\n1:name=systemd:/\n"])
def test_where_there_are_no_such_groups_affinity_decides(groups, text):
    own = groups.parent / "own"
    own.unlink() if text is None else own.write_text(text)
    assert cores.usable_cores() == 16


ENTRIES = {
    "library": "import pst_core",
    "command": "import flows.cli.app",
    "worker's run": "import flows.workers.engine, flows.shard",
}
TELL = "import torch; print(torch.get_num_threads())"
OURS = ("OMP_", "MKL_", "OPENBLAS_")


def in_process(*lines, **given):
    """Run Python without anybody's settings of threads: what it prints, and what OpenMP says of itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "true"} | given
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_says_how_threads_wait_before_torch_is_loaded(entry):
    told, _ = in_process(
        ENTRIES[entry], "import os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    assert told == ["passive", "False"]


AS_NUMPY_LOADS = """
import os, sys
class Witness:
    def find_spec(self, name, *_):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
sys.meta_path.insert(0, Witness())
"""


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("given", "timeout"), [({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_every_entry_says_how_threads_of_openblas_wait_before_it_is_loaded(entry, given, timeout):
    told, _ = in_process(AS_NUMPY_LOADS, ENTRIES[entry], "import numpy", **given)
    assert told == [timeout]


@pytest.mark.skipif(sys.platform != "linux", reason="needs an OpenMP library that tells of itself")
@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_the_library_behind_torch_waits_so(given, policy):
    _, told = in_process("import pst_core, torch", **given)
    assert f"OMP_WAIT_POLICY = '{policy}'" in told


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processes bound to cores")
def test_as_many_threads_as_affinity_leaves_cores():
    core = min(os.sched_getaffinity(0))
    told, _ = in_process(
        f"import os; os.sched_setaffinity(0, {{{core}}})", "import pst_core, pst_core.cores",
        "print(pst_core.cores.usable_cores())", TELL,
    )  # fmt: skip
    assert told == ["1", "1"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs control groups")
@pytest.mark.parametrize(("given", "count"), [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2)])
def test_as_many_threads_as_a_quota_leaves_cores_unless_a_user_says_otherwise(tmp_path, given, count):
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    told, _ = in_process(
        "from pathlib import Path; from pst_core import cores",
        f"cores._GROUPS, cores._OWN_GROUP = Path({str(tmp_path)!r}), Path({str(tmp_path / 'own')!r})",
        # As if there were more cores than this machine may have: the quota alone is to be seen.
        "cores._cores_by_affinity = lambda: 16",
        "cores.prepare_threads()", TELL, **given,
    )  # fmt: skip
    assert told == [str(min(count, len(os.sched_getaffinity(0))))]  # MKL has no more than there are


def test_no_variable_says_how_many_threads_where_there_is_no_quota():
    told, _ = in_process(
        "import os; from pst_core import cores; os.environ.pop('OMP_NUM_THREADS', None)",
        "cores._quotas = lambda: []; cores.prepare_threads(); print('OMP_NUM_THREADS' in os.environ)",
    )
    assert told == ["False"]
