"""Logs of processes that run for months stay short, and their last part is kept."""

from flows.runtime.logs import keep_short, put_aside


def test_a_long_log_is_emptied_under_its_writer_and_kept_beside(tmp_path):
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        keep_short(log, longest=100)
        assert log.stat().st_size == 100
        writer.write(b"y")
        keep_short(log, longest=100)
        assert log.read_bytes() == b"" and (tmp_path / "server.log.1").read_bytes() == b"x" * 100 + b"y"
        writer.write(b"new")
    assert log.read_bytes() == b"new"


def test_a_log_of_a_process_that_ended_takes_the_place_of_the_one_before(tmp_path):
    log = tmp_path / "server.log"
    put_aside(log)  # there is none
    for text in ("first", "second"):
        log.write_text(text)
        put_aside(log)
    assert [path.name for path in tmp_path.iterdir()] == ["server.log.1"]
    assert (tmp_path / "server.log.1").read_text() == "second"
