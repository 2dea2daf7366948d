"""What bounds the host when there is too much of something: 503 with Retry-After, in time."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from tests.host.running import read_all, read_reply, request, running, until


def test_connections_beyond_the_limit_are_told_so(log: Path) -> None:
    with running("on_demand", log, max_connections=4) as host, ExitStack() as stack:
        socks = [stack.enter_context(host.connect()) for _ in range(4)]
        for sock in socks:
            sock.sendall(request("/pid"))
            assert read_reply(sock).status == 200
        answer = host.ask("/pid")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json["error"] == "too many connections are open"
        socks[0].close()
        until(lambda: host.ask("/pid").status == 200)
        socks[1].sendall(request("/pid"))
        assert read_reply(socks[1]).status == 200


def test_requests_that_waited_too_long_are_turned_away(log: Path) -> None:
    with running("on_demand", log, workers=1, queue_timeout_s=0.3) as host, ExitStack() as stack:
        socks = [stack.enter_context(host.connect()) for _ in range(6)]
        for sock in socks:
            sock.sendall(request("/sleep?ms=600"))
        answers = [read_reply(sock) for sock in socks]
        statuses = sorted(a.status for a in answers)
        assert statuses[0] == 200
        assert statuses[-2:] == [503, 503]
        assert {a.headers.get("Retry-After") for a in answers if a.status == 503} == {"1"}
        assert host.ask("/pid").status == 200, "it has caught up"


def test_coroutines_queued_too_long_are_turned_away(log: Path) -> None:
    with running("on_demand_async", log, workers=1, queue_timeout_s=0.3) as host:
        with ExitStack() as stack:
            socks = [stack.enter_context(host.connect()) for _ in range(4)]
            for sock in socks:
                sock.sendall(request("/?ms=200"))
            assert [read_reply(sock).status for sock in socks] == [200, 200, 503, 503]
        assert host.ask("/").status == 200


def test_bodies_beyond_what_a_worker_holds_are_turned_away(log: Path) -> None:
    with running(
        "digest", log, workers=1, max_body_bytes=1_000_000, max_held_bytes=1_200_000
    ) as host:
        data = request("/", b"x" * 1_000_000)
        with host.connect() as one, host.connect() as other:
            one.sendall(data[:800_000])
            time.sleep(0.2)
            other.sendall(data[:800_000])
            assert read_reply(other).status == 503
            one.sendall(data[800_000:])
            assert read_reply(one).json["size"] == 1_000_000
        assert host.ask("/", b"x" * 1_000_000).status == 200


def test_without_any_worker_clients_do_not_wait_for_ever(log: Path, tmp_path: Path) -> None:
    """The workers die, and new ones do not come up."""
    flag = tmp_path / "flag"
    os.environ["INIT_FAILS_WITH"] = str(flag)
    try:
        with running("init_by_flag", log, desert_timeout_s=0.3) as host, host.connect() as idle:
            idle.sendall(request())
            assert read_reply(idle).status == 200
            flag.touch()
            for record in host.said("worker ready"):
                os.kill(record["with"]["pid"], signal.SIGKILL)
            begin = time.monotonic()
            for _ in range(2):
                answer = host.ask()
                assert (answer.status, answer.json["error"]) == (503, "no worker is up")
                assert answer.headers["Retry-After"] == "1"
            idle.sendall(request())
            assert read_all(idle).startswith(b"HTTP/1.1 503")
            assert time.monotonic() - begin < 5
            flag.unlink()
            until(lambda: host.ask().status == 200)
    finally:
        del os.environ["INIT_FAILS_WITH"]
