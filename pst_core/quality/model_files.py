"""Which models BRISQUE and NIQE are computed with, as far as a cache key must know."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class ModelFiles(BaseModel):
    """The folder of the models, and what tells its content from others'.

    Attributes
    ----------
    source : Path or None
        Folder of the models; None for those that come with the program.
    identity : str
        Hash of the files' bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Path | None
    identity: str

    @classmethod
    def at(cls, source: Path | None) -> "ModelFiles":
        """The models in a folder, or those that come with the program.

        Raises
        ------
        QualityModelError
            If there are none, or they cannot be read.
        """
        from pst_core.quality.models import models_identity

        return cls(source=source, identity=models_identity(source))
