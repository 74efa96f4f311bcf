"""Our own server takes nothing that is meant for another one."""

from flows.runtime.own_server import environment_of


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
