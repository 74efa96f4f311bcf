"""Prefect's server for a run: the one that is configured, or else one of our own."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from flows.runtime.configured_server import check_server
from flows.runtime.left_running import tell_of_dead_runs
from flows.runtime.own_server import least_certificates, own_server
from flows.runtime.proxies import past_proxies
from flows.runtime.settings import import_prefect


@contextlib.contextmanager
def prefect_server(*, own: bool = False) -> Iterator[str]:
    """Have a server while the block runs: the configured one, or else one of our own.

    Parameters
    ----------
    own
        Start one of our own even where one is configured.

    Yields
    ------
    str
        The address of its UI.

    Raises
    ------
    ServerError
        The configured server cannot be used, or ours does not start.
    """
    import_prefect()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = "" if own else (PREFECT_API_URL.value() or "").strip()
    if url:
        with past_proxies(url), temporary_settings({PREFECT_API_URL: url}):
            check_server(url)
            tell_of_dead_runs(url, all_of_them=False)
            yield url.rstrip("/").removesuffix("/api")
        return
    with own_server() as address, past_proxies(address), temporary_settings(_settings_for(address)):
        tell_of_dead_runs(f"{address}/api", all_of_them=True)
        yield address


def _settings_for(address: str) -> Mapping[Any, Any]:
    """How a server of our own is reached: by nothing that was set for another."""
    from prefect import settings

    return {
        settings.PREFECT_API_URL: f"{address}/api",
        settings.PREFECT_API_KEY: None,
        settings.PREFECT_API_AUTH_STRING: None,
        settings.PREFECT_API_SSL_CERT_FILE: least_certificates(),
        settings.PREFECT_API_TLS_INSECURE_SKIP_VERIFY: False,
        settings.PREFECT_API_ENABLE_HTTP2: False,
        settings.PREFECT_CLIENT_CUSTOM_HEADERS: {},
        settings.PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,  # it wants no tokens: each client would ask
    }
