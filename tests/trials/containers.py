"""compose.yaml's services in buildah's containers, where Docker cannot run: do two workers do two batches?

    PYTHONPATH=tests python tests/trials/containers.py --image pst [--buildah "buildah"] [--pairs 6]

Needs root, buildah, PostgreSQL's programs, and the built image. Runs what compose.yaml says with the
variables of .env.example: commands, environment, volumes and health checks are its own. The machine's
network is shared, so that its port 4200 must be free, and PostgreSQL stands in for the database's image.
Migration, server, batches and two workers are started in the order in which they wait for one another; one
batch is handed out by `pst run --pool`, another one by the nightly deployment; then everything is ended by
SIGTERM. Prints what it saw. Exit status 1 if a pair is missing, a file is root's, a worker did nothing, or
a run did not complete.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from batch_runs import QUICK, make_folder, settings_file
from compose_files import ROOT, composition, variables_of
from postgres import postgres_server

HEALTH_SECONDS, BATCH_SECONDS, END_SECONDS = 180.0, 600.0, 120.0
NETWORK = ("--isolation=chroot", "--network=host", "--no-hosts")
OWN_PROCESSES = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")  # which chroot does not give


@dataclass
class Machine:
    """Where containers run: how buildah is called, and what stands in for compose's volumes and names."""

    buildah: list[str]
    image: str
    folder: Path
    services: dict
    containers: list[str] = field(default_factory=list)

    def make(self, service):
        """A container for a service."""
        name = f"pst-trial-{os.getpid()}-{service}-{len(self.containers)}"
        self._buildah("from", "--name", name, self.image)
        self.containers.append(name)
        return name

    def remove_all(self):
        """Remove every container; the image stays."""
        for name in self.containers:
            self._buildah("rm", name)

    def command(self, container, service, command):
        """What runs a command in a container as the service has it."""
        wanted = self.services[service]
        mounts = {"/etc/hosts": self.folder / "hosts", "/deployments.yaml": ROOT / "prefect.yaml"}
        mounts |= {mount.split(":")[1]: self.folder / mount.split(":")[1][1:] for mount in wanted["volumes"]}
        options = [part for place, here in mounts.items() for part in ("--volume", f"{here}:{place}")]
        for name, value in wanted["environment"].items():
            options += ["--env", f"{name}={value}"]
        options += [f"--cap-drop={right}" for right in wanted["cap_drop"]]
        return [*self.buildah, "run", *NETWORK, *options, container, "--", *command]

    def entry(self, service):
        """A service's whole command."""
        wanted = self.services[service]
        return [*wanted.get("entrypoint", ["pst"]), *wanted["command"]]

    def once(self, container, service, command, beside=None, **options):
        """Run a command in a container to its end, among the processes of the one that runs there."""
        among = ("nsenter", f"--target={beside}", "--pid", "--mount") if beside else OWN_PROCESSES
        return subprocess.run(
            [*among, *self.command(container, service, command)],
            capture_output=True, text=True, check=False, **options,
        )  # fmt: skip

    def _buildah(self, *arguments):
        subprocess.run([*self.buildah, *arguments], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def running(machine, service, log):
    """A service of compose.yaml in a container of its own, healthy while the block runs; its container."""
    began = time.monotonic()
    container = machine.make(service)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*OWN_PROCESSES, *machine.command(container, service, machine.entry(service))],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_healthy(machine, service, container, process, log)
        print(f"{service}: healthy after {time.monotonic() - began:.0f} s")
        yield container
    finally:
        began, status = time.monotonic(), end(process)
        took = time.monotonic() - began
        print(
            f"{service}: ended with {status} {took:.0f} s after SIGTERM; it said:\n{indented(log.read_text())}"
        )


def wait_until_healthy(machine, service, container, process, log):
    """Ask by the service's own health check."""
    kind, *check = machine.services[service]["healthcheck"]["test"]
    check, until = ["sh", "-c", *check] if kind == "CMD-SHELL" else check, time.monotonic() + HEALTH_SECONDS
    first = within(process)
    while machine.once(container, service, check, beside=first.pid).returncode:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"{service} is not healthy:\n{log.read_text()}")
        time.sleep(1)


def within(process):
    """The first process of a container's own."""
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.1)
    return children[0]


