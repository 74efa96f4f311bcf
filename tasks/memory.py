"""What to know and to do about a device's memory when it ran out."""

import sys

__all__ = ["free_device", "runs_on_gpu"]


def runs_on_gpu(device: str) -> bool:
    """Whether a setting ``device`` means a GPU on this machine."""
    from pst_core.network.encoder import pick_device

    return pick_device(device).type != "cpu"


def free_device() -> None:
    """Give back what a failed step still holds of the GPU's memory."""
    import gc

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
