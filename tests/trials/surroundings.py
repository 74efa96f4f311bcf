"""Runs in surroundings that other programs, other people and accidents leave behind, with real servers.

    python tests/trials/surroundings.py [NAME ...]

Prints one line a case: whether it went well, its name, how the run ended and what it said last. Cases that
need root are left out for anybody else; one needs openssl. Exit status 1 if one is wrong.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import ROOT, make_folder, settings_file

SHORT, LONG = {}, {"global_iterations": 4000}
MAIN = "from flows.cli.app import main; main()"
PATIENCE = 300.0
AS_NOBODY = [
    "setpriv",
    "--reuid",
    "54321",
    "--clear-groups",
    "--inh-caps",
    "+dac_read_search",
    "--ambient-caps",
    "+dac_read_search",
]  # fmt: skip - somebody whom no list of users knows, but who may read where Python is installed


class Trial:
    """One case's folder, and the runs in it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder, self.out = folder, folder / "out"
        self.source = make_folder(folder / "in", 2)
        self.settings = settings_file(folder, **settings)
        self.variables = {
            "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PST_HOME": str(folder / "kept"),
            "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive",
        }  # fmt: skip
        (folder / "home").mkdir()

    def start(self, *, cwd: Path | None = None, prefix: tuple[str, ...] = (), **variables: str | None):
        """Start the batch; a variable that is None is not there at all."""
        given = {name: value for name, value in (self.variables | variables).items() if value is not None}
        command = [
            *prefix, sys.executable, "-P", "-c", MAIN, "run", str(self.source), "--out", str(self.out),
            "--settings", str(self.settings),
        ]  # fmt: skip
        return subprocess.Popen(
            command,
            cwd=cwd or self.folder,
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **how) -> tuple[int, str, str]:
        """Run the batch to its end: exit status, output, errors."""
        return ended(self.start(**how))


def ended(process) -> tuple[int, str, str]:
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    return process.returncode, output, errors


def went_well(found: tuple[int, str, str], *, said: str = "", status: int = 0) -> tuple[bool, str]:
    code, output, errors = found
    lines = [line for line in errors.splitlines() if line and not line.startswith(("Prefect's UI", "["))]
    clean = not any(
        word in output + errors for word in ("Traceback", "Unforeseen", "Error logging", "WARNING")
    )
    wanted = code == status and clean and said in " ".join((output + errors).split())
    return wanted, f"status {code}: {' / '.join(lines)[:400] or output.strip().splitlines()[-1]}"


# --- proxies, folders, users


def proxies(trial):
    proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return went_well(trial.run(ALL_PROXY="socks5://127.0.0.1:9", **proxy), said="2 done")


def foreign_folder(trial):
    folder = trial.folder / "foreign"
    (folder / "flows").mkdir(parents=True)
    for name in ("prefect.py", "queue.py", "tasks.py", "ctypes.py", "flows/__init__.py"):
        (folder / name).write_text("raise SystemExit('the user has a script of this name')\n")
    (folder / ".env").write_bytes("TITLE=caf\u00e9\n".encode("latin-1"))
    (folder / "prefect.toml").write_text("[server\n")
    (folder / "pyproject.toml").write_bytes('name = "caf\u00e9"\n'.encode("latin-1"))
    return went_well(trial.run(cwd=folder), said="2 done")


def deleted_folder(trial):
    folder = trial.folder / "gone"
    folder.mkdir()
    return went_well(
        trial.run(cwd=folder, prefix=("sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh")), said="2 done"
    )


def no_relative_paths_in_a_deleted_folder(trial):
    folder = trial.folder / "gone"
    folder.mkdir()
    trial.source = Path("in")
    found = trial.run(cwd=folder, prefix=("sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh"))
    return went_well(found, said="the current folder was deleted", status=1)


def nobody(trial):
    """A user without a passwd entry and home folder, as in containers."""
    for path in (trial.folder / "kept", trial.out):
        path.mkdir()
        os.chown(path, 54321, 54321)
    trial.folder.chmod(0o755)
    return went_well(trial.run(prefix=tuple(AS_NOBODY), HOME=None), said="2 done")


# --- our own server


