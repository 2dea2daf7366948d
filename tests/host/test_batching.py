"""Batches, as Nuclio makes them: up to so many events, or those that came within the time-out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.host.load import Load
from tests.host.running import Answer, Running, read_reply, request, running, until

ALL = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("batch") / "log"
    with running("batch", log, workers=1, batch_size=4, batch_timeout_s=0.25) as host:
        yield host


def ask_all(host: Running, paths: list[str]) -> list[Answer]:
    """One request for each path at the same time; their bodies are a, b, c…"""
    socks: list[socket.socket] = []
    for path, body in zip(paths, "abcdefgh", strict=False):
        sock = host.connect()
        sock.sendall(request(path, body.encode()))
        socks.append(sock)
        time.sleep(0.01)
    try:
        return [read_reply(sock) for sock in socks]
    finally:
        for sock in socks:
            sock.close()


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def test_full_batch_begins_at_once(host: Running) -> None:
    begin = time.monotonic()
    answers = ask_all(host, ["/"] * 4)
    assert time.monotonic() - begin < 0.25
    assert [a.json["bodies"] for a in answers] == [ALL] * 4
    assert [a.headers["X-Body"] for a in answers] == ALL


def test_batch_that_is_not_full_begins_after_the_time_out(host: Running) -> None:
    begin = time.monotonic()
    answers = ask_all(host, ["/"] * 2)
    assert 0.2 < time.monotonic() - begin < 2
    assert [a.json["bodies"] for a in answers] == [["a", "b"]] * 2


def test_more_than_one_batch(host: Running) -> None:
    answers = ask_all(host, ["/sleep"] * 6)
    assert [a.json["bodies"] for a in answers] == [ALL] * 4 + [["e", "f"]] * 2


@pytest.mark.parametrize("path", ["/reverse", "/later"])
def test_replies_find_their_event_by_its_id(host: Running, path: str) -> None:
    answers = ask_all(host, [path] * 4)
    assert [a.headers["X-Body"] for a in answers] == ALL


@pytest.mark.parametrize(
    ("path", "error"),
    [("/forget", "gave no response with its id"), ("/wrong-id", "gave no response with its id"),
     ("/odd-id", "gave no response with its id"),
     ("/split", "failed inside the function")],
)  # fmt: skip
def test_one_wrong_reply_hurts_its_own_event_only(host: Running, path: str, error: str) -> None:
    answers = ask_all(host, ["/", path, "/", "/"])
    assert statuses(answers) == [200, 500, 200, 200]
    assert error in answers[1].json["error"]


@pytest.mark.parametrize("path", ["/raise", "/no-list"])
def test_batch_that_fails_as_a_whole(host: Running, path: str) -> None:
    answers = ask_all(host, [path, "/", "/", "/"])
    assert statuses(answers) == [500] * 4
    assert not any("secret" in a.json["error"] for a in answers)
    assert statuses(ask_all(host, ["/"] * 4)) == [200] * 4


def test_mismatch_is_logged(host: Running) -> None:
    ask_all(host, ["/forget", "/", "/", "/"])
    records = [r for r in host.records() if r["message"].startswith("the responses do not match")]
    assert records[-1]["with"] == {"events": 4, "responses": 3, "matched": 3}


def test_pipelined_requests_come_one_in_each_batch(host: Running) -> None:
    with host.connect() as sock:
        sock.sendall(request("/", b"1") + request("/", b"2"))
        assert [read_reply(sock).json["bodies"] for _ in range(2)] == [["1"], ["2"]]


def test_crash_answers_the_events_of_the_batch_and_no_others(log: Path) -> None:
    with running("batch", log, workers=1, batch_size=2, batch_timeout_s=0.2) as host:
        answers = ask_all(host, ["/sleep", "/", "/die", "/", "/"])
        assert statuses(answers) == [200, 200, 503, 503, 200]
        assert answers[2].headers["Retry-After"] == "1"


def test_crash_between_replies_answers_nothing_twice(log: Path) -> None:
    with running("batch", log, workers=1, batch_size=3, batch_timeout_s=0.2) as host:
        socks = [host.connect() for _ in range(3)]
        for sock, path in zip(socks, ["/", "/die-late", "/"], strict=True):
            sock.sendall(request(path, b"a"))
            time.sleep(0.01)
        assert [read_reply(sock).status for sock in socks] == [200, 503, 503]
        socks[0].sendall(request("/", b"b"))
        assert read_reply(socks[0]).json["bodies"] == ["b"]
        for sock in socks:
            sock.close()


def test_hang_answers_504_to_each_event_of_the_batch(log: Path) -> None:
    with running(
        "batch", log, workers=1, batch_size=2, batch_timeout_s=0.2, event_timeout_s=0.8
    ) as host:
        assert statuses(ask_all(host, ["/hang", "/", "/"])) == [504, 504, 200]


def test_stop_does_not_wait_for_the_batch_to_fill(log: Path) -> None:
    with running("batch", log, workers=1, batch_size=50, batch_timeout_s=60) as host:
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(host.ask, "/", b"x") for _ in range(3)]
            time.sleep(0.4)
            assert host.stop() == 0
        assert [w.result().status for w in waiting] == [200] * 3


def test_stop_under_load_loses_no_request(log: Path) -> None:
    with running("batch", log, batch_size=4, batch_timeout_s=0.01) as host:
        with Load(host, 10, "/") as load:
            until(lambda: load.outcomes["200"] > 50)
            stop = threading.Thread(target=host.stop)
            stop.start()
            stop.join()
        assert set(load.outcomes) == {"200"}


def test_without_a_time_out_a_batch_is_what_is_there(log: Path) -> None:
    with running("batch", log, workers=1, batch_size=8, batch_timeout_s=0) as host:
        answers = ask_all(host, ["/sleep", "/", "/", "/"])
    assert [a.json["bodies"] for a in answers] == [["a"], *[["b", "c", "d"]] * 3]
