"""What computed a result: the versions of the libraries, and of this code itself."""

import ast
import gc
import hashlib
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, resolve_name
from pathlib import Path

LIBRARIES = (
    "torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "scipy", "opencv-python",
    "pillow", "simplejpeg", "tifffile", "imagecodecs", "pyarrow",
)  # fmt: skip
BUILDS = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
}
"""Other names of the same library: slim servers take a build without windows."""


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of what computes the result, known without importing any of it."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    for build in (name, *BUILDS.get(name, ())):
        with suppress(PackageNotFoundError):
            return version(build)
    raise PackageNotFoundError(name)


@lru_cache(maxsize=1)
def code_version(package: str) -> str:
    """Hash of what the code that a package can reach does: comments, docstrings and layout do not count.

    Every module counts for every step, for a step's helpers are its code, too. That is coarse on purpose:
    a result that is computed once too often costs minutes, a stale one costs trust. What no step can reach,
    such as the charts of an evaluation, does not count.
    """
    digest = hashlib.sha256()
    for name, tree in sorted(reachable_modules(package).items()):
        digest.update(name.encode() + b"\0" + _meaning(tree).encode() + b"\0")
    return digest.hexdigest()


def reachable_modules(package: str) -> dict[str, ast.Module]:
    """Modules of a package, and all that they import of it and of this one, wherever in them; name -> tree.

    Parameters
    ----------
    package
        Name of a top-level package, such as ``tasks``.
    """
    known = {name: path for top in (package, __package__) for name, path in _modules_of(top)}
    waiting = [name for name in known if name.split(".")[0] == package]
    found: dict[str, ast.Module] = {}
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = _parsed(known[name].read_text("utf-8"))
            inside = name if known[name].name == "__init__.py" else name.rpartition(".")[0]
            waiting += _imported(found[name], inside)
    return found


def _parsed(source: str) -> ast.Module:
    """A module's tree.

    CPython 3.11 fails where another thread parses something in the midst of it, as long as that one gets its
    turn then: garbage collection gives it one, where something is to be called at an object's end.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collects:
            gc.enable()


def _modules_of(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of an installed package, wherever its files lie."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations if spec else None) or ():
        for path in Path(place).rglob("*.py"):
            parts = path.relative_to(place).with_suffix("").parts
            yield ".".join([package, *parts]).removesuffix(".__init__"), path


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Names that may be modules: what is imported, what it is imported from, and the packages above."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            targets = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        for target in targets:
            parts = target.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _meaning(tree: ast.Module) -> str:
    """Everything in a module that can change what it computes."""
    for node in _statements(tree):
        if hasattr(node, "body"):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all statements in it: expressions, which are most of a tree, hold none."""
    yield node
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for inner in getattr(node, part, ()):
            yield from _statements(inner)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
