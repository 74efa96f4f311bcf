"""Dockerfile, compose.yaml and .env.example against the code that they run, without any container."""

import os
import re
import subprocess
import sys
import tomllib
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlsplit

import prefect.settings
import pytest
from compose_files import COMPOSE, EXAMPLE, REFERENCE, ROOT, MissingVariableError, composition, variables_of

from flows.cli.app import app
from flows.service.deployments import PICTURES
from flows.service.identity import VARIABLE
from flows.service.settings import PORT
from flows.workers.engine import COMMAND
from flows.workers.pools import BATCHES, PAIRS
from flows.workers.worker import MODULE
from pst_core.network.finder import DEEPLAB_ENVIRONMENT, MODEL_ENVIRONMENT
from pst_core.network.identity import ENVIRONMENT

DOCKERFILE, IGNORED = ROOT / "Dockerfile", ROOT / ".dockerignore"
PASSWORDS = {"PST_PASSWORD": "first", "PST_DATABASE_PASSWORD": "second"}
SERVICES = composition(PASSWORDS)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "pst"}
LASTING = {name: service for name, service in SERVICES.items() if service["restart"] != "no"}
WORKERS = {name: service for name, service in OURS.items() if service.get("command", [""])[0] == "worker"}


def instructions():
    """Each instruction of the Dockerfile with its arguments, lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def arguments(instruction):
    return [rest for name, rest in instructions() if name == instruction]


def image_environment():
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(arguments("ENV"))))


# --- the image


def test_the_base_is_an_argument_and_every_stage_stands_on_it():
    assert instructions()[0] == ("ARG", "BASE=debian:bookworm-slim")
    stages = set()
    for base, *name in (rest.split(" AS ") for rest in arguments("FROM")):
        assert base == "${BASE}" or base in stages
        stages |= set(name)


def test_the_program_runs_as_a_user_who_is_not_root():
    assert arguments("USER") == ["${USER_ID}:${GROUP_ID}"]
    defaults = dict(rest.split("=") for rest in arguments("ARG"))
    assert int(defaults["USER_ID"]) > 0 and int(defaults["GROUP_ID"]) > 0


def test_the_entry_is_a_command_of_the_package():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert [f'["{name}"]' for name in scripts] == arguments("ENTRYPOINT")


def test_what_lasts_lies_in_places_of_the_user_that_are_volumes():
    environment = image_environment()
    places = {environment["PST_HOME"], environment[PICTURES]}
    made = re.search(r"install --directory --owner=pst --group=pst (.*)", " ".join(arguments("RUN")))
    assert set(made[1].split()) == places == {environment["PST_HOME"], *arguments("WORKDIR")[-1:]}
    assert environment["TORCH_HOME"].startswith(environment["PST_HOME"] + "/")
    for service in OURS.values():
        assert {mount.split(":")[1] for mount in service["volumes"]} >= places


def test_libraries_lie_below_the_sources():
    order = [rest for name, rest in instructions() if name in ("COPY", "RUN")]
    libraries = next(index for index, rest in enumerate(order) if "--requirement" in rest)
    assert ". ." not in order[:libraries]
    assert order.index(". .") > libraries


def test_all_that_the_wheel_is_made_of_reaches_the_build_and_nothing_else():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = wanted["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml", wanted["project"]["readme"], *wanted["project"]["license-files"],
        *wheel["packages"], *wheel["force-include"],
    }  # fmt: skip
    patterns = [line for line in IGNORED.read_text().splitlines() if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == needed


# --- compose.yaml


@pytest.mark.parametrize("lacking", PASSWORDS)
def test_without_a_password_nothing_starts(lacking):
    with pytest.raises(MissingVariableError, match=rf"{lacking}: set it in \.env"):
        composition({name: value for name, value in PASSWORDS.items() if name != lacking})


def test_the_example_has_every_variable_with_its_default_and_an_explanation():
    used = {found["name"]: found["text"] for found in REFERENCE.finditer(COMPOSE.read_text())}
    example = variables_of()
    assert set(example) == set(used)
    for name, value in example.items():
        assert value == ("" if name in PASSWORDS else used[name]), name
    for line, above in zip(lines := EXAMPLE.read_text().splitlines(), ["", *lines], strict=False):
        assert not re.match(r"\w+=", line) or above, f"{line} stands without a word"


def test_a_default_is_the_same_wherever_it_stands():
    found = {(each["name"], each["text"]) for each in REFERENCE.finditer(COMPOSE.read_text())}
    assert len({name for name, _ in found}) == len(found)


@pytest.mark.parametrize("path", [DOCKERFILE, IGNORED, COMPOSE, EXAMPLE], ids=lambda path: path.name)
def test_no_secret_and_nobodys_host_is_written_down(path):
    text = path.read_text()
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s\"'}]+", text)}
    assert hosts <= {"server", "127.0.0.1", "host"}
    assert not re.search(r"[\w-]+\.(?:org|com|io|net|dev)\b", text)
    for secret in re.findall(r"^ *\w+(?:PASSWORD|AUTH_STRING): *(.*)", text, re.MULTILINE):
        assert re.search(r"\$\{PST_\w*PASSWORD:\?", secret)


@pytest.mark.parametrize("name", OURS)
def test_commands_are_those_of_the_programs(name):
    service = OURS[name]
    if service.get("entrypoint") == ["prefect"]:
        asked = subprocess.run(
            [sys.executable, "-m", "prefect", *service["command"], "--help"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert asked.returncode == 0 and "--yes" in asked.stdout
        return
    app.parse_args(service["command"], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", OURS)
def test_variables_are_known_to_the_programs(name):
    for variable in OURS[name]["environment"]:
        ours = variable in (ENVIRONMENT, DEEPLAB_ENVIRONMENT, MODEL_ENVIRONMENT)
        assert ours or hasattr(prefect.settings, variable), f"nobody reads {variable}"


def test_passwords_of_servers_and_clients_agree():
    database = SERVICES["database"]["environment"]
    for name in ("migration", "server"):
        url = urlsplit(SERVICES[name]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"])
        assert url.scheme == "postgresql+asyncpg"
        assert (url.hostname, url.username, url.password, url.path[1:]) == (
            "database", database["POSTGRES_USER"], database["POSTGRES_PASSWORD"], database["POSTGRES_DB"],
        )  # fmt: skip
    asked = SERVICES["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
    assert {worker["environment"]["PREFECT_API_AUTH_STRING"] for worker in WORKERS.values()} == {asked}


def test_one_port_is_meant_everywhere_and_only_this_machine_sees_it():
    assert SERVICES["server"]["ports"] == [f"127.0.0.1:4200:{PORT}"]
    for worker in WORKERS.values():
        assert worker["environment"]["PREFECT_API_URL"] == f"http://server:{PORT}/api"
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["server"]


def test_pools_are_those_of_the_service():
    pools = {name: worker["command"][1].removeprefix("--pool=") for name, worker in WORKERS.items()}
    assert pools == {"batches": BATCHES, "worker": PAIRS, "gpu-worker": PAIRS}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["gpu-worker"]


@pytest.mark.parametrize("name", OURS)
def test_no_part_has_rights_that_it_does_not_need(name):
    service = OURS[name]
    assert service["cap_drop"] == ["ALL"] and not service.keys() & {
        "cap_add",
        "privileged",
        "user",
        "devices",
    }
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_started_again_and_tells_its_health(name):
    assert LASTING[name]["restart"] == "unless-stopped"
    assert LASTING[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert set(LASTING[name]["logging"]["options"]) == {"max-size", "max-file"}


def test_parts_wait_for_what_they_stand_on():
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            kind = "service_healthy" if other in LASTING else "service_completed_successfully"
            assert condition == {"condition": kind}, (name, other)
    assert set(SERVICES["server"]["depends_on"]) == {"database", "migration"}
    assert all(set(worker["depends_on"]) == {"server"} for worker in WORKERS.values())


@pytest.mark.parametrize(("told", "healthy"), [(True, True), (False, False)])
def test_the_server_is_healthy_once_its_service_tells_of_itself(told, healthy):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.path == f"/api/variables/name/{VARIABLE}"
            password = b64decode(self.headers["Authorization"].removeprefix("Basic "))
            self.send_response(200 if asked and told and password == b"pst:first" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = SERVICES["server"]
    kind, python, option, check = server["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    with HTTPServer(("127.0.0.1", 0), Answers) as httpd:
        Thread(target=httpd.handle_request, daemon=True).start()
        asked = subprocess.run(
            [sys.executable, "-c", check.replace(f":{PORT}/", f":{httpd.server_port}/")],
            env=os.environ | server["environment"], check=False, capture_output=True,
        )  # fmt: skip
    assert (asked.returncode == 0) == healthy


@pytest.mark.parametrize(
    ("process", "healthy"),
    [(f"python -P -m {MODULE} --pool pst", True), (COMMAND, False), ("pst worker", False)],
)
def test_a_worker_is_healthy_while_one_of_prefects_runs(tmp_path, process, healthy):
    shell, check = SERVICES["worker"]["healthcheck"]["test"]
    assert shell == "CMD-SHELL"
    for number, command in enumerate((["sh", "-c", check], process.split())):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "cmdline").write_bytes(b"\0".join(map(os.fsencode, command)) + b"\0")
    status = subprocess.run(check.replace("/proc", str(tmp_path)), shell=True, check=False).returncode
    assert (status == 0) == healthy
