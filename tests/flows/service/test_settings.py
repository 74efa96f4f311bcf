"""What `pst serve` is asked for, and that no server is open to other machines without a password."""

import pytest

from flows.cli.serve import make_settings
from flows.service.place import ServiceError
from flows.service.settings import ServiceSettings, check_password
from pst_core.errors import ConfigError


@pytest.mark.parametrize(("host", "address", "beyond"), [
    ("127.0.0.1", "http://127.0.0.1:4200", False), ("127.8.8.8", "http://127.8.8.8:4200", False),
    ("localhost", "http://localhost:4200", False), ("::1", "http://[::1]:4200", False),
    ("0.0.0.0", "http://127.0.0.1:4200", True), ("::", "http://127.0.0.1:4200", True),
    ("192.168.1.5", "http://192.168.1.5:4200", True), ("gpu.example", "http://gpu.example:4200", True),
])  # fmt: skip
def test_who_can_reach_the_server_is_known_by_its_address(host, address, beyond):
    settings = ServiceSettings(host=host)
    assert (settings.address, settings.listens_beyond) == (address, beyond)


@pytest.mark.parametrize("password", ["", "user", "user:", ":secret"])
def test_beyond_this_machine_a_password_is_wanted(password):
    check_password(ServiceSettings(), password)
    with pytest.raises(ServiceError, match="PREFECT_SERVER_API_AUTH_STRING") as error:
        check_password(ServiceSettings(host="0.0.0.0"), password)
    assert "secret" not in str(error.value)
    check_password(ServiceSettings(host="0.0.0.0"), "user:secret")


@pytest.mark.parametrize(("asked", "option"), [
    ({"port": 0}, "--port"), ({"keep_history": 0}, "--keep-history"), ({"host": ""}, "--host"),
])  # fmt: skip
def test_a_value_that_cannot_be_used_is_named_with_its_option(asked, option):
    with pytest.raises(ConfigError, match=option):
        make_settings(**asked)
