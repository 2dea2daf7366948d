"""Much of everything: nothing hangs, and nothing else is hurt.

MALFORMED sets how many malformed requests and bodies are sent (default 500), IDLE how many idle
connections are held (default 1,000).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import resource
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.host.load import Load
from tests.host.running import Running, read_all, read_reply, request, running, until

MALFORMED = int(os.environ.get("MALFORMED", "500"))
IDLE = int(os.environ.get("IDLE", "1000"))


def malformed(rng: random.Random) -> bytes:
    """A request in which something is not as it should be."""
    body = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
    good = request("/?x=1", body, "Content-Type: application/json")
    at = rng.randrange(len(good))
    length = f"Content-Length: {len(body)}".encode()
    return rng.choice([
        body,
        good[:at],
        good[:at] + bytes([rng.randrange(256)]) + good[at + 1 :],
        good.replace(length, b"Content-Length: %d" % rng.randrange(10**12)),
        good.replace(length, b"Content-Length: -1"),
        good.replace(length, b"Transfer-Encoding: chunked"),
        good.replace(length, length + b"\r\nTransfer-Encoding: chunked"),
        good.replace(b"HTTP/1.1", b"HTTP/%d.%d" % (rng.randrange(10), rng.randrange(10))),
        good.replace(b"\r\n", rng.choice([b"\n", b"\r", b"\0\r\n"])),
        good.replace(b"/?x=1", b"/" + body),
        good,
    ])  # fmt: skip


def send(host: Running, data: bytes) -> str:
    """The status that this gets, "closed" for none."""
    with host.connect() as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            reply = read_all(sock)
        except ConnectionError:
            return "closed"
    return reply.split()[1].decode() if reply else "closed"


def test_malformed_requests_and_bodies(log: Path) -> None:
    rng = random.Random(4)
    with running("echo", log) as host, Load(host, 1, "/") as load:
        outcomes = Counter(send(host, malformed(rng)) for _ in range(MALFORMED))
        assert host.ask("/").status == 200
        assert len(host.said("worker ready")) == 2, "no worker was lost"
        # A body of bytes that are no UTF-8 makes this handler itself fail: its own 500.
        assert set(outcomes) <= {"200", "400", "413", "431", "500", "closed"}, outcomes
        assert outcomes["400"] > MALFORMED / 10
    assert set(load.outcomes) == {"200"}


def test_fifty_megabytes_of_body(log: Path) -> None:
    body = os.urandom(1 << 20) * 50
    with (
        running("digest", log, max_body_bytes=len(body)) as host,
        Load(host, 2, "/") as load,
    ):
        answer = host.ask(body=body)
        assert answer.json["sha256"] == hashlib.sha256(body).hexdigest()
        assert host.ask(body=body + b"x").status == 413
    assert set(load.outcomes) == {"200"}


def test_fifty_megabytes_where_they_are_too_many(log: Path) -> None:
    """The refusal gets through to a client that sends on, and costs no memory."""
    with running("digest", log, workers=1) as host:
        client = http.client.HTTPConnection("127.0.0.1", host.port, timeout=20)
        client.putrequest("POST", "/")
        client.putheader("Content-Length", str(50 << 20))
        client.endheaders()
        try:
            for _ in range(50):
                client.send(b"x" * (1 << 20))
        except ConnectionError:
            pass  # it was let go before it had sent all
        else:
            assert client.getresponse().status == 413
        finally:
            client.close()
        assert host.ask(body=b"x").status == 200


def test_idle_connections_hurt_nobody(log: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 200:
        pytest.skip(f"the system lets a process have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 200), hard))
    with running("on_demand", log) as host, ExitStack() as stack:
        quiet = rate(host)
        idle = [stack.enter_context(host.connect()) for _ in range(IDLE)]
        for sock in idle[::2]:  # half of them have had an answer, half have sent nothing
            sock.sendall(request("/pid"))
            assert read_reply(sock).status == 200
        assert rate(host) > quiet / 3
        os.kill(int(host.ask("/pid").body), signal.SIGKILL)
        until(lambda: len(host.said("worker ready")) == 3)
        for sock in idle[::100]:
            sock.sendall(request("/pid"))
            assert read_reply(sock).status == 200, "they outlive a worker"
        begin = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - begin < 5


def rate(host: Running, seconds: float = 0.7) -> float:
    """Requests a second of four clients."""
    with Load(host, 4, "/pid") as load:
        time.sleep(seconds)
    assert set(load.outcomes) == {"200"}
    return load.outcomes["200"] / seconds
