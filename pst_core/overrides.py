"""Settings that replace a preset's, as one model: what a form shows, and a batch is ordered with."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from pst_core.config import Config

__all__ = ["Overrides"]


def _override_fields() -> dict[str, Any]:
    """Every setting as an optional one, with its own description and limits."""
    fields: dict[str, Any] = {}
    for name, field in Config.model_fields.items():
        annotation: Any = field.annotation
        limited = Annotated[annotation, *field.metadata] if field.metadata else annotation
        fields[name] = (limited | None, Field(default=None, description=field.description))
    return fields


if TYPE_CHECKING:
    Overrides = BaseModel
else:
    Overrides = create_model(
        "Overrides",
        __config__=ConfigDict(frozen=True, extra="forbid"),
        __doc__="Settings that replace a preset's; those that are not given keep the preset's value.",
        **_override_fields(),
    )
