"""A server's trouble is told apart from a pair's, and a lost one from a busy one."""

import httpx
import pytest
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_loss, is_server_trouble
from pst_core.errors import ImageError, PstError

REQUEST = httpx.Request("POST", "http://me:secret@127.0.0.1:4200/api/flow_runs/")


def answered(status):
    error = httpx.HTTPStatusError(
        "said so", request=REQUEST, response=httpx.Response(status, request=REQUEST)
    )
    return PrefectHTTPStatusError.from_httpx_error(error)


def caused(error, cause):
    error.__cause__ = cause
    return error


LOST = [httpx.ConnectError("refused", request=REQUEST), httpx.ReadTimeout("late", request=REQUEST)]


@pytest.mark.parametrize("error", [*LOST, caused(RuntimeError("Failed to reach API"), LOST[0])])
def test_a_server_that_does_not_answer_is_lost(error):
    assert is_server_loss(error) and is_server_trouble(error)


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503])
def test_a_server_that_answers_with_an_error_is_not_lost_but_ends_the_batch(status):
    error = answered(status)
    assert not is_server_loss(error) and is_server_trouble(error)
    sentence, exit_status = explain_failure(error)
    assert "http://127.0.0.1:4200" in sentence and str(status) in sentence and exit_status == 1
    assert "secret" not in sentence and "Unforeseen" not in sentence


@pytest.mark.parametrize("error", [
    answered(404), answered(413), caused(ObjectNotFound("gone"), answered(404)), ImageError("no picture"),
    OSError("disk"), caused(PstError("told already"), LOST[0]),
])  # fmt: skip
def test_what_a_pair_meets_by_itself_is_its_own(error):
    assert not is_server_trouble(error)
    assert "Unforeseen" not in explain_failure(error)[0]
