"""What a flow run is given, as Prefect's server is told of it: names of files need not be text there."""

from typing import Any

from pydantic import BaseModel, SkipValidation, model_serializer
from pydantic_core import to_jsonable_python

from pst_core.printing import storable


class Parameter(BaseModel):
    """Something that a flow is called with, shown with what is no text in it escaped.

    Attributes
    ----------
    value
        What the flow gets to see, as it is.
    """

    value: SkipValidation[Any]

    @model_serializer
    def _shown(self) -> Any:  # noqa: ANN401 - whatever JSON can hold
        return storable(to_jsonable_python(self.value))