def others_settings(trial):
    foreign = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/none",
        "PREFECT_SERVER_API_AUTH_STRING": "admin:secret", "PREFECT_API_AUTH_STRING": "admin:other",
        "PREFECT_SERVER_API_BASE_PATH": "/elsewhere", "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_API_SSL_CERT_FILE": "/missing.pem", "PREFECT_API_KEY": "pnu_none", "WEB_CONCURRENCY": "4",
        "PREFECT_TASKS_REFRESH_CACHE": "true", "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": "s3-bucket/none",
        "PREFECT_API_URL": "", "PREFECT_LOGGING_LOG_PRINTS": "true",
    }  # fmt: skip
    first = went_well(trial.run(**foreign), said="2 done")
    for path in trial.out.glob("*/report.json"):
        path.unlink()
    again = went_well(trial.run(**foreign), said="2 cached")
    return first[0] and again[0], f"{first[1]} | again {again[1]}"


def odd_home(trial):
    home = trial.folder / "a ?b#c%20d é'\"$"
    found = went_well(trial.run(PST_HOME=str(home)), said="2 done")
    kept = (_first_history_in(home) / "prefect.db").stat().st_size > 100_000
    beside = [path.name for path in trial.folder.iterdir() if path.name.startswith("a ") and path != home]
    return found[0] and kept and not beside, f"{found[1]}; database inside: {kept}, beside it: {beside}"


def _first_history_in(home: Path) -> Path:
    return home / "prefect" / str(os.geteuid()) / "1"


def _with_history(trial, spoil: Callable[[Path], object]):
    home = _first_history_in(trial.folder / "kept")
    first = trial.run()
    spoil(home / "prefect.db")
    trial.out = trial.folder / "out-again"
    second = went_well(trial.run(), said="unusable-1")
    third = went_well(trial.run(), said="2 cached")
    sound = first[0] == 0 and second[0] and third[0] and "unusable" not in third[1]
    return sound, second[1]


