"""What is wrong with the server that is configured is said before any work."""

import base64
import http.server
import json
import shutil
import ssl
import subprocess
import threading
from contextlib import contextmanager

import pytest
from prefect import __version__
from prefect import settings as prefect_settings
from prefect.settings import temporary_settings

from flows.runtime.configured_server import check_server
from flows.runtime.own_server import ServerError
from flows.runtime.server import prefect_server

ONCE = {prefect_settings.PREFECT_CLIENT_MAX_RETRIES: 0}


@contextmanager
def serving(answer, certificate=None):
    """A small server whose answers a function gives: status and content, of a path and its headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def version(number=__version__):
    def answer(path, headers):
        return (200, json.dumps(number).encode()) if path == "/api/admin/version" else (404, b"{}")

    return answer


def always(status, content=b"{}"):
    return lambda path, headers: (status, content)


def refusal(url, **settings):
    named = {getattr(prefect_settings, name): value for name, value in settings.items()}
    with temporary_settings(ONCE | named), pytest.raises(ServerError) as caught:
        check_server(url)
    sentence = str(caught.value)
    assert "\n" not in sentence and ("unset" in sentence or "lacks" in sentence), sentence
    return sentence


def test_prefects_server_is_let_pass():
    with serving(version()) as url:
        check_server(f"{url}/api")
        check_server(f"{url}/api/")


def test_an_address_without_its_end_is_mended_in_words():
    with serving(version()) as url:
        assert f"answers at {url}/api: PREFECT_API_URL lacks the /api" in refusal(url)


@pytest.mark.parametrize(
    ("status", "content"), [(200, b"{}"), (200, b"<html>"), (404, b"{}"), (500, b""), (302, b"")]
)
def test_another_program_is_no_server(status, content):
    with serving(always(status, content)) as url:
        assert f"What answers at {url}/api is not Prefect's API" in refusal(f"{url}/api")


def test_a_server_of_another_generation_is_named():
    with serving(version("2.20.9")) as url:
        assert "a server of Prefect 2.20.9" in refusal(f"{url}/api")


def test_a_busy_server_is_asked_again(monkeypatch, capsys):
    waits, answers = [], [(503, b"{}"), (429, b"{}"), (200, json.dumps(__version__).encode())]
    monkeypatch.setattr("time.sleep", waits.append)
    with serving(lambda path, headers: answers.pop(0)) as url:
        check_server(f"{url}/api")
    assert [wait for wait in waits if wait in (2, 4)] == [2, 4]  # besides what Prefect's client waits
    assert not answers
    assert capsys.readouterr().err == f"Prefect's server at {url}/api is busy: asking again.\n"


def test_a_server_that_stays_busy_is_named():
    with serving(always(503)) as url:
        assert "too busy (status 503)" in refusal(f"{url}/api")


def test_a_password_is_asked_for_and_given():
    wanted = "Basic " + base64.b64encode(b"me:secret").decode()

    def answer(path, headers):
        return version()(path, headers) if headers["Authorization"] == wanted else (401, b"{}")

    with serving(answer) as url:
        assert "asks for a password: set PREFECT_API_AUTH_STRING" in refusal(f"{url}/api")
        assert "does not take the password" in refusal(f"{url}/api", PREFECT_API_AUTH_STRING="me:guess")
        with temporary_settings({prefect_settings.PREFECT_API_AUTH_STRING: "me:secret"}):
            check_server(f"{url}/api")


def test_headers_of_the_users_own_are_sent():
    def answer(path, headers):
        return version()(path, headers) if headers["X-Door"] == "open" else (403, b"{}")

    with serving(answer) as url:
        assert "asks for a password" in refusal(f"{url}/api")
        with temporary_settings({prefect_settings.PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Door": "open"}}):
            check_server(f"{url}/api")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that nobody vouches for, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_name(path.name + ".crt").read_bytes())
    return path


def test_a_private_certificate_is_named_and_can_be_vouched_for(certificate, tmp_path):
    with serving(version(), certificate) as url:
        assert "cannot be verified" in refusal(f"{url}/api") and "PREFECT_API_SSL_CERT_FILE" in refusal(
            f"{url}/api"
        )
        with temporary_settings({prefect_settings.PREFECT_API_SSL_CERT_FILE: f"{certificate}.crt"}):
            check_server(f"{url}/api")
        with temporary_settings({prefect_settings.PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}):
            check_server(f"{url}/api")
        missing = str(tmp_path / "missing.pem")
        assert "PREFECT_API_SSL_CERT_FILE cannot be used" in refusal(
            f"{url}/api", PREFECT_API_SSL_CERT_FILE=missing
        )


@pytest.mark.parametrize("url", ["127.0.0.1:4200/api", "ftp://127.0.0.1/api", "http://[/api"])
def test_what_is_no_address_is_named(url):
    assert "PREFECT_API_URL cannot be" in refusal(url)


def test_nothing_answers_and_no_password_is_shown():
    sentence = refusal("http://me:secret@127.0.0.1:9/api")
    assert (
        sentence.startswith("No Prefect server answers at http://127.0.0.1:9/api (")
        and "secret" not in sentence
    )


def test_an_empty_address_is_none(monkeypatch):
    begun = []

    @contextmanager
    def instead():
        begun.append("our own")
        yield "http://127.0.0.1:9"

    monkeypatch.setattr("flows.runtime.server.own_server", instead)
    with temporary_settings({prefect_settings.PREFECT_API_URL: " "} | ONCE), prefect_server() as address:
        assert begun == ["our own"] and address == "http://127.0.0.1:9"
