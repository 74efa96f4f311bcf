"""Automations are made once, mended if they were altered, and stay off if somebody switched them off."""

import pytest
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore

from flows.service.automations import AGAIN, SILENT, begins_again, have_automations

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests")


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client
        for name in (SILENT, AGAIN):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)


def test_a_second_look_changes_nothing(client):
    assert set(have_automations(client)) == {SILENT, AGAIN}
    assert have_automations(client) == ()
    assert len(client.read_automations_by_name(AGAIN)) == 1


def test_what_was_altered_is_mended_and_what_is_off_stays_off(client):
    have_automations(client)
    there = client.read_automations_by_name(AGAIN)[0]
    assert begins_again(client)
    parts = there.model_dump(exclude={"id", "owner_resource"}) | {"description": "other", "enabled": False}
    client.update_automation(there.id, AutomationCore.model_validate(parts))
    assert have_automations(client) == (AGAIN,)
    mended = client.read_automations_by_name(AGAIN)[0]
    assert mended.description == there.description and not mended.enabled and not begins_again(client)
