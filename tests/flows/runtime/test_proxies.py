"""This machine's own addresses are reached past proxies."""

import os

import httpx
import pytest

from flows.runtime.proxies import past_proxies

NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies_from_outside(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def proxy_for(address):
    """The pool that a client of httpx, made now, sends an address through: a proxy's or a direct one."""
    with httpx.Client() as client:
        return type(client._transport_for_url(httpx.URL(address))._pool).__name__


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks5h://127.0.0.1:9", "odd://x"]
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_is_asked_for_this_machine(monkeypatch, name, proxy, host):
    monkeypatch.setenv(name, proxy)
    address = f"http://{host}:4200/api"
    with past_proxies(address):
        assert proxy_for(address) == "ConnectionPool"
        assert "Proxy" in proxy_for("http://example.org")  # what was to go through a proxy still does


def test_a_server_elsewhere_is_reached_as_the_user_says(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "prefect.example.org")
    with past_proxies("http://prefect.example.org/api"):
        assert proxy_for("http://prefect.example.org/api") == "ConnectionPool"
        assert "Proxy" in proxy_for("http://other.example.org/api")


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    before = dict(os.environ)
    with past_proxies("http://127.0.0.1:4200/api"):
        assert os.environ["no_proxy"] == "*"  # which httpx and urllib know as it stands
    assert dict(os.environ) == before
