"""What `pst serve` is asked for."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flows.service.place import ServiceError
from flows.workers.posts import Number

PORT = 4200
KEEP_DAYS = 60
_LOOPBACK_NAMES = ("localhost",)
_EVERYWHERE = ("0.0.0.0", "::")


class ServiceSettings(BaseModel):
    """How the service is to be brought up.

    Attributes
    ----------
    host : str
        The address of this machine that the server listens on.
    port : int
    database : str or None
        Its URL; None for SQLite in the service's own folder.
    workers : int or "auto"
        Worker processes on this machine; auto: one a GPU, without a GPU one; 0: none.
    deployments : Path or None
        A file like prefect.yaml; None for the one that comes with the program.
    keep_history : int
        Days after which ended runs are forgotten.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = PORT
    database: str | None = None
    workers: Number = "auto"
    deployments: Path | None = None
    keep_history: Annotated[int, Field(ge=1, le=36500)] = KEEP_DAYS

    @property
    def address(self) -> str:
        """Where the UI is, as seen from this machine."""
        host = "127.0.0.1" if self.host in _EVERYWHERE else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def listens_beyond(self) -> bool:
        """Whether other machines can reach it."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host not in _LOOPBACK_NAMES


def check_password(settings: ServiceSettings, password: str) -> None:
    """Let no server be reached from elsewhere without a password.

    Raises
    ------
    ServiceError
        It could be, and has none.
    """
    user, mark, secret = password.partition(":")
    if settings.listens_beyond and not (user and mark and secret):
        raise ServiceError(
            f"At {settings.host} the server is open to other machines, and has no password: set "
            "PREFECT_SERVER_API_AUTH_STRING to user:password, or leave --host at 127.0.0.1."
        )
