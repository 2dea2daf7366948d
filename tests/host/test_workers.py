"""What becomes of requests when a worker dies or hangs."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from tests.host.load import Load
from tests.host.running import Running, read_all, read_reply, request, running, until

CRASHES = int(os.environ.get("CRASHES", "5"))


def workers_of(host: Running) -> list[int]:
    return [record["with"]["pid"] for record in host.said("worker ready")]


def on_each_worker(host: Running) -> dict[int, socket.socket]:
    """An idle connection to each of the two workers, by process id."""
    found = dict(on_a_worker(host) for _ in range(2))
    assert len(found) == 2, "connections are spread evenly"
    return found


def on_a_worker(host: Running) -> tuple[int, socket.socket]:
    """An idle connection, and the process that has it."""
    sock = host.connect()
    sock.sendall(request("/pid"))
    return int(read_reply(sock).body), sock


def test_request_that_a_killed_worker_held_is_a_503(log: Path) -> None:
    with running("on_demand", log) as host:
        answer = host.ask("/die")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "died" in answer.json["error"]
        assert host.ask("/pid").status == 200
        until(lambda: len(workers_of(host)) == 3)


def test_idle_connections_of_a_killed_worker_go_on_with_another(log: Path) -> None:
    with running("on_demand", log) as host:
        socks = on_each_worker(host)
        for pid, sock in socks.items():
            os.kill(pid, signal.SIGKILL)
            sock.sendall(request("/pid"))
            assert int(read_reply(sock).body) != pid
            sock.close()


def test_half_a_request_goes_on_with_another_worker(log: Path) -> None:
    with running("on_demand", log) as host:
        data = request("/pid", b"x" * 1000)
        for pid, sock in on_each_worker(host).items():
            with sock:
                sock.sendall(data[:30])
                time.sleep(0.1)
                sock.sendall(data[30:500])
                time.sleep(0.1)
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
                sock.sendall(data[500:])
                answer = read_reply(sock)
                assert answer.status == 200
                assert int(answer.body) != pid


def test_half_a_large_request_is_a_503(log: Path) -> None:
    """More than the board keeps: the client is told that nothing was begun."""
    with running("on_demand", log) as host:
        pid, sock = on_a_worker(host)
        with sock:
            sock.sendall(request("/pid", b"x" * 100_000)[:50_000])
            time.sleep(0.2)
            os.kill(pid, signal.SIGKILL)
            answer = read_reply(sock)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert "before it began" in answer.json["error"]


def test_requests_behind_a_hung_worker_are_served_by_another(log: Path) -> None:
    with running("on_demand", log, event_timeout_s=1.0) as host:
        pid, waiting = on_a_worker(host)
        with host.connect() as first, host.connect() as second, waiting:
            first.sendall(request("/hang"))
            second.sendall(request("/hang"))  # one on each worker
            time.sleep(0.2)
            waiting.sendall(request("/pid"))
            for sock in (first, second):
                answer = read_reply(sock)
                assert answer.status == 504
                assert answer.json["error"] == "the request was not answered within 1 s"
                assert read_all(sock) == b""
            answer = read_reply(waiting)
            assert answer.status == 200
            assert int(answer.body) != pid
        assert len(host.said("event over time, worker killed")) == 2


def test_new_connections_avoid_a_worker_that_is_stuck(log: Path) -> None:
    with running("on_demand", log) as host, host.connect() as stuck:
        stuck.sendall(request("/hang"))
        time.sleep(0.3)
        begin = time.monotonic()
        assert len({host.ask("/pid").body for _ in range(10)}) == 1
        assert time.monotonic() - begin < 5


def test_coroutines_run_one_at_a_time_and_those_queued_survive_a_crash(log: Path) -> None:
    with running("on_demand_async", log, workers=1) as host:
        socks = [host.connect() for _ in range(6)]
        socks[0].sendall(request("/die?ms=400"))
        time.sleep(0.1)
        for i, sock in enumerate(socks[1:]):
            sock.sendall(request("/?ms=5", b"%d" % i))
        assert read_reply(socks[0]).status == 503
        answers = [read_reply(sock) for sock in socks[1:]]
        assert [a.json for a in answers] == [{"most": 1, "body": str(i)} for i in range(5)]
        for sock in socks:
            sock.close()


def test_pipelined_coroutines_are_answered_in_order(log: Path) -> None:
    with running("on_demand_async", log, workers=1) as host, host.connect() as sock:
        sock.sendall(b"".join(request("/", b"%d" % i) for i in range(20)))
        assert [read_reply(sock).json["body"] for _ in range(20)] == [str(i) for i in range(20)]


def test_no_request_vanishes_when_workers_are_killed_under_load(log: Path) -> None:
    """Each request gets its answer, or a 503; and the connections of the others go on."""
    with running("on_demand", log, workers=2) as host:
        with Load(host, 8, "/sleep?ms=1") as load:
            for i in range(CRASHES):
                until(lambda i=i: len(workers_of(host)) >= 2 + i)  # type: ignore[misc]
                time.sleep(0.15)
                os.kill(workers_of(host)[i], signal.SIGKILL)  # the one that has lived longest
            until(lambda: len(workers_of(host)) >= 2 + CRASHES)
            time.sleep(0.2)
        outcomes = load.outcomes
        assert outcomes["200"] > 100
        assert outcomes["503"] <= 2 * CRASHES
        if sys.platform == "linux":  # elsewhere a connection whose reply is going out is cut
            assert set(outcomes) <= {"200", "503"}, outcomes
        assert host.ask("/pid").status == 200


def test_handler_that_raises_is_a_500_and_the_worker_lives_on(log: Path) -> None:
    with running("raises", log) as host:
        for path in ("/", "/exit"):
            answer = host.ask(path)
            assert answer.status == 500
            assert "secret" not in answer.body.decode()
            event = answer.json["error"].split()[1]
            record = [r for r in host.said("the handler failed") if r["with"]["event_id"] == event]
            assert record[0]["with"]["path"] == path
        assert "KeyError: 'the secret of the house'" in log.read_text()
        assert len(workers_of(host)) == 2


def test_state_of_the_host(log: Path) -> None:
    with running("state", log, workers=2) as host:
        state = {"workers": 2, "ready": 2, "restarts": 0, "draining": False}
        assert host.ask().json == state
        os.kill(workers_of(host)[0], signal.SIGKILL)
        until(lambda: len(workers_of(host)) == 3)
        assert host.ask().json == state | {"restarts": 1}


def test_workers_die_with_their_parent(log: Path) -> None:
    with running("on_demand", log) as host, host.connect() as busy:
        busy.sendall(request("/hang"))
        time.sleep(0.2)
        host.process.kill()
        host.process.wait()
        until(lambda: not any(alive(pid) for pid in workers_of(host)), 5)
        assert read_all(busy) == b""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")  # where it is: one that nobody has reaped is dead too
    return not status.exists() or "zombie" not in status.read_text()
