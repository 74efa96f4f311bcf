"""The service's server has what the service depends on, and otherwise what was set for servers."""

import socket

import pytest

from flows.runtime import own_server
from flows.service import server
from flows.service.database import choose_database
from flows.service.place import ServiceError
from flows.service.server import check_port, environment_of_service
from flows.service.settings import ServiceSettings


def test_what_the_service_depends_on_goes_before_what_is_set(monkeypatch):
    for name, value in {
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false", "WEB_CONCURRENCY": "4",
        "PREFECT_PROFILE": "cloud",
        "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////x.db", "PREFECT_API_URL": "http://x/api",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.memory",
        "PREFECT_SERVER_API_AUTH_STRING": "me:secret", "PREFECT_SERVER_ANALYTICS_ENABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    settings = ServiceSettings(port=4321, keep_history=3)
    found = environment_of_service(settings, choose_database("postgresql+asyncpg://me@db/x"))
    assert found["PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED"] == "true"
    assert found["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert found["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://me@db/x"
    assert found["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(3 * 86400)
    assert found["PREFECT_SERVER_API_AUTH_STRING"] == "me:secret"  # the user's own words about this server
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    assert not {"PREFECT_PROFILE", "WEB_CONCURRENCY", "PREFECT_API_DATABASE_CONNECTION_URL"} & found.keys()


def test_what_is_set_are_settings_that_prefect_knows():
    import prefect.settings

    ours = [name for name in server._PREFERRED | server._FIXED if name.startswith("PREFECT_SERVER_")]
    assert [name for name in ours if not hasattr(prefect.settings, name)] == []


def test_other_sites_pages_may_not_speak_to_the_server():
    here, beyond = (
        environment_of_service(ServiceSettings(host=host), choose_database(None))
        for host in ("127.0.0.1", "10.0.0.7")
    )
    assert here["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200"
    assert beyond["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] == "http://10.0.0.7:4200"
    assert beyond["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"


def test_a_port_that_is_taken_and_a_strange_address_are_told(monkeypatch):
    monkeypatch.setattr(server, "STOP_SECONDS", 0.0)
    monkeypatch.setattr(own_server, "ANSWER_SECONDS", 0.1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port}"):
            check_port(ServiceSettings(port=port))
    with pytest.raises(ServiceError, match=r"192\.0\.2\.7"):
        check_port(ServiceSettings(host="192.0.2.7"))
