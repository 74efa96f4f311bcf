"""Read by every Python that starts with this folder in PYTHONPATH: the processes of a trial, and theirs.

As soon as one of them has the units of work, they are noted, and stood in for where the trial asks for that
(see `stand_in_steps`); as soon as one has what writes files, it is noted what is forced to the disk (see
`power_cuts`).
The program itself knows nothing of it.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys

# Of a module: the variable that asks for it to be prepared, and the module of ours that does so.
_PREPARED = {
    "tasks.pair": ("PST_TEST_LOG", "stand_in_steps"),  # which has all units
    "pst_core.files": ("PST_TEST_DISK", "power_cuts"),
}


class _Prepared(importlib.abc.Loader):
    """The module's own loader, and then what is done to it."""

    def __init__(self, loader, prepare):
        self._loader, self._prepare = loader, prepare

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        importlib.import_module(self._prepare).prepare(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        variable, prepare = _PREPARED.get(name, ("", ""))
        if not os.environ.get(variable):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            spec.loader = _Prepared(spec.loader, prepare)
        return spec


sys.meta_path.insert(0, _Finder())
