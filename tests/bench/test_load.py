"""The load generator against a server that counts for itself."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.load import Lost, complete, load, request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RECORDS = [{"n": n} for n in range(5)]
Reply = Callable[[int], list[bytes]]


class Counting:
    """A server, a thread for each connection. `bodies` are what came, in order.

    `reply` gives what is sent for the nth request, chunk by chunk; nothing closes the connection.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply, self.bodies, self.connections = reply, list[bytes](), 0
        self._lock = threading.Lock()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._talk, args=(sock,)))
            self._threads[-1].start()

    def _talk(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(10)
            while data := self._receive(sock):
                with self._lock:
                    self.bodies.append(data.partition(b"\r\n\r\n")[2])
                    chunks = self.reply(len(self.bodies))
                if not chunks:
                    return
                for chunk in chunks:
                    sock.sendall(chunk)

    @staticmethod
    def _receive(sock: socket.socket) -> bytes:
        try:
            return sock.recv(65536)
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for thread in self._threads:
            thread.join(10)


@contextmanager
def counting(reply: Reply = lambda n: [OK]) -> Iterator[Counting]:
    server = Counting(reply)
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("connections", [1, 8])
def test_every_request_is_counted_once(connections: int) -> None:
    with counting() as server:
        outcome = load(server.port, [request(r) for r in RECORDS], connections, 0.2)
        assert server.connections == connections
        assert len(server.bodies) == len(outcome.latencies) == outcome.statuses[200] > connections
    assert 0.2 <= outcome.elapsed < 5
    assert outcome.rate == pytest.approx(len(server.bodies) / outcome.elapsed)
    assert all(0 < latency <= outcome.elapsed for latency in outcome.latencies)


def test_it_goes_round_in_the_requests() -> None:
    with counting() as server:
        load(server.port, [request(r) for r in RECORDS], 1, 0.1)
    asked = [json.loads(body) for body in server.bodies]
    assert asked == [RECORDS[n % 5] for n in range(len(asked))]


def test_each_connection_asks_at_least_once() -> None:
    with counting() as server:
        outcome = load(server.port, [request(RECORDS[0])], 4, 0.0)
    assert outcome.statuses == {200: 4}


def test_other_statuses_are_told_apart() -> None:
    busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    with counting(lambda n: [busy] if n % 2 else [OK]) as server:
        outcome = load(server.port, [request(RECORDS[0])], 1, 0.1)
    assert abs(outcome.statuses[503] - outcome.statuses[200]) <= 1
    assert set(outcome.statuses) == {200, 503}


def test_a_reply_in_pieces_is_one_reply() -> None:
    with counting(lambda n: [OK[:9], OK[9:30], OK[30:]]) as server:
        outcome = load(server.port, [request(RECORDS[0])], 2, 0.1)
    assert outcome.statuses == {200: len(server.bodies)}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ([], "closed before its reply"),
        ([b"HTTP/1.1 200 OK\r\n\r\n"], "without content-length"),
        ([OK + b"!"], "1 bytes behind"),
    ],
)
def test_a_broken_reply_is_an_error(reply: list[bytes], why: str) -> None:
    with counting(lambda n: reply) as server, pytest.raises(Lost, match=why):
        load(server.port, [request(RECORDS[0])], 1, 5.0)


def test_complete() -> None:
    assert [complete(OK[:n]) for n in range(len(OK))] == [None] * len(OK)
    assert complete(OK) == 200
