"""Settings that replace a preset's, as one model: what a form shows, and a batch is ordered with."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from pst_core.settings.config import Config
from pst_core.settings.texts import from_text, may_be_none

NONE = "none"  # written out, for a form sends null where nobody has chosen anything


def _override_fields() -> dict[str, Any]:
    """Every setting as an optional one, with its own description and limits."""
    fields: dict[str, Any] = {}
    for name, field in Config.model_fields.items():
        annotation: Any = field.annotation
        limited = Annotated[annotation, *field.metadata] if field.metadata else annotation
        if may_be_none(annotation):
            limited = limited | Literal[NONE]
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


def settings_of(overrides: Overrides) -> dict[str, Any]:
    """Only the settings that were given."""
    given = {name: value for name, value in overrides.model_dump().items() if value is not None}
    return {name: from_text(name, value) for name, value in given.items()}
