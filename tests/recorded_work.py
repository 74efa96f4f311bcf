"""A stand-in for CUDA graphs: operations on tensors, recorded where they lie and done again."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class RecordedWork(TorchDispatchMode):
    """Records every operation that is done while it is entered; `replay` does them again.

    As in a graph, each has the memory that it had: what is new in memory of its own is written over what came
    out the first time, and nothing of the host's is looked at again. As in a capture, what was done has no
    effect: leaving it puts back all that was written over.
    """

    def __init__(self):
        super().__init__()
        self.steps, self.before = [], {}

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # telling a compiler to skip this would load it, which takes seconds

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        for argument, value in zip(operation._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                storage = value.untyped_storage()
                self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        found = operation(*args, **(kwargs or {}))
        self.steps.append((operation, args, kwargs or {}, found))
        return found

    def __exit__(self, *raised):
        super().__exit__(*raised)
        for storage, value in self.before.values():
            storage.copy_(value)

    def replay(self):
        with torch._C._AutoDispatchBelowAutograd():
            for operation, args, kwargs, found in self.steps:
                again = operation(*args, **kwargs)
                for place, value in zip(self._tensors(found), self._tensors(again), strict=True):
                    if place.untyped_storage().data_ptr() != value.untyped_storage().data_ptr():
                        place.copy_(value)

    @staticmethod
    def _tensors(found):
        several = found if isinstance(found, (tuple, list)) else [found]
        return [each for each in several if isinstance(each, torch.Tensor)]
