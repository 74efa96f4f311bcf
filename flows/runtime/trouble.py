"""What goes wrong between a run and Prefect's server, told apart from what goes wrong with a pair.

Only a server that stops answering has gone away. One that answers with an error of its own is asked again by
Prefect's client, as often as ``PREFECT_CLIENT_MAX_RETRIES`` says; what is left after that ends the run.
"""

import sys
from typing import TYPE_CHECKING

from pst_core.errors import PstError

if TYPE_CHECKING:
    import httpx

_BUSY = {408, 429, 502, 503, 504}
_REFUSED = {401, 403, 407}


def is_server_loss(error: BaseException) -> bool:
    """Whether Prefect's server stopped answering: no fault of what ran, and what was finished is kept."""
    import httpx

    found = server_error_in(error)
    return isinstance(found, httpx.TransportError)


def is_server_trouble(error: BaseException) -> bool:
    """Whether the next pair would meet it, too: the server is lost, out of order, or lets nobody in."""
    status = status_of(error)
    return is_server_loss(error) or (status is not None and (status >= 500 or status in _BUSY | _REFUSED))


def is_busy(error: BaseException) -> bool:
    """Whether the server may answer a little later."""
    return status_of(error) in _BUSY


def is_refused(error: BaseException) -> bool:
    """Whether the server asks for a password or a key."""
    return status_of(error) in _REFUSED


def status_of(error: BaseException) -> int | None:
    """The status that the server answered with, if it did."""
    import httpx

    found = server_error_in(error)
    return found.response.status_code if isinstance(found, httpx.HTTPStatusError) else None


def server_error_in(error: BaseException) -> "httpx.HTTPError | None":
    """What the server's client raised; Prefect puts some of it into errors of its own."""
    if "httpx" not in sys.modules:  # then nobody asked a server
        return None
    import httpx

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PstError):  # which has a sentence of its own
        if isinstance(cause, httpx.HTTPError):
            return cause
        cause = cause.__cause__
    return None


def describe_trouble(error: BaseException) -> str | None:
    """A sentence for what the server did; None if it was not the server."""
    found = server_error_in(error)
    if found is None:
        return None
    server = f"Prefect's server{_place(found)}"
    status = status_of(error)
    if status is None:
        return f"{server} stopped answering: see that it runs, then run this again."
    if is_refused(error):
        return f"{server} lets this run no further (status {status}): see PREFECT_API_AUTH_STRING."
    if is_server_trouble(error):
        return (
            f"{server} is too busy or out of order (status {status}), also when asked again: "
            "run this again later, or without PREFECT_API_URL."
        )
    return f"{server} refused a step of this run (status {status}): run it again."


def _place(error: "httpx.HTTPError") -> str:
    """Where it is, without a password that may stand in its address."""
    try:
        url = error.request.url
    except RuntimeError:  # it was never asked
        return ""
    return f" at {url.scheme}://{url.netloc.decode()}"
