"""A look at the Prefect server that is configured, before any work: it is one, and lets us in."""

import os
import ssl
import sys
import time
from urllib.parse import urlsplit

from flows.runtime.own_server import ServerError
from flows.runtime.trouble import is_busy, is_refused, status_of

ANSWER_SECONDS = 10.0
EXAMPLE = "http://127.0.0.1:4200/api"


def check_server(url: str) -> None:
    """Make sure that a Prefect server answers at the address, with the user's own settings for it.

    Parameters
    ----------
    url
        That of its API.

    Raises
    ------
    ServerError
        It does not, with what is in the way.
    """
    try:
        version = _ask_patiently(url)
    except Exception as error:
        raise ServerError(_explain(url, error)) from error
    if version is None:
        raise ServerError(_explain_stranger(url))
    from prefect import __version__

    if version.partition(".")[0] != __version__.partition(".")[0]:
        raise ServerError(
            f"{_shown(url)} is a server of Prefect {version}, and this program speaks to those of Prefect "
            f"{__version__.partition('.')[0]}: name another, {_or_do_without()}."
        )


def _ask_patiently(url: str) -> str | None:
    """See `_ask`; a busy server is asked again, as often and as late as Prefect does it."""
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

    retries = PREFECT_CLIENT_MAX_RETRIES.value()
    for attempt in range(1, retries + 1):
        try:
            return _ask(url)
        except Exception as error:
            if not is_busy(error):
                raise
        if attempt == 1:
            print(f"Prefect's server at {_shown(url)} is busy: asking again.", file=sys.stderr)
        time.sleep(2**attempt)
    return _ask(url)


def _ask(url: str) -> str | None:
    """Prefect's version, None if something else answers; raises what Prefect's own client does."""
    from prefect import __version__
    from prefect.client.base import ServerType
    from prefect.client.orchestration import get_client
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    quick = {
        PREFECT_API_URL: url,
        PREFECT_API_REQUEST_TIMEOUT: min(ANSWER_SECONDS, PREFECT_API_REQUEST_TIMEOUT.value()),
        PREFECT_CLIENT_MAX_RETRIES: 0,
    }
    with temporary_settings(quick), get_client(sync_client=True) as client:
        try:
            if client.server_type == ServerType.CLOUD:
                client.read_flows(limit=1)
                return __version__
            found = client.api_version()
        except ValueError:  # what answers speaks another language
            return None
    return found if isinstance(found, str) else None


def _explain(url: str, error: Exception) -> str:
    """What is in the way, and the way out."""
    if status_of(error) is not None:
        return _explain_answer(url, error)
    server, said = f"Prefect's server at {_shown(url)}", _last(error)
    if isinstance(error, ImportError):
        way_out = "pip install 'httpx[socks]', or name the server's host in NO_PROXY"
        return f"The way to {server} leads through a SOCKS proxy, which needs a library: {way_out}."
    if _is_certificate(error):
        way_out = f"name its authority's file in PREFECT_API_SSL_CERT_FILE, {_or_do_without()}"
        return f"The certificate of {server} cannot be verified ({said}): {way_out}."
    if isinstance(error, OSError):
        return f"PREFECT_API_SSL_CERT_FILE cannot be used ({said}): name a file of certificates, or unset it."
    if not _is_transport(error):
        example = f"it is an address such as {EXAMPLE}; mend it, {_or_do_without()}"
        return f"PREFECT_API_URL cannot be {_shown(url)!r} ({said}): {example}."
    way_out = f"start it (prefect server start), {_or_do_without()}"
    return f"No Prefect server answers at {_shown(url)} ({said}): {way_out}."


def _explain_answer(url: str, error: Exception) -> str:
    """The same of a server that does answer, but not with what was asked for."""
    server, status = f"at {_shown(url)}", status_of(error)
    if is_refused(error):
        given = "does not take the password or key that is set" if _has_password() else "asks for a password"
        way_out = "set PREFECT_API_AUTH_STRING to user:password (PREFECT_API_KEY for Prefect Cloud)"
        return f"Prefect's server {server} {given}: {way_out}, {_or_do_without()}."
    if is_busy(error):
        way_out = f"wait for it, or see that it is Prefect's, {_or_do_without()}"
        return f"The server {server} is too busy (status {status}), also when asked again: {way_out}."
    return _explain_stranger(url)


def _explain_stranger(url: str) -> str:
    """Something answers that is not Prefect's API; maybe that is a step further."""
    try:
        better = f"{url.rstrip('/')}/api"
        if not urlsplit(url).path.rstrip("/").endswith("/api") and _ask(better) is not None:
            return f"Prefect's server answers at {_shown(better)}: PREFECT_API_URL lacks the /api at its end."
    except Exception:  # noqa: BLE001 - it was a guess
        pass
    way_out = f"set PREFECT_API_URL to that of a Prefect server, such as {EXAMPLE}, {_or_do_without()}"
    return f"What answers at {_shown(url)} is not Prefect's API: {way_out}."


def _or_do_without() -> str:
    from prefect.context import get_settings_context

    if not any(name.upper() == "PREFECT_API_URL" for name in os.environ):
        profile = get_settings_context().profile
        if any(str(getattr(name, "name", name)) == "PREFECT_API_URL" for name in profile.settings):
            return f"or do without: set PREFECT_API_URL to nothing (it stands in the profile {profile.name})"
    return "or do without: unset PREFECT_API_URL"


def _has_password() -> bool:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY

    return bool(PREFECT_API_AUTH_STRING.value() or PREFECT_API_KEY.value())


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__
    return False


def _is_transport(error: Exception) -> bool:
    import httpx

    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _last(error: BaseException) -> str:
    """What an error says, in a line."""
    return " ".join(str(error).split()) or type(error).__name__


def _shown(url: str) -> str:
    """An address without a password that may stand in it."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"
