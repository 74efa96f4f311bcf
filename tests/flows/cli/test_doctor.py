"""What is said of the machine."""

import json

import pytest
from prefect.client.orchestration import get_client

from flows.cli.app import run
from flows.service.identity import VARIABLE, identity_here, tell_identity
from flows.workers.pools import BATCHES, PAIRS, have_pool

pytestmark = pytest.mark.usefixtures("own_place")


def test_doctor_says_what_is_there_and_what_is_missing(capfd, monkeypatch):
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "gone.safetensors")
    assert run(["doctor", "--json"]) == 1
    answer = json.loads(capfd.readouterr().out)
    states = {finding["name"]: finding["state"] for finding in answer["findings"]}
    assert answer["able"] is False
    assert (states["VGG-19 weights"], states["libraries"]) == ("missing", "ok")
    assert run(["doctor"]) == 1
    assert "MISSING  VGG-19 weights" in capfd.readouterr().out


def test_doctor_names_the_quality_models_or_what_is_wrong_with_them(capfd, monkeypatch, tmp_path):
    def finding():
        run(["doctor", "--json"])
        found = json.loads(capfd.readouterr().out)["findings"]
        return next(each for each in found if each["name"] == "quality models")

    assert finding()["state"] == "ok" and "NIQE by " in finding()["text"]
    (tmp_path / "niqe.json").write_text("{}")
    monkeypatch.setenv("PST_QUALITY_MODELS", str(tmp_path))
    assert finding()["state"] == "missing" and "niqe.json" in finding()["text"]


def test_doctor_says_what_finds_regions_by_itself(capfd, monkeypatch, tmp_path):
    from pst_core.diagnosis import diagnose

    def finding():
        return next(each for each in diagnose() if each.name == "segmentation")

    assert finding().state == "ok" and "found by cluster" in finding().text
    monkeypatch.setenv("PST_SEMANTIC_MODEL", str(tmp_path / "network.onnx"))
    assert finding().state == "warning" and "network.onnx" in finding().text
    (tmp_path / "network.onnx").write_bytes(b"any bytes")
    assert finding().state == "ok" and "found by onnx (" in finding().text


@pytest.fixture
def service(prefect_server_for_tests, pst_home):
    """A server that tells of a service of this store, as `pst serve` leaves it, without a worker."""
    with get_client(sync_client=True) as client:
        for pool in (PAIRS, BATCHES):
            have_pool(client, pool, "")
        tell_identity(client, identity_here("SQLite"))
        yield client
        client.delete_variable_by_name(VARIABLE)
        for pool in (PAIRS, BATCHES):
            client.delete_work_pool(pool)


def examined():
    from flows.service.health import examine_service

    return {finding.name: finding for finding in examine_service()}


def test_doctor_tells_how_the_service_is(service):
    found = examined()
    assert [found[name].state for name in ("server", "service", "database", "dead runs", "slots")] == [
        "ok"
    ] * 5
    assert found[f"pool {PAIRS}"].state == "warning" and "0 workers" in found[f"pool {PAIRS}"].text
    service.send_worker_heartbeat(PAIRS, "gpu0", heartbeat_interval_seconds=30)
    assert examined()[f"pool {PAIRS}"].state == "ok"


def test_doctor_tells_what_differs_from_the_service(service):
    tell_identity(service, identity_here("SQLite").model_copy(update={"code": "another"}))
    assert examined()["service"].state == "warning" and "version" in examined()["service"].text


def test_a_server_without_a_service_is_told(prefect_server_for_tests, pst_home):
    assert "pst serve" in examined()["service"].way_out


def test_a_server_that_does_not_answer_is_a_warning_and_none_at_all_is_nothing(
    own_place, pst_home, monkeypatch
):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert [finding.state for finding in examined().values()] == ["warning"]
    with temporary_settings({PREFECT_API_URL: ""}):
        assert examined() == {}
