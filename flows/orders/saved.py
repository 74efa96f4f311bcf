"""What orders of whole folders have in common; they lie in the results' folder, to be taken up again."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from flows.pairs.pair import Pair, Pairing
from pst_core.errors import ConfigError
from pst_core.files import write_bytes_atomically
from pst_core.report import PROGRAM
from pst_core.settings.config import Config, PresetName
from pst_core.steady import read_steadily


class KeptOrder(BaseModel):
    """An order that lies in the results' folder.

    Attributes
    ----------
    source : Path
        What there is to be done for.
    out : Path
        Folder of the results.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: ClassVar[str]
    """Name of the file that it is kept in."""
    command: ClassVar[str]
    """What begins one anew."""

    source: Path
    out: Path

    def save(self) -> None:
        """Keep it in the results' folder, with absolute paths: it may be taken up from anywhere."""
        places = {name: _absolute(value) for name, value in self}
        saved = {"program": PROGRAM} | self.model_copy(update=places).model_dump(mode="json")
        text = json.dumps(saved, indent=2) + "\n"
        write_bytes_atomically(self.out / self.file, text.encode(), overwrite=True)

    @classmethod
    def load(cls, out: Path) -> Self:
        """The one that lies in a folder, which is its results' folder by now, wherever that was before.

        Raises
        ------
        FileNotFoundError
            There is none.
        ConfigError
            It cannot be used.
        """
        path = out / cls.file
        try:
            saved = json.loads(read_steadily(path)).items()
            return cls(**{name: value for name, value in saved if name != "program"} | {"out": out})
        except FileNotFoundError:
            raise
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} cannot be used ({type(error).__name__}): begin anew with {cls.command}."
            ) from error


class SavedOrder(KeptOrder):
    """An order of many pairs.

    Attributes
    ----------
    source, pairing, allow_outside
        See `flows.pairs.find.find_pairs`.
    preset, settings
        Settings to begin with, and what was given apart from them.
    """

    pairing: Pairing = "auto"
    preset: PresetName = "default"
    settings: dict[str, Any] = {}
    allow_outside: bool = False

    def config_of(self, pair: Pair) -> Config:
        """The settings of a pair: what a manifest gives goes before what the order does.

        Raises
        ------
        ConfigError
            A setting of the order does not exist, or its value is out of its range.
        """
        return _config(json.dumps({"preset": self.preset} | self.settings | dict(pair.given)))


@lru_cache(maxsize=1024)
def _config(given: str) -> Config:
    """Settings validated once, not once a pair: most pairs have the same."""
    return Config.make(**json.loads(given))


def _absolute(value: object) -> object:
    if isinstance(value, dict):
        return {name: _absolute(item) for name, item in value.items()}
    return value.absolute() if isinstance(value, Path) else value
