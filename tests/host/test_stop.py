"""Stopping: what was accepted is answered."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.host.load import Load
from tests.host.running import Answer, read_all, read_reply, request, running, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_host_ends_at_once(log: Path, number: int) -> None:
    with running("nothing", log) as host:
        begin = time.monotonic()
        assert host.stop(number) == 0
        assert time.monotonic() - begin < 2
        with pytest.raises(ConnectionRefusedError):
            host.connect()


def test_stop_under_load_loses_no_request(log: Path) -> None:
    with running("on_demand", log) as host:
        with Load(host, 16, "/sleep?ms=2") as load:
            time.sleep(0.5)
            assert host.stop() == 0
        assert load.outcomes["200"] > 50
        assert set(load.outcomes) == {"200"}


def test_requests_in_flight_and_connections_without_one_yet(log: Path) -> None:
    with running("on_demand", log, drain_idle_s=1.0) as host:
        answers: list[Answer] = []
        slow = threading.Thread(target=lambda: answers.append(host.ask("/sleep?ms=700")))
        slow.start()
        with host.connect() as late, host.connect() as idle:
            time.sleep(0.2)
            host.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            late.sendall(request("/pid"))
            answer = read_reply(late)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert read_all(late) == b""
            assert read_all(idle) == b""
        slow.join()
        assert answers[0].status == 200
        assert host.process.wait(10) == 0


def test_stop_of_the_whole_group_is_in_order_too(log: Path) -> None:
    """As Ctrl-C in a terminal, or a container's runtime, does it."""
    with running("on_demand", log) as host:
        with Load(host, 4, "/sleep?ms=2") as load:
            time.sleep(0.3)
            for record in host.said("worker ready"):
                os.kill(record["with"]["pid"], signal.SIGTERM)
                os.kill(record["with"]["pid"], signal.SIGINT)
            time.sleep(0.2)
            assert host.stop() == 0
        assert set(load.outcomes) == {"200"}
        assert not host.said("worker ended, a new one takes its place")


def test_worker_that_does_not_end_is_killed(log: Path) -> None:
    with running("on_demand", log, drain_timeout_s=0.5) as host, host.connect() as sock:
        sock.sendall(request("/hang"))
        time.sleep(0.2)
        assert host.stop() == 0
        assert read_reply(sock).status == 503


def test_second_signal_ends_at_once(log: Path) -> None:
    with running("on_demand", log) as host, host.connect() as sock:
        sock.sendall(request("/hang"))
        time.sleep(0.2)
        host.process.send_signal(signal.SIGTERM)
        until(lambda: bool(host.said("stopping")))
        begin = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - begin < 2


def test_termination_callback_is_called_in_each_worker(log: Path) -> None:
    with running("terminates", log) as host:
        assert host.ask().status == 200
        assert host.stop() == 0
        assert sorted(record["worker"] for record in host.said("goodbye")) == ["0", "1"]
