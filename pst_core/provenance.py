"""What computed a result: the versions of the libraries, and of this code itself."""

import ast
import hashlib
import platform
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["code_version", "versions"]

LIBRARIES = (
    "torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "scipy", "opencv-python",
    "pillow", "pyarrow",
)  # fmt: skip


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of what computes the result, known without importing any of it."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


@lru_cache(maxsize=1)
def code_version(*folders: Path) -> str:
    """Hash of what this package's modules do: comments, docstrings and layout do not count.

    Parameters
    ----------
    folders
        Further folders of code that has a part in the results.

    Every module counts for every step, for a step's helpers are its code, too. That is coarse on purpose:
    a result that is computed once too often costs minutes, a stale one costs trust.
    """
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, *folders):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            digest.update(name.encode() + b"\0" + _meaning(path.read_text("utf-8")).encode() + b"\0")
    return digest.hexdigest()


def _meaning(source: str) -> str:
    """Everything in a module that can change what it computes."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