def cut_history(trial):
    return _with_history(trial, lambda path: os.truncate(path, path.stat().st_size // 2))


def scribbled_history(trial):
    return _with_history(trial, lambda path: path.write_bytes(b"scribble" * 9000))


def newer_history(trial):
    def from_tomorrow(path):
        import sqlite3

        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("update alembic_version set version_num = 'fromtomorrow'")

    return _with_history(trial, from_tomorrow)


# --- a server that is configured


@contextlib.contextmanager
def lasting_server(folder: Path) -> Iterator[str]:
    """A Prefect server that goes on when runs end."""
    code = (
        "import sys\nfrom flows.runtime.server import prefect_server\n"
        "with prefect_server(own=True) as address:\n    print(address, flush=True)\n    sys.stdin.read()"
    )
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PST_HOME": str(folder / "server"),
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        yield f"{process.stdout.readline().strip()}/api"
    finally:
        process.stdin.close()
        process.wait(60)


def runs_of(address: str) -> dict[str, tuple[str, str]]:
    """Name -> state and id of the server's flow runs, the last ones of each name."""
    import httpx

    asked = {"sort": "START_TIME_ASC", "limit": 100}
    found = httpx.post(f"{address}/flow_runs/filter", json=asked, trust_env=False).json()
    return {run["name"]: (run["state_name"], run["id"]) for run in found}


def _wait_for_first_stage(trial, address: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and runs_of(address).get("p0", ("", ""))[0] != "Running":
        time.sleep(0.3)
    time.sleep(3)


def killed(trial):
    with lasting_server(trial.folder) as address:
        process = trial.start(PREFECT_API_URL=address)
        _wait_for_first_stage(trial, address)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = {name: state for name, (state, _) in runs_of(address).items()}
        ids = [run for _, run in runs_of(address).values()]
        settings_file(trial.folder, **SHORT)
        found = went_well(trial.run(PREFECT_API_URL=address), said="2 done")
        after = {state for run in ids for state in [state_of(address, run)]}
    return found[0] and set(before.values()) == {"Running"} and after == {"Crashed"}, f"{before} -> {after}"


def state_of(address: str, run: str) -> str:
    """State of a flow run."""
    import httpx

    return str(httpx.get(f"{address}/flow_runs/{run}", trust_env=False).json()["state_name"])


def cancelled(trial):
    import httpx

    with lasting_server(trial.folder) as address:
        process = trial.start(PREFECT_API_URL=address)
        _wait_for_first_stage(trial, address)
        batch = next(run for name, (_, run) in runs_of(address).items() if name != "p0")
        asked = {"state": {"type": "CANCELLING", "name": "Cancelling"}}  # as the UI does
        httpx.post(f"{address}/flow_runs/{batch}/set_state", json=asked, trust_env=False)
        asked_at = time.monotonic()
        found = went_well(ended(process), said="cancelled in Prefect's UI", status=4)
        took = time.monotonic() - asked_at
        states = {name: state for name, (state, _) in runs_of(address).items()}
    return found[0] and took < 60 and set(states.values()) == {
        "Cancelled"
    }, f"{found[1]}; {states} ({took:.0f} s)"


def four_at_once(trial):
    with lasting_server(trial.folder) as address:
        others = []
        for number in range(4):
            trial.out = trial.folder / f"out-{number}"
            others.append(trial.start(PREFECT_API_URL=address, PST_HOME=str(trial.folder / f"kept-{number}")))
        found = [went_well(ended(process), said="2 done") for process in others]
    return all(well for well, _ in found), "; ".join(text for _, text in found)


@contextlib.contextmanager
def guarded_server(folder: Path, password: str) -> Iterator[str]:
    """A Prefect server that somebody else runs, which lets in who knows the password."""
    import httpx

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PREFECT_HOME": str(folder / "guarded"),
        "PREFECT_SERVER_API_PORT": port, "PREFECT_SERVER_API_AUTH_STRING": password, "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }  # fmt: skip
    command = ["-P", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address, until = f"http://127.0.0.1:{port}/api", time.monotonic() + 120
    try:
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{address}/health", trust_env=False)
                break
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def password(trial):
    with guarded_server(trial.folder, "admin:secret") as address:
        asked = went_well(trial.run(PREFECT_API_URL=address), said="asks for a password", status=1)
        let_in = {"PREFECT_API_URL": address, "PREFECT_API_AUTH_STRING": "admin:secret"}
        found = went_well(trial.run(**let_in), said="2 done")
    return asked[0] and found[0], f"{asked[1]} | with it: {found[1]}"


@contextlib.contextmanager
def behind_a_certificate(address: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Another address of a server, by TLS, and the file of the certificate that nobody else knows."""
    made = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(made), "-out", str(made),
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made)
    port = urlsplit(address).port

    async def copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connect(reader, writer):
        to_server, from_server = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, from_server), copy(to_server, writer))

    loop = asyncio.new_event_loop()
    tunnel = loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{tunnel.sockets[0].getsockname()[1]}/api", made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def private_certificate(trial):
    with (
        lasting_server(trial.folder) as inner,
        behind_a_certificate(inner, trial.folder) as (address, certificate),
    ):
        refused = went_well(trial.run(PREFECT_API_URL=address), said="cannot be verified", status=1)
        known = {"PREFECT_API_URL": address, "PREFECT_API_SSL_CERT_FILE": str(certificate)}
        found = went_well(trial.run(**known), said="2 done")
        states = {state for state, _ in runs_of(inner).values()}
    return refused[0] and found[0] and states == {"Completed"}, f"{refused[1]} | with it: {found[1]}"


ROOTS = (nobody,)
CASES = {
    case.__name__: (case, settings)
    for case, settings in (
        (proxies, SHORT), (foreign_folder, SHORT), (deleted_folder, SHORT),
        (no_relative_paths_in_a_deleted_folder, SHORT), (nobody, SHORT), (others_settings, SHORT),
        (odd_home, SHORT), (cut_history, SHORT), (scribbled_history, SHORT), (newer_history, SHORT),
        (killed, LONG), (cancelled, LONG), (four_at_once, SHORT), (password, SHORT),
        (private_certificate, SHORT),
    )
}  # fmt: skip


def main() -> int:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    names = parser.parse_args().names or CASES
    wrong = 0
    for name in names:
        case, settings = CASES[name]
        if case in ROOTS and os.geteuid() != 0:
            print(f"left out  {name}: needs root")
            continue
        with tempfile.TemporaryDirectory(prefix="pst-trial-") as folder:
            well, told = case(Trial(Path(folder), **settings))
        wrong += not well
        print(f"{'well' if well else 'WRONG':8}  {name}: {told}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