def end(process):
    """SIGTERM to the program within the container, as `docker stop` sends it; how it ended."""
    if process.poll() is None:
        everything = psutil.Process(process.pid).children(recursive=True)
        program = ["/opt/pst/bin/python3", "/opt/pst/bin/pst"]
        next(each for each in everything if each.cmdline()[:2] == program).send_signal(signal.SIGTERM)
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def indented(text):
    """Lines as they are shown below a heading."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def migrate(machine):
    """The one-shot service, to its end; twice, since every start does it again."""
    container = machine.make("migration")
    for _ in range(2):
        done = machine.once(container, "migration", machine.entry("migration"))
        print(f"migration: ended with {done.returncode}; {done.stdout.split()[-1:]}")
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)


def batches(machine, container, pairs):
    """A batch by hand and one by its deployment, both for the workers; whether all pairs are there."""
    by_hand = machine.once(
        container, "batches",
        ["pst", "run", "/pictures/in", "--out", "/pictures/by-hand", "--pool", "pst", "--settings",
         "/pictures/quick.toml", "--quiet"],
        timeout=BATCH_SECONDS,
    )  # fmt: skip
    print(f"pst run --pool pst: ended with {by_hand.returncode}\n{indented(by_hand.stdout + by_hand.stderr)}")
    nightly = machine.once(
        container, "batches",
        ["prefect", "deployment", "run", "stylize-folder/nightly", "--watch",
         "--param", f"settings={json.dumps(QUICK)}"],
        timeout=BATCH_SECONDS,
    )  # fmt: skip
    print(f"stylize-folder/nightly: ended with {nightly.returncode}\n{indented(nightly.stdout[-600:])}")
    made = [len(list((machine.folder / "pictures" / out).rglob("report.json"))) for out in ("by-hand", "out")]
    print(f"pairs made: {made[0]} and {made[1]} of {pairs}")
    return by_hand.returncode == nightly.returncode == 0 and made == [pairs, pairs]


def workers_and_states(machine, container):
    """Names of the workers that did shards, and the states that runs ended in, by the server."""
    script = """
import asyncio, re
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
async def main():
    async with get_client() as client:
        runs = [run for run in await client.read_flow_runs(limit=200) if run.state_name != "Scheduled"]
        which = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id for run in runs]))
        logs = "\\n".join(log.message for log in await client.read_logs(which, limit=200))
        print(*sorted(set(re.findall(r"Worker '(\\S+)' submitting", logs))))
        print(*(f"{run.name}: {run.state_name} {run.state.message};" for run in runs))
asyncio.run(main())
"""
    answer = machine.once(container, "batches", ["python", "-c", script])
    workers, states = answer.stdout.splitlines()[-2:]
    print(f"workers that took runs: {workers}\nruns: {states}")
    return workers.split(), set(re.findall(r": (\w+) ", states))


def prepare(folder, pairs, user):
    """Photographs, and the folders that volumes are in compose.yaml, owned by the image's user."""
    make_folder(folder / "pictures" / "in", pairs)
    settings_file(folder / "pictures")
    for name in ("pst", "weights"):
        (folder / name).mkdir()
    (folder / "hosts").write_text("127.0.0.1 localhost database server\n")
    folder.chmod(0o755)
    for path in (folder / "pst", folder / "pictures", *(folder / "pictures").rglob("*")):
        os.chown(path, user, user)


def main():
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--image", default="pst")
    parser.add_argument("--buildah", default="buildah")
    parser.add_argument("--pairs", type=int, default=6)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        folder = Path(name)
        variables = variables_of() | {"PST_PASSWORD": "api", "PST_DATABASE_PASSWORD": "database"}
        prepare(folder, asked.pairs, int(variables["PST_USER_ID"]))
        subprocess.run(
            ["createdb", "--host=127.0.0.1", f"--port={postgres.port}", "--username=pst", "pst"], check=True
        )
        services = composition(variables)["services"]
        for service in ("migration", "server"):
            given = services[service]["environment"]
            key = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
            given[key] = given[key].replace(":5432/", f":{postgres.port}/")
        good = carry_out(Machine(shlex.split(asked.buildah), asked.image, folder, services), asked.pairs)
    print("good" if good else "NOT good")
    sys.exit(0 if good else 1)


def carry_out(machine, pairs):
    """All services and both batches; whether everything was as it should be."""
    try:
        migrate(machine)
        with ExitStack() as stack:
            for number, service in enumerate(("server", "batches", "worker", "worker")):
                log = machine.folder / f"{number}.log"
                container = stack.enter_context(running(machine, service, log))
            done = batches(machine, container, pairs)
            workers, states = workers_and_states(machine, container)
        owners = {path.stat().st_uid for path in machine.folder.joinpath("pictures", "out").rglob("*")}
        print(f"owners of results: {owners}")
        return done and len(workers) == 3 and states == {"Completed"} and 0 not in owners
    finally:
        machine.remove_all()


if __name__ == "__main__":
    main()
