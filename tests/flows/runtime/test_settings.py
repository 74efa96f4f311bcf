"""Prefect's settings come from the user, and from nothing that lies in the current folder."""

import os
import subprocess
import sys

import pytest
from batch_runs import ROOT

SHOW = """
import os
from flows.runtime.settings import import_prefect
import_prefect()
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, get_current_settings, temporary_settings
with temporary_settings({PREFECT_API_KEY: "anything"}):  # which has the settings made anew
    tasks = get_current_settings().tasks
    print(PREFECT_API_URL.value(), tasks.refresh_cache, tasks.disable_caching)
"""


@pytest.fixture
def show(tmp_path):
    """Return a function that tells, in a process of its own, what Prefect is set to in a folder."""
    home = tmp_path / "prefect"

    def run(folder, code=SHOW, **variables):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(home)}
        run = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=folder, env=environment | variables, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        return run.stdout.strip() or run.stderr.strip().splitlines()[-1], run.stderr

    return run


FOREIGN = {
    "a broken prefect.toml": {"prefect.toml": b"[server\n"},
    "a prefect.toml with a server": {"prefect.toml": b'[api]\nurl = "http://127.0.0.1:9/api"\n'},
    "a broken pyproject.toml": {"pyproject.toml": b"[project\nname = ???\n"},
    "a Latin-1 pyproject.toml": {"pyproject.toml": 'name = "caf\u00e9"\n'.encode("latin-1")},
    "a Latin-1 .env": {".env": "TITLE=caf\u00e9\n".encode("latin-1")},
    "an .env with a server": {".env": b"PREFECT_API_URL=http://127.0.0.1:9/api\n"},
    "an .env with profiles": {".env": b"PREFECT_PROFILES_PATH=elsewhere.toml\n", "elsewhere.toml": b"["},
    "modules of the user's": {"prefect.py": b"raise SystemExit(3)\n", "queue.py": b"raise SystemExit(3)\n"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_lies_in_the_current_folder_has_no_say(name, show, tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    for path, content in FOREIGN[name].items():
        (folder / path).write_bytes(content)
    assert show(folder)[0] == "None False False"


def test_variables_and_profiles_do_count_but_not_for_what_is_found_done(show, tmp_path):
    given = {
        "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_TASKS_REFRESH_CACHE": "true",
        "prefect_tasks_disable_caching": "true",
    }  # fmt: skip
    assert show(tmp_path, **given)[0] == "http://127.0.0.1:9/api False False"
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:8/api"\n')
    assert show(tmp_path, PREFECT_PROFILES_PATH="profiles.toml")[0] == "http://127.0.0.1:8/api False False"


@pytest.mark.parametrize(
    "content", [b"[profiles\n", "[profiles.caf\u00e9]\n".encode("latin-1"), b"profiles = 3\n"]
)
def test_profiles_that_cannot_be_read_are_named(show, tmp_path, content):
    profiles = tmp_path / "profiles.toml"
    profiles.write_bytes(content)
    sentence, _ = show(tmp_path, PREFECT_PROFILES_PATH=str(profiles))
    assert f"PrefectSettingsError: {profiles}" in sentence and "mend or remove it" in sentence


def test_a_profile_that_is_not_there_is_named_and_done_without(show, tmp_path):
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('active = "gone"\n[profiles.default]\n')
    found, said = show(tmp_path, PREFECT_PROFILES_PATH=str(profiles))
    assert found == "None False False"
    assert said.startswith(f"warning: {profiles} has no profile 'gone'") and "WARNING" not in said


def test_a_value_that_cannot_be_is_named_with_its_variable(show, tmp_path):
    sentence, said = show(tmp_path, PREFECT_CLIENT_MAX_RETRIES="many")
    assert "Failed to initialize" not in said
    assert "PREFECT_CLIENT_MAX_RETRIES cannot be 'many'" in sentence


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_user_without_a_home_folder_gets_ours(tmp_path):
    code = (
        "import os\nfrom flows.runtime import settings\nos.setuid(54321)\n"  # whom no list of users knows
        "settings._give_a_home()\nprint(os.environ['HOME'])"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PST_HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == str(tmp_path), run.stderr
