"""The way to Prefect's server past proxies that are meant for the world outside.

A proxy named in the environment is asked for this machine's own addresses, too, unless ``NO_PROXY`` says
otherwise; and a SOCKS proxy wants a library that may not be there, even where it is never asked.
"""

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


@contextlib.contextmanager
def past_proxies(address: str) -> Iterator[None]:
    """Reach this machine's own addresses directly while the block runs, and `address` if it is exempt.

    Parameters
    ----------
    address
        The server's, as a URL.
    """
    before = dict(os.environ)
    exempt = next((os.environ[name] for name in _EXCEPTIONS if os.environ.get(name)), "")
    if exempt.strip() != "*":
        names = [exempt, *(name for name in LOOPBACK if name not in exempt.split(","))]
        os.environ.update(dict.fromkeys(_EXCEPTIONS, ",".join(filter(None, names))))
    if _is_exempt(address):
        _disarm_others()
    try:
        yield
    finally:
        for name in (*_EXCEPTIONS, *_named_proxies()):
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in (*_EXCEPTIONS, *_named(before)) if name in before})


def _is_exempt(address: str) -> bool:
    return bool(proxy_bypass(urlsplit(address).hostname or ""))


def _disarm_others() -> None:
    """Write proxies of other kinds as HTTP ones: they are not asked, but HTTP clients would refuse to start.

    They stay named, so that nothing that is meant to go through one goes past it.
    """
    for name in _named_proxies():
        scheme, mark, rest = os.environ[name].partition("://")
        if mark and scheme.lower() not in ("http", "https"):
            os.environ[name] = f"http://{rest}"


def _named_proxies() -> list[str]:
    return _named(os.environ)


def _named(environment: "os._Environ[str] | dict[str, str]") -> list[str]:
    return [name for name in environment if name.lower() in _PROXIES]
