"""Which faults may pass by themselves, and which mean that the work was too large."""

import errno

from pst_core.errors import PstError

_PASSING = {
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE,
    errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.ENETDOWN,
    errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH,
}  # fmt: skip
_MEMORY_SIGNS = (
    "out of memory", "can't allocate memory", "unable to allocate", "cublas_status_alloc_failed",
    "insufficient memory",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of its GPU was not enough."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch's own error is a RuntimeError, OpenCV's another: naming their classes would mean importing them
    ours = isinstance(error, RuntimeError) or type(error).__module__.startswith("cv2")
    return ours and any(sign in str(error).lower() for sign in _MEMORY_SIGNS)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed a little later: a network mount that stalled, a device that was busy.

    What is wrong with an input stays wrong; what a file system said decides, even where it was put into a
    sentence for a person.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return isinstance(cause, (ConnectionError, TimeoutError)) or cause.errno in _PASSING
        cause = cause.__cause__ if isinstance(cause, PstError) else None
    return False


def is_disk_full(error: BaseException) -> bool:
    """Whether a disk, or a user's share of it, had no room left."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__
    return False
