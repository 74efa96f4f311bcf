"""Read by every Python that starts with this folder in PYTHONPATH: the processes of a trial, and theirs.

As soon as one of them has the units of work, they are noted, and stood in for where the trial asks for that
(see `stand_in_steps`). The program itself knows nothing of it.
"""

import importlib.abc
import importlib.machinery
import os
import sys

_UNITS = "tasks.pair"  # the module that has them all


class _Prepared(importlib.abc.Loader):
    """The module's own loader, and then what is done to its units."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        from stand_in_steps import prepare

        prepare(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != _UNITS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            spec.loader = _Prepared(spec.loader)
        return spec


if os.environ.get("PST_TEST_LOG"):
    sys.meta_path.insert(0, _Finder())
