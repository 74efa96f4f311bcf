"""`pst serve`: the lasting service of a store."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.service.settings import KEEP_DAYS, PORT, ServiceSettings
from flows.workers.posts import Number
from pst_core.errors import ConfigError


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    database: str | None = None,
    workers: Number = "auto",
    deployments: Path | None = None,
    keep_history: int = KEEP_DAYS,
) -> int:
    """Bring up server, pools, deployments, automations and workers until a signal comes; the exit status.

    Parameters
    ----------
    host
        Address of this machine to listen on; beyond 127.0.0.1 only with a password in
        PREFECT_SERVER_API_AUTH_STRING.
    port
        Port of the UI and the API.
    database
        For several machines: postgresql+asyncpg://user:password@host/name, here or, unseen by others, in
        PREFECT_SERVER_DATABASE_CONNECTION_URL. Default: SQLite under PST_HOME.
    workers
        Worker processes on this machine, or auto: as many as keep its GPUs busy, without a GPU one.
        0: none.
    deployments
        A file like prefect.yaml, in place of the one that comes with the program.
    keep_history
        Days after which ended runs are forgotten.
    """
    settings = make_settings(
        host=host, port=port, database=database, workers=workers, deployments=deployments,
        keep_history=keep_history,
    )  # fmt: skip
    from flows.service.serving import serve as bring_up

    bring_up(settings)
    return 0


def make_settings(**asked: Any) -> ServiceSettings:  # noqa: ANN401 - the options'
    """What is asked for, checked.

    Raises
    ------
    ConfigError
        A value cannot be used.
    """
    try:
        return ServiceSettings.model_validate(asked)
    except ValidationError as error:
        found = error.errors()[0]
        name = str(found["loc"][0])
        raise ConfigError(
            f"--{name.replace('_', '-')} cannot be {asked[name]!r} ({found['msg']}): see pst serve --help."
        ) from error
