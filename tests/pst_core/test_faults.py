import errno

import pytest
import torch

from pst_core.errors import ImageError, OutputError, PstError, StoreError, WeightsError
from pst_core.faults import is_out_of_memory, is_transient


def said(error, cause):
    """An error as it is after `raise error from cause`."""
    try:
        raise error from cause
    except type(error) as raised:
        return raised


def os_error(code):
    return OSError(code, "as the system says")


@pytest.mark.parametrize("error", [
    os_error(errno.EIO), os_error(errno.ESTALE), os_error(errno.EBUSY), os_error(errno.EMFILE),
    os_error(errno.EAGAIN), os_error(errno.EHOSTUNREACH), ConnectionResetError(), BrokenPipeError(),
    TimeoutError(), os_error(errno.ETIMEDOUT), InterruptedError(errno.EINTR, "interrupted"),
], ids=repr)  # fmt: skip
def test_a_stalled_mount_or_a_busy_device_may_pass(error):
    assert is_transient(error)
    assert is_transient(said(OutputError("the folder cannot be written: choose another."), error))


@pytest.mark.parametrize("error", [
    os_error(errno.ENOSPC), os_error(errno.EACCES), os_error(errno.ENOENT), os_error(errno.EROFS),
    os_error(errno.EISDIR), os_error(errno.ENAMETOOLONG), OSError("without a number"), FileNotFoundError(),
    PermissionError(),
], ids=repr)  # fmt: skip
def test_a_full_disk_or_a_wrong_name_does_not_pass(error):
    assert not is_transient(error)
    assert not is_transient(said(StoreError("the store cannot be used: set another."), error))


@pytest.mark.parametrize("kind", [ImageError, WeightsError, PstError])
def test_what_is_wrong_with_an_input_stays_wrong(kind):
    assert not is_transient(kind("a sentence."))
    assert not is_transient(said(kind("a sentence."), ValueError("of a decoder")))
    assert is_transient(said(kind("a sentence."), os_error(errno.EIO)))


def test_two_sentences_on_top_of_each_other_are_looked_through():
    assert is_transient(said(OutputError("outer."), said(StoreError("inner."), os_error(errno.EIO))))
    assert not is_transient(said(OutputError("outer."), said(StoreError("inner."), os_error(errno.ENOSPC))))


def test_a_mistake_of_the_program_is_not_excused_by_its_cause():
    assert not is_transient(said(ValueError("mistake"), os_error(errno.EIO)))
    assert not is_transient(said(KeyError("mistake"), ConnectionResetError()))


def test_what_merely_happened_before_is_no_cause():
    with pytest.raises(ImageError) as caught:
        try:
            raise os_error(errno.EIO)
        except OSError:
            raise ImageError("a sentence.") from None
    assert caught.value.__context__.errno == errno.EIO
    assert not is_transient(caught.value)


def test_running_out_of_memory_does_not_pass_by_itself():
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")):
        assert is_out_of_memory(error)
        assert not is_transient(error)


@pytest.mark.parametrize("text", [
    "CUDA out of memory. Tried to allocate 20.00 MiB.",
    "CUDA error: out of memory",
    "MPS backend out of memory (MPS allocated: 9 GB)",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to",
])  # fmt: skip
def test_torchs_ways_to_say_that_memory_was_not_enough(text):
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(ValueError(text))


def test_what_torch_itself_raises_for_too_large_a_tensor_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_other_faults_are_not_taken_for_lack_of_memory():
    for error in (RuntimeError("other"), os_error(errno.EIO), ImageError("does not fit."), RuntimeError()):
        assert not is_out_of_memory(error)
