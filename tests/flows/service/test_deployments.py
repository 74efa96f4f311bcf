"""What is deployed just so is left, what was switched by hand stays so, what is no list is refused."""

from types import SimpleNamespace

import pytest

from flows.service.deployments import (
    PICTURES,
    _as_switched,
    _version,
    deploying_environment,
    find_file,
    read_entries,
)
from flows.service.place import ServiceError

ENTRY = {
    "name": "nightly", "entrypoint": "flows.batch.stylize_folder", "work_pool": {"name": "pst-batches"},
    "schedules": [{"slug": "nightly", "cron": "0 1 * * *", "active": True}],
}  # fmt: skip


def test_a_version_changes_with_what_is_deployed_and_with_nothing_else():
    here, elsewhere = {PICTURES: "here", "OTHER": "1"}, {PICTURES: "elsewhere"}
    assert _version(ENTRY, here) == _version(dict(reversed(ENTRY.items())), here | {"OTHER": "2"})
    assert _version(ENTRY, here) != _version(ENTRY, elsewhere)
    assert _version(ENTRY, here) != _version(ENTRY | {"parameters": {"preset": "fast"}}, here)


def test_a_schedule_that_was_switched_off_stays_off():
    off = SimpleNamespace(slug="nightly", active=False)
    there = SimpleNamespace(schedules=[off], paused=True)
    again = _as_switched(
        ENTRY | {"schedules": [*ENTRY["schedules"], {"slug": "new", "cron": "0 2 * * *"}]}, there
    )
    assert [schedule["active"] for schedule in again["schedules"]] == [False, True]
    assert again["paused"] is True
    assert _as_switched(ENTRY, None) == ENTRY
    assert ENTRY["schedules"][0]["active"] is True


def test_the_programs_own_file_is_found_and_can_be_read():
    names = {entry["name"] for entry in read_entries(find_file(None))}
    assert names == {"nightly", "single", "look", "sequence", "evaluation"}


@pytest.mark.parametrize("text", [
    "deployments: 3", "just text", "deployments: [{name: x}]", "deployments: [",
    "deployments: [{entrypoint: x.y}]",
    "\N{NO-BREAK SPACE}\x00",
])  # fmt: skip
def test_what_is_no_list_of_deployments_is_refused_by_name(tmp_path, text):
    file = tmp_path / "prefect.yaml"
    file.write_text(text)
    with pytest.raises(ServiceError, match=r"prefect\.yaml"):
        read_entries(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ServiceError, match="gone"):
        find_file(tmp_path / "gone.yaml")


def test_the_folder_of_pictures_is_the_users_if_one_is_set(monkeypatch, tmp_path):
    monkeypatch.delenv(PICTURES, raising=False)
    assert deploying_environment({}, tmp_path)[PICTURES] == str(tmp_path)
    monkeypatch.setenv(PICTURES, "/mine")
    found = deploying_environment({"PREFECT_API_URL": "http://x/api"}, tmp_path)
    assert (found[PICTURES], found["PREFECT_API_URL"]) == ("/mine", "http://x/api")
