"""Our own server takes nothing that is meant for another one."""

import ssl

from flows.runtime.own_server import environment_of, least_certificates, server_home


def test_settings_for_other_servers_do_not_reach_ours(monkeypatch):
    foreign = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://nobody@127.0.0.1/x",
        "PREFECT_SERVER_API_AUTH_STRING": "admin:secret", "PREFECT_SERVER_API_BASE_PATH": "/elsewhere",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging", "prefect_server_ui_enabled": "false",
        "PREFECT_PROFILE": "cloud", "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////x.db",
        "WEB_CONCURRENCY": "4",
    }  # fmt: skip
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    found = environment_of("http://127.0.0.1:4321")
    assert not {(name, value) for name, value in found.items()} & set(foreign.items())
    assert (
        found["PREFECT_API_URL"] == "http://127.0.0.1:4321/api" and found["PREFECT_SERVER_API_PORT"] == "4321"
    )
    assert found["PATH"]


def test_clients_of_ours_read_one_certificate(pst_home):
    path = least_certificates()
    assert ssl.create_default_context(cafile=path).cert_store_stats()["x509"] == 1
    server_home().joinpath("certificate.pem").write_bytes(b"")  # as a power cut leaves it
    assert ssl.create_default_context(cafile=least_certificates()).cert_store_stats()["x509"] == 1
    assert pst_home in server_home().parents


def test_where_none_can_be_written_clients_read_the_usual_ones(pst_home):
    pst_home.write_text("no folder")
    assert least_certificates() is None
