"""Coming up, or saying why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.running import running


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("import_fails", "no module named teapot"),
        ("init_fails", "the model is not there"),
    ],
)
def test_workers_that_never_come_up_end_the_host(log: Path, handler: str, why: str) -> None:
    with running(handler, log, listening=False) as host:
        assert host.process.wait(20) == 1
        assert why in log.read_text()
        assert "no worker came up in 3 attempts" in log.read_text()


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("init_refuses", "features.yaml: weather.temp: unknown type 'numbre'"),
        ("not_there", "No module named 'tests.host.handlers.not_there'"),
        ("misspelt", "no function 'handler' (did you mean 'handlers'?"),
    ],
)
def test_what_trying_again_cannot_mend_ends_the_host_at_once(
    log: Path, handler: str, why: str
) -> None:
    with running(handler, log, listening=False) as host:
        assert host.process.wait(20) == 1
        assert host.records() == [], "nothing but the message, which whoever called it prints"
        assert why in log.read_text().splitlines()[-1]


def test_named_error_that_may_pass_is_tried_again_without_a_traceback(log: Path) -> None:
    with running("init_store_down", log, listening=False, workers=1) as host:
        assert host.process.wait(20) == 1
        retries = host.said("worker ended, a new one takes its place")
        assert [r["with"]["reason"] for r in retries] == ["the store does not answer"] * 2
        assert log.read_text().splitlines()[-1].endswith("; the store does not answer")


def test_worker_that_hangs_at_its_start_is_given_up(log: Path) -> None:
    with running(
        "init_hangs", log, listening=False, worker_start_timeout_s=0.2, start_attempts=1
    ) as host:
        assert host.process.wait(20) == 1
        assert host.said("worker not ready in time")


def test_coroutine_init_context_and_where_it_is_looked_up(log: Path) -> None:
    with running("made_elsewhere", log) as host:
        assert host.ask().body == b"hello"


def test_preload_imports_once_in_the_parent(log: Path) -> None:
    with running("preloaded", log, preload="tests.host.handlers.preloaded") as host:
        answer = host.ask().json
        assert answer["imported_in"] == answer["parent"] == host.process.pid
        assert answer["here"] != answer["parent"]


def test_port_in_use_is_said(log: Path, tmp_path: Path) -> None:
    with (
        running("nothing", log) as first,
        running("nothing", tmp_path / "second", listening=False, port=first.port) as second,
    ):
        assert second.process.wait(20) == 1
        assert "Address already in use" in second.log.read_text()


def test_log_records_of_a_handler(log: Path) -> None:
    with running("logs", log) as host:
        assert host.ask().body == b"logged"
        (record,) = host.said("a flight")
        assert record["level"] == "info"
        assert record["with"] == {"carrier": "UA", "delay": 12.5}
        assert record["worker"] in {"0", "1"}
        assert not host.said("too fine")


def test_own_share_of_the_start_is_short(log: Path) -> None:
    """From fork to ready, with a handler that does nothing; the bound leaves room for load."""
    with running("nothing", log) as host:
        seconds = [record["with"]["seconds"] for record in host.said("worker ready")]
        assert min(seconds) < 0.5
