"""Photorealistic style transfer by multi-stage optimisation (R. R. Yang, CVPRW 2019), as a library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pst_core.cores import prepare_threads
from pst_core.errors import PstError

if TYPE_CHECKING:
    from pst_core.pipeline.stylize import Result, stylize
    from pst_core.settings.config import PRESETS, Config

__all__ = ["PRESETS", "Config", "PstError", "Result", "stylize"]

_SETTINGS = ("PRESETS", "Config")

prepare_threads()  # here, for every entry comes by here before it loads torch


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for when it is: torch takes seconds, pydantic a tenth, and errors need neither."""
    if name in __all__:
        place = "pst_core.settings.config" if name in _SETTINGS else "pst_core.pipeline.stylize"
        return getattr(import_module(place), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
