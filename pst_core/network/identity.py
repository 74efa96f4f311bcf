"""Which network a result is made with: where its weights are, and what tells them from others."""

import os

from pydantic import BaseModel, ConfigDict

from pst_core.network.finder import Finder
from pst_core.network.hashes import file_identity
from pst_core.settings.config import Config, EncoderSettings

ENVIRONMENT = "PST_VGG19_WEIGHTS"
UNTRAINED = "untrained"
WAYS_OUT = (
    f"name a file with --weights or {ENVIRONMENT} (.safetensors or .pth of VGG-19), "
    f"or choose --weights {UNTRAINED}"
)


class Network(BaseModel):
    """What a run computes with, as far as it can be told without loading it.

    Attributes
    ----------
    settings : EncoderSettings
    identity : str
        Tells these weights from others: a file's sha256, ``untrained``, or ``torchvision``.
    finder : Finder, optional
        What finds regions, where no maps say them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: EncoderSettings
    identity: str
    finder: Finder | None = None

    @classmethod
    def of(cls, config: Config, *, has_maps: bool) -> "Network":
        """The networks that settings and environment name.

        Parameters
        ----------
        has_maps
            Whether maps say the regions, so that nothing has to find them.

        Raises
        ------
        ConfigError, WeightsError
            If a file or a model cannot be had.
        """
        return cls(
            settings=config.section(EncoderSettings),
            identity=_identity(find_weights(config.weights)),
            finder=None if has_maps else Finder.of(config),
        )

    def under(self, settings: EncoderSettings) -> "Network":
        """The same weights on another device, or in another arithmetic."""
        return self.model_copy(update={"settings": settings.section(EncoderSettings)})


def find_weights(choice: str | None) -> str:
    """What `choice` stands for: a file's path, ``untrained``, or ``torchvision``."""
    return choice or os.environ.get(ENVIRONMENT) or "torchvision"


def _identity(source: str) -> str:
    return source if source in (UNTRAINED, "torchvision") else file_identity(source, WAYS_OUT)
