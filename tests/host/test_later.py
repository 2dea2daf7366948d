"""Replies that come later: the worker goes on with other events meanwhile."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sluice.host import Event, call
from tests.host.running import Running, read_reply, request, running, until

ALONE: dict[str, Any] = {"workers": 1}
BATCHED: dict[str, Any] = {"workers": 1, "batch_size": 8, "batch_timeout_s": 0.0}


@pytest.fixture(scope="module", params=[ALONE, BATCHED], ids=["alone", "batched"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = tmp_path_factory.mktemp("later") / "log"
    with running("later", log, **request.param) as host:
        yield host


@contextmanager
def asked(host: Running, *paths: str) -> Iterator[list[socket.socket]]:
    """Connections that wait for the replies to these; when they have begun."""
    with ExitStack() as stack:
        socks = [stack.enter_context(host.connect()) for _ in paths]
        for sock, path in zip(socks, paths, strict=True):
            sock.sendall(request(path))
        host.ask("/ping")  # the one worker has begun what was there before
        yield socks


def go(host: Running) -> None:
    assert host.ask("/go").body == b"went"


def test_others_are_answered_meanwhile(host: Running) -> None:
    with asked(host, "/wait", "/own", "/raise", "/late", "/break") as socks:
        assert host.ask("/ping").status == 200
        go(host)
        done = [read_reply(sock) for sock in socks]
    assert [answer.status for answer in done] == [200, 200, 500, 500, 500]
    assert [answer.body for answer in done[:2]] == [b"gone", b"MainThread"]
    assert not any(b"secret" in answer.body for answer in done)


def test_a_connection_goes_on_after_it(host: Running) -> None:
    """Also with requests that were sent ahead of the reply, in their order."""
    with asked(host, "/wait") as [sock]:
        sock.sendall(request("/go") + request("/go"))
        go(host)
        assert [read_reply(sock).body for _ in range(3)] == [b"gone", b"went", b"went"]
        sock.sendall(request("/go"))
        assert read_reply(sock).body == b"went"


def test_a_client_that_leaves_harms_nobody(host: Running) -> None:
    with asked(host, "/wait", "/wait"):
        pass
    go(host)
    go(host)


def test_what_comes_too_late_is_a_504_and_the_worker_lives_on(tmp_path: Path) -> None:
    with running("later", tmp_path / "log", event_timeout_s=0.3, **BATCHED) as host:
        with asked(host, "/wait") as [sock]:
            assert read_reply(sock).status == 504
        go(host)
        assert len(host.said("worker ready")) == 1


@pytest.mark.parametrize("options", [ALONE, BATCHED], ids=["alone", "batched"])
def test_a_worker_that_hangs_while_it_makes_the_reply_is_replaced(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with running("later", tmp_path / "log", event_timeout_s=1.0, **options) as host:
        with asked(host, "/hang") as [sock]:
            go(host)
            assert read_reply(sock).status == 504
        host.await_ready(2)
        go(host)


def test_who_waits_is_answered_before_the_host_ends(tmp_path: Path) -> None:
    with running("later", tmp_path / "log", drain_idle_s=20.0, **ALONE) as host:
        with asked(host, "/wait") as [sock], host.connect() as other:
            host.ask("/ping")
            host.process.send_signal(signal.SIGTERM)
            until(lambda: bool(host.said("stopping")))
            other.sendall(request("/go"))
            assert read_reply(sock).body == b"gone"
        assert host.process.wait(20) == 0


def test_a_worker_that_dies_leaves_a_503(tmp_path: Path) -> None:
    with running("later", tmp_path / "log", **BATCHED) as host, asked(host, "/wait") as [sock]:
        os.kill(int(host.ask("/ping").body), signal.SIGKILL)
        assert read_reply(sock).status == 503


def test_a_call_in_this_process_waits() -> None:
    future: Future[str] = Future()
    future.set_result("done")
    assert call(lambda context, _: context.Later(future, str.upper), Event()).body == b"DONE"
