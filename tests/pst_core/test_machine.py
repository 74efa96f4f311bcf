import threading

import pytest
import torch

from pst_core import machine
from pst_core.machine import bring, constant, fetch, pick_device, pick_dtype

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


def test_on_the_cpu_nothing_is_copied_to_be_there(random_image):
    image = random_image(4, 5)
    assert bring(image, torch.device("cpu")) is image
    assert fetch(image) is image


@pytest.mark.parametrize("staged", [1, 7, 60, 1000])
def test_copies_in_parts_are_whole(random_image, monkeypatch, staged):
    monkeypatch.setattr(machine, "STAGED", staged)
    image = random_image(4, 5)
    copy, parts = torch.empty_like(image), 0
    for source, target in machine._parts(image, copy):
        target.copy_(source)
        parts += 1
    assert torch.equal(copy, image) and parts == -(-60 // staged)


def test_fixed_numbers_are_made_once_for_each_arithmetic():
    here = torch.device("cpu")
    numbers = ((1.0, 2.0), (3.0, 4.5))
    found = constant(numbers, torch.float64, here)
    assert found is constant(numbers, torch.float64, here) and found.tolist() == [
        list(row) for row in numbers
    ]
    assert constant(numbers, torch.float32, here).dtype == torch.float32


def test_flags_of_reproducible_blocks_hold_until_the_last_of_any_thread_ends():
    flags = torch.backends.cudnn
    before = flags.deterministic
    first, second = machine.reproducible(), machine.reproducible()
    first.__enter__()
    second.__enter__()
    assert flags.deterministic
    first.__exit__(None, None, None)  # as one thread ends before another that began later
    assert flags.deterministic
    second.__exit__(None, None, None)
    assert flags.deterministic == before


def test_a_new_thread_computes_with_as_many_threads_as_the_process():
    found, before = [], torch.get_num_threads()

    def look():
        machine.prepare_thread()
        found.append(torch.get_num_threads())

    torch.set_num_threads(before + 1)
    try:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert found == [before + 1]
