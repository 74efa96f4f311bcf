"""Which network a result is made with: where its weights are, and what tells them from others."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pst_core.errors import WeightsError
from pst_core.settings.config import Config, EncoderSettings
from pst_core.steady import open_steadily

ENVIRONMENT = "PST_VGG19_WEIGHTS"
DEEPLAB_ENVIRONMENT = "PST_DEEPLAB_WEIGHTS"
UNTRAINED = "untrained"
WAYS_OUT = (
    f"name a file with --weights or {ENVIRONMENT} (.safetensors or .pth of VGG-19), "
    f"or choose --weights {UNTRAINED}"
)
DEEPLAB_WAYS_OUT = (
    f"name a file of torchvision's deeplabv3_resnet101 in {DEEPLAB_ENVIRONMENT}, "
    "or use --segmentation cluster"
)


class Network(BaseModel):
    """The encoder of a run, as far as it can be told without loading it.

    Attributes
    ----------
    settings : EncoderSettings
    identity : str
        Tells these weights from others: a file's sha256, ``untrained``, or ``torchvision``.
    regions : str
        The same of the network that finds regions, where one does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: EncoderSettings
    identity: str
    regions: str = ""

    @classmethod
    def of(cls, config: Config) -> "Network":
        """The network that settings and environment name.

        Raises
        ------
        WeightsError
            If a file of weights cannot be read.
        """
        regions = ""
        if config.segmentation == "deeplab":
            file = os.environ.get(DEEPLAB_ENVIRONMENT)
            regions = _file_identity(file, DEEPLAB_WAYS_OUT) if file else "torchvision"
        return cls(
            settings=config.section(EncoderSettings),
            identity=_identity(find_weights(config.weights)),
            regions=regions,
        )

    def under(self, settings: EncoderSettings) -> "Network":
        """The same weights on another device, or in another arithmetic."""
        return self.model_copy(update={"settings": settings.section(EncoderSettings)})


def find_weights(choice: str | None) -> str:
    """What `choice` stands for: a file's path, ``untrained``, or ``torchvision``."""
    return choice or os.environ.get(ENVIRONMENT) or "torchvision"


def _identity(source: str) -> str:
    return source if source in (UNTRAINED, "torchvision") else _file_identity(source, WAYS_OUT)


def _file_identity(source: str, ways_out: str) -> str:
    try:
        path = Path(source).expanduser()
        stamp = path.stat()
        return _file_hash(path, (stamp.st_mtime_ns, stamp.st_ctime_ns, stamp.st_size, stamp.st_ino))
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:  # a NUL in the name, or a user whose home is not known
        reason = str(error)
    raise WeightsError(f"The weights file {source} cannot be read ({reason}): {ways_out}.")


@lru_cache(maxsize=4)
def _file_hash(path: Path, stamp: tuple[int, ...]) -> str:
    del stamp  # only a part of the cache's key: a file written anew is read anew
    with open_steadily(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
