"""A study's key: what its page must not tell, which is whose pictures it shows."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pst_core.errors import PstError
from pst_core.steady import open_steadily

MOST_KEY_BYTES = 2**22

_Model = TypeVar("_Model", bound=BaseModel)
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class StudyError(PstError):
    """A study cannot be made of these pictures, or its answers cannot be counted."""


class KeyPair(BaseModel):
    """One pair of the study.

    Attributes
    ----------
    id : str
        What the page calls it.
    name : str
    options : dict
        What the page calls each result -> the name of the method that made it.
    """

    model_config = STRICT

    id: str
    name: str
    options: Annotated[dict[str, str], Field(min_length=2)]


class StudyKey(BaseModel):
    """What turns a page's answers into methods' votes.

    Attributes
    ----------
    format : str
    build : str
        Which page the key belongs to.
    title : str
    seed : int
    pairs : tuple of KeyPair
    """

    model_config = STRICT

    format: Literal["pst-study-key-1"] = "pst-study-key-1"
    build: str
    title: str
    seed: int
    pairs: Annotated[tuple[KeyPair, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        for what in (
            [pair.id for pair in self.pairs],
            [pair.name for pair in self.pairs],
            [option for pair in self.pairs for option in pair.options],
            *([*pair.options.values()] for pair in self.pairs),
        ):
            if len(set(what)) < len(what):
                raise ValueError("the same name stands for two things")
        return self

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods, in the order of their first mention."""
        return tuple(dict.fromkeys(method for pair in self.pairs for method in pair.options.values()))


def read_key(path: Path) -> StudyKey:
    """Read the key that was written beside a study's page.

    Raises
    ------
    StudyError
        It cannot be read, or is no study's key.
    """
    return read_json(path, StudyKey, "a study's key", MOST_KEY_BYTES)


def read_json(path: Path, model: type[_Model], kind: str, most_bytes: int) -> _Model:
    """Read a small JSON file of exactly the fields of a model.

    Parameters
    ----------
    kind
        What the file should be, for the sentence that says that it is not.
    most_bytes
        What is larger is not read.

    Raises
    ------
    StudyError
        It is no such file.
    """
    data = _read_bytes(path, most_bytes)
    try:
        return model.model_validate_json(data.removeprefix(b"\xef\xbb\xbf"))  # editors add this mark
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"]))
        reason = f"{place}: {fault['msg']}" if place else fault["msg"]
        raise StudyError(f"{path} is not {kind} as it was saved ({reason}): get it anew.") from error


def _read_bytes(path: Path, most_bytes: int) -> bytes:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for somebody to write into it
            raise StudyError(f"{path} is no regular file: name a JSON file.")
        with open_steadily(path) as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise StudyError(f"{path} cannot be read ({reason}): check its name and permissions.") from error
    if len(data) > most_bytes:
        raise StudyError(f"{path} has more than {most_bytes} bytes, which no such file has: name another.")
    return data
