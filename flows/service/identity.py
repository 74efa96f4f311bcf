"""What a machine must have in common with a service to work for it, as its server tells everybody."""

import contextlib
import secrets
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from pst_core.errors import OutputError
from pst_core.files import write_bytes_atomically
from pst_core.network.identity import Network
from pst_core.provenance import code_version
from pst_core.settings.config import Config
from pst_core.store import pst_home

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

VARIABLE = "pst_service"


class Identity(BaseModel):
    """What tells a service from others.

    Attributes
    ----------
    store : str
        The store's own name.
    code : str
        Hash of the code that computes results.
    prefect : str
        Prefect's version.
    weights : str
        Those of VGG-19 that batches take unless they name others; empty where none are made.
    database : str
        Its kind; empty where no service is meant but a machine.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    store: str
    code: str
    prefect: str
    weights: str
    database: str = ""


def identity_here(database: str = "", *, with_weights: bool = True) -> Identity:
    """What is true of this machine.

    Parameters
    ----------
    with_weights
        Whether pairs are made here.

    Raises
    ------
    WeightsError
        The file of weights that is named cannot be read.
    """
    from prefect import __version__

    return Identity(
        store=_store_identity(), code=code_version("tasks"), prefect=__version__,
        weights=Network.of(Config.make("default")).identity if with_weights else "", database=database,
    )  # fmt: skip


def tell_identity(client: "SyncPrefectClient", identity: Identity) -> bool:
    """Let the server tell of its service; whether it told something else before."""
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate

    value = identity.model_dump()
    there = client.read_variable_by_name(VARIABLE)
    if there is None:
        client.create_variable(VariableCreate(name=VARIABLE, value=value, tags=["pst"]))
    elif there.value != value:
        client.update_variable(VariableUpdate(name=VARIABLE, value=value, tags=["pst"]))
    return there is None or there.value != value


def read_identity(client: "SyncPrefectClient") -> Identity | None:
    """What a server tells of its service; None if no service of ours is there."""
    there = client.read_variable_by_name(VARIABLE)
    try:
        return Identity.model_validate(there.value) if there is not None else None
    except ValidationError:
        return None


def _store_identity() -> str:
    """The store's own name, which it gets from whoever asks first."""
    path = pst_home() / "store-id"
    with contextlib.suppress(OutputError):
        write_bytes_atomically(path, secrets.token_hex(16).encode())
    return path.read_text()
