"""Deployments as a file like prefect.yaml has them: what changed is deployed, all else is left as it is.

What somebody switched off in the UI stays off. The file is Prefect's, and so is the program that reads it.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from flows.service.place import ServiceError
from flows.workers.pools import find_pool
from pst_core.provenance import code_version
from pst_core.report import package_version

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

NAME = "prefect.yaml"
PICTURES = "PST_PICTURES"
"""Names the folder of the nightly batch's photographs and results."""
DEPLOY_SECONDS = 300.0
_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / NAME, _HERE.parents[1] / NAME)  # in a wheel; in a checkout

Entry = dict[str, Any]


def find_file(given: Path | None) -> Path:
    """The file that is asked for, or else the one that comes with the program.

    Raises
    ------
    ServiceError
        There is none.
    """
    for place in (given,) if given is not None else _PLACES:
        if place.is_file():
            return place.absolute()
    if given is not None:
        raise ServiceError(f"{given} is no file: name one like {NAME} with --deployments.")
    raise ServiceError(f"{NAME} is missing from this installation: install the package anew.")


def read_entries(file: Path) -> list[Entry]:
    """The deployments of a file.

    Raises
    ------
    ServiceError
        It cannot be read, or holds something else.
    """
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ServiceError(f"{file} cannot be read ({reason}): mend it, or name another file.") from error
    entries = document.get("deployments") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry.get("name") and
                                                entry.get("entrypoint") for entry in entries):  # fmt: skip
        raise ServiceError(f"{file} has no list `deployments` with a name and an entrypoint each: mend it.")
    return entries


def deploy(
    client: "SyncPrefectClient", file: Path, home: Path, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Deploy what a file holds that is not deployed just so already; the names of what was.

    Parameters
    ----------
    home
        A folder for what passes between.
    environment
        The deploying process's.

    Raises
    ------
    ServiceError
        The file cannot be used.
    PoolError
        A pool that it names is not there.
    """
    entries = read_entries(file)
    for pool in sorted({_pool_of(entry) for entry in entries if _pool_of(entry)}):
        find_pool(client, pool)
    changed = []
    for entry in entries:
        there, version = _find(client, entry), _version(entry, environment)
        if there is None or there.version != version:
            changed.append(_as_switched(entry, there) | {"version": version})
    if changed:
        _run_prefect(file, changed, home, environment)
    return tuple(str(entry["name"]) for entry in changed)


def deploying_environment(settings: Mapping[str, str], pictures: Path) -> dict[str, str]:
    """The variables of the process that deploys, which the file may use as ``{{ $NAME }}``.

    Parameters
    ----------
    settings
        How Prefect's server is reached, as variables.
    pictures
        The folder of the nightly batch where the environment names none.
    """
    return {PICTURES: str(pictures), **os.environ, **settings, "PYTHONSAFEPATH": "1"}


def _pool_of(entry: Entry) -> str:
    pool = entry.get("work_pool")
    return str(pool.get("name") or "") if isinstance(pool, dict) else ""


def _find(client: "SyncPrefectClient", entry: Entry) -> "DeploymentResponse | None":
    """The deployment of this name and entrypoint that the server has."""
    from prefect.client.schemas import filters

    named = filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=[str(entry["name"])]))
    found = client.read_deployments(deployment_filter=named)
    return next((each for each in found if each.entrypoint == entry["entrypoint"]), None)


def _version(entry: Entry, environment: Mapping[str, str]) -> str:
    """The package's version, and a hash of all that makes a deployment what it is."""
    parts = [json.dumps(entry, sort_keys=True, default=str), environment[PICTURES], code_version("flows")]
    return f"{package_version()} {hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def _as_switched(entry: Entry, there: "DeploymentResponse | None") -> Entry:
    """What is deployed, with its schedules switched on or off as they are now."""
    if there is None:
        return entry
    active = {schedule.slug: schedule.active for schedule in there.schedules if schedule.slug}
    schedules = [
        schedule | {"active": active.get(schedule.get("slug"), schedule.get("active", True))}
        for schedule in entry.get("schedules") or ()
    ]
    return entry | {"schedules": schedules, "paused": there.paused}


def _run_prefect(file: Path, entries: Sequence[Entry], home: Path, environment: Mapping[str, str]) -> None:
    document = yaml.safe_load(file.read_text("utf-8")) | {"deployments": list(entries)}
    with tempfile.TemporaryDirectory(prefix="deploying-", dir=home) as folder:
        copy = Path(folder) / NAME
        copy.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(copy)]
        try:
            ended = subprocess.run(
                [sys.executable, "-P", "-m", *command], env=environment, cwd=folder, text=True,
                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=DEPLOY_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ServiceError(
                f"Deploying {file} took longer than {DEPLOY_SECONDS:.0f} s: try it again."
            ) from error
    if ended.returncode != 0:
        said = [" ".join(line.split()) for line in ended.stdout.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if "rror" in line), (said or ["no reason"])[-1])
        raise ServiceError(f"{file} cannot be deployed ({reason}): mend it, or name another file.")
