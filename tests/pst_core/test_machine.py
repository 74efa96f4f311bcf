import torch

from pst_core import machine
from pst_core.machine import pick_device, pick_dtype

CPU = torch.device("cpu")


def test_precision_and_device_are_as_asked_for(monkeypatch):
    assert pick_dtype("float32", CPU) == torch.float32
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda device: True)
    assert pick_dtype("auto", CPU) == torch.bfloat16
    assert pick_dtype("float32", CPU) == torch.float32
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda device: False)
    assert pick_dtype("auto", CPU) == torch.float32
    assert pick_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
