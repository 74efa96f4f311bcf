import ast
import contextlib
import gc
import importlib
import shutil
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from pst_core import provenance
from pst_core.provenance import code_version, reachable_modules


def version():
    importlib.invalidate_caches()
    return code_version.__wrapped__("units_under_test")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A package of units and an engine below it, in the places of `tasks` and `pst_core`."""
    files = {
        "units_under_test/__init__.py": "",
        "units_under_test/unit.py": (
            "def f():\n    from engine_under_test.inner import deep\n    return deep.g(1)\n"
        ),
        "units_under_test/spare.py": "x = 1\n",
        "engine_under_test/__init__.py": "",
        "engine_under_test/inner/__init__.py": "",
        "engine_under_test/inner/deep.py": "from . import beside\n\n\ndef g(x):\n    return x * 0.7\n",
        "engine_under_test/inner/beside.py": "import engine_under_test.inner.deeper.deepest as d\n",
        "engine_under_test/inner/deeper/__init__.py": "",
        "engine_under_test/inner/deeper/deepest.py": "x = 1\n",
        "engine_under_test/charts.py": "from engine_under_test.inner import deep\n",
    }  # fmt: skip
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(provenance, "__package__", "engine_under_test")
    return tmp_path


def changed(path, source):
    before = path.read_text()
    path.write_text(source)
    seen = version()
    path.write_text(before)
    return seen


def test_what_a_unit_reaches_counts_wherever_it_lies_and_nothing_else(packages):
    before = version()
    counting = {
        path.relative_to(packages).as_posix()
        for path in packages.rglob("*.py")
        if changed(path, path.read_text() + "y = 2\n") != before
    }
    everything = {path.relative_to(packages).as_posix() for path in packages.rglob("*.py")}
    assert everything - counting == {"engine_under_test/charts.py"}
    assert version() == before


@pytest.mark.parametrize("name", ["units_under_test/spare.py", "engine_under_test/inner/deeper/deepest.py"])
def test_modules_count_by_their_names_and_by_their_number(packages, name):
    seen = [version()]
    (packages / "units_under_test" / "new.py").write_text("")
    seen.append(version())
    (packages / "units_under_test" / "new.py").rename(packages / "units_under_test" / "newer.py")
    seen.append(version())
    assert len(set(seen)) == 3
    (packages / "units_under_test" / "newer.py").unlink()
    (packages / name).with_suffix(".txt").write_text("no code")
    assert version() == seen[0]


def test_packages_count_the_same_wherever_they_lie(packages, tmp_path_factory, monkeypatch):
    before = version()
    moved = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(packages, moved, dirs_exist_ok=True)
    monkeypatch.syspath_prepend(str(moved))
    for name in [name for name in sys.modules if name.startswith(("units_under", "engine_under"))]:
        monkeypatch.delitem(sys.modules, name)
    assert version() == before
    (moved / "units_under_test" / "unit.py").write_text("x = 1\n")
    assert version() != before  # it is the moved one that counts


def test_a_file_of_every_room_that_tasks_reach_is_in_the_digest():
    found = reachable_modules("tasks")
    rooms = {name.rpartition(".")[0] for name in found}
    reached = ("settings", "images", "filters", "color", "network", "regions", "optimisation", "pipeline",
               "store", "quality")  # fmt: skip
    assert {f"pst_core.{room}" for room in reached} | {"tasks", "pst_core"} <= rooms
    assert {"pst_core.filters.guided", "pst_core.optimisation.losses", "pst_core.regions.deeplab",
            "pst_core.optimisation.patches", "tasks.unit"} <= set(found)  # fmt: skip
    beyond = (
        "pst_core.evaluation",
        "pst_core.study",
        "pst_core.diagnosis",
        "flows",
    )
    assert not [name for name in found if name.startswith(beyond)]


def test_comments_docstrings_and_layout_of_our_own_code_do_not_count(tmp_path, monkeypatch):
    before, length = code_version.__wrapped__("tasks"), 0
    for package in ("tasks", "pst_core"):
        source = Path(importlib.import_module(package).__file__).parent
        shutil.copytree(source, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "_sample"))
    monkeypatch.setattr(
        provenance, "find_spec", lambda name: importlib.machinery.PathFinder.find_spec(name, [str(tmp_path)])
    )
    assert code_version.__wrapped__("tasks") == before
    for path in tmp_path.rglob("*.py"):
        written = path.read_text("utf-8")
        tree = ast.parse(written)
        for node in ast.walk(tree):
            described = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if described and ast.get_docstring(node) is not None:
                node.body[0].value = ast.Constant("Something else.")
        source = "# a comment\n\n\n" + ast.unparse(tree) + "\n\n# the end\n"  # nothing of the layout is left
        path.write_text(source, "utf-8")
        length += len(source) - len(written)
    assert length < -10_000
    assert code_version.__wrapped__("tasks") == before


@pytest.mark.parametrize(("one", "other"), [
    ("x = 1", "x = 1.0"),
    ("x = 'a'", "x = 'b'"),
    ("x = 'a'", "x = b'a'"),
    ("def f(a, b): return a - b", "def f(b, a): return a - b"),
    ("def f(a='x'): pass", "def f(a='y'): pass"),
    ("f('text')", "f('other text')"),
    ("if a:\n    f()\n    g()", "if a:\n    f()\ng()"),
    ("x = a or b and c", "x = (a or b) and c"),
    ("try:\n    f()\nexcept A:\n    pass", "try:\n    f()\nexcept B:\n    pass"),
    ("import a", "import a as b"),
    ("@f\ndef g(): pass", "def g(): pass"),
    ("lambda x: 'a'", "lambda x: 'b'"),
    ("f(1)\n2", "f(2)\n2"),
])  # fmt: skip
def test_what_changes_a_meaning_changes_the_version(one, other):
    assert provenance._meaning(ast.parse(one)) != provenance._meaning(ast.parse(other))


@pytest.mark.parametrize(("one", "other"), [
    ("x = 1", "# why\nx = 1  # here"),
    ("x = (1 +\n     2)", "x = 1 + 2"),
    ("x = 'a'", 'x = "a"'),
    ("x = 1_000", "x = 1000"),
    ('def f():\n    """Say."""\n    return 1', "def f():\n\n    return 1"),
    ('class A:\n    """Say."""\n    x = 1\n    """Of x."""', "class A:\n    x = 1"),
    ('"""Module."""\nimport a', "import a"),
    ('async def f():\n    """Say."""\n    g()', "async def f(): g()"),
])  # fmt: skip
def test_what_only_a_reader_sees_does_not(one, other):
    assert provenance._meaning(ast.parse(one)) == provenance._meaning(ast.parse(other))


def test_whatever_another_thread_parses_meanwhile_the_version_is_told():
    ended, wanted = threading.Event(), code_version.__wrapped__("pst_core")

    def parse():
        while not ended.is_set():
            with contextlib.suppress(SystemError):  # CPython 3.11 gives up here, too
                ast.parse("f(a) + 1")

    def let_others_go_first(*_):
        time.sleep(0)

    other = threading.Thread(target=parse)
    gc.callbacks.append(let_others_go_first)  # as any finalizer does that is written in Python
    other.start()
    try:
        assert code_version.__wrapped__("pst_core") == wanted
    finally:
        ended.set()
        other.join()
        gc.callbacks.remove(let_others_go_first)


def test_any_build_of_opencv_will_do(monkeypatch):
    there = dict.fromkeys(provenance.LIBRARIES, "1.0") | {"opencv-python-headless": "4.99"}
    del there["opencv-python"]

    def number(name):
        if name not in there:
            raise PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(provenance, "version", number)
    assert provenance.versions.__wrapped__()["opencv-python"] == "4.99"
    there["opencv-python"] = there.pop("opencv-python-headless")
    assert provenance.versions.__wrapped__()["opencv-python"] == "4.99"
    del there["opencv-python"]
    with pytest.raises(PackageNotFoundError, match="opencv-python"):
        provenance.versions.__wrapped__()
