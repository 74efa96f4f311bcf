"""What a machine must have in common with a service to work for it, as its server tells everybody."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from pst_core.network.identity import Network
from pst_core.provenance import code_version
from pst_core.settings.config import Config
from pst_core.store import pst_home
from pst_core.store.identity import store_identity

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
        Whether it is known here with which pairs are made.

    Raises
    ------
    WeightsError
        The file of weights that is named cannot be read.
    """
    from prefect import __version__

    return Identity(
        store=store_identity(pst_home()), code=code_version("tasks"), prefect=__version__,
        weights=Network.of(Config.make("default"), has_maps=True).identity if with_weights else "",
        database=database,
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
