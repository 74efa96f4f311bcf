"""Photorealistic style transfer by multi-stage optimisation (R. R. Yang, CVPRW 2019), as a library."""

from typing import TYPE_CHECKING, Any

from pst_core.errors import PstError
from pst_core.settings.config import PRESETS, Config

if TYPE_CHECKING:
    from pst_core.pipeline.stylize import Progress, Result, stylize

__all__ = ["PRESETS", "Config", "Progress", "PstError", "Result", "stylize"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the engine when it is first asked for: torch takes seconds, and settings do not need it."""
    if name in {"Progress", "Result", "stylize"}:
        from pst_core.pipeline import stylize as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
