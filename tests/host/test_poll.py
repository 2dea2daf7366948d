"""The plain case, compiled, is what connections do by themselves; whatever way the bytes come."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.compiled import POLL, compiled
from sluice.host.batching import BatchingWorker
from sluice.host.board import BEGUN, IDLE, SENDING, TAKEN, Board
from sluice.host.event import Event
from sluice.host.head import forget, heads, shapes
from sluice.host.options import HostOptions
from sluice.host.poll import open_poll
from sluice.host.response import Replies, Reply
from tests.host.handlers import in_order
from tests.host.load import Load
from tests.host.running import read_reply, request, running, until
from tests.host.test_heads import DRAWN, ODD, WHOLE
from tests.host.test_workers import CRASHES, workers_of

pytestmark = pytest.mark.skipif(
    compiled("Poll", POLL) is None, reason="installed without a C compiler, or not on Linux"
)
OPTIONS = HostOptions(
    batch_size=3, batch_timeout_s=0.0, max_connections=4, max_body_bytes=50, max_header_bytes=300
)
Handler = Callable[[Any, list[Event]], Any]


class Done:
    """A task that is over."""

    def add_done_callback(self, call: Callable[[Done], None]) -> None:
        call(self)


class Turns:
    """A loop that turns when it is told to."""

    def __init__(self) -> None:
        self.readers: dict[Any, Callable[[], None]] = {}
        self.writers: dict[Any, Callable[[], None]] = {}
        self.soon: list[Callable[[], None]] = []

    def add_reader(self, file: Any, call: Callable[[], None]) -> None:
        self.readers[file] = call

    def add_writer(self, file: Any, call: Callable[[], None]) -> None:
        self.writers[file] = call

    def remove_reader(self, file: Any) -> None:
        self.readers.pop(file, None)

    def remove_writer(self, file: Any) -> None:
        self.writers.pop(file, None)

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        self.soon.append(lambda: call(*args))

    def call_later(self, delay: float, call: Callable[..., None], *args: Any) -> None:
        assert delay == 0
        self.call_soon(call, *args)

    def create_task(self, work: Coroutine[Any, Any, None]) -> Done:
        asyncio.run(work)
        return Done()

    def turn(self) -> bool:
        """Once around; whether there was anything to do."""
        read, write, _ = select.select(list(self.readers), list(self.writers), [], 0)
        calls = [self.readers[file] for file in read] + [self.writers[file] for file in write]
        calls, self.soon = self.soon + calls, []
        for call in calls:
            call()
        return bool(calls)


class Bench:
    """A worker with connections to four clients; `seen` are the batches of its handler."""

    def __init__(self, handler: Handler, options: HostOptions, *, plain: bool) -> None:
        self.loop, self.board = Turns(), Board(1, options.max_connections)
        self._line = socket.socketpair()
        self.worker = BatchingWorker(0, self._line[0], self.board, options, clock=lambda: 1.0)
        self.worker._loop, self.worker._handler = self.loop, self._handle  # type: ignore[assignment]
        self._answer, self.seen = handler, list[list[tuple[Any, ...]]]()
        self.worker._link.start(self.loop, self.worker._told, self.worker._parent_gone)  # type: ignore[arg-type]
        if plain:
            self.worker._poll = open_poll(self.board, options, self.worker.trigger)
            self.loop.add_reader(self.worker._poll, self.worker._readable)
        self.clients = [self._connect(slot) for slot in range(options.max_connections)]

    def _connect(self, slot: int) -> socket.socket:
        client, server = socket.socketpair()
        client.setblocking(False)
        server.setblocking(False)
        self.board.open(slot)
        self.worker._told(slot, server)
        return client

    def _handle(self, context: Any, events: list[Event]) -> Any:
        for event in events:
            event.received = 0.0
        self.seen.append([fields(event) for event in events])
        return self._answer(context, events)

    def turn(self) -> None:
        """Until nothing is left to do."""
        for _ in range(100):
            if not self.loop.turn():
                return
        raise AssertionError("it does not end")

    def heard(self) -> list[bytes]:
        """What each client has got."""
        return [_received(client) for client in self.clients]

    def close(self) -> None:
        for connection in list(self.worker._connections.values()):
            connection.close()
        for sock in (*self.clients, *self._line):
            sock.close()


def fields(event: Event) -> tuple[Any, ...]:
    return event.raw, event.method, event.target, event.path, event.headers, event.fields


def _received(client: socket.socket) -> bytes:
    data = b""
    try:
        while piece := client.recv(1 << 20):
            data += piece
    except BlockingIOError:
        return data
    return data + b"<end>"


@contextmanager
def bench(handler: Handler, options: HostOptions = OPTIONS, *, plain: bool) -> Iterator[Bench]:
    made = Bench(handler, options, plain=plain)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    forget()
    yield
    forget()


WORDS = "hentbsurdl0a"
ASKED = [
    wire_request
    for word in WORDS
    for wire_request in (
        request("/", word.encode()),
        request("/x?y=1", word.encode(), "Connection: keep-alive"),
    )
]
PIECES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(ASKED + WHOLE + ODD) | DRAWN,
        st.integers(1, 400) | st.just(400),
        st.booleans(),
    ),
    max_size=20,
)


def told(pieces: list[tuple[int, bytes, int, bool]], *, plain: bool) -> tuple[Any, ...]:
    """Events and replies when clients send this, each cut in two, or more before the worker
    looks."""
    with bench(in_order.handler, plain=plain) as made:
        heard = [b""] * 4
        for client, data, cut, at_once in pieces:
            for part in (data[:cut], data[cut:]):
                _send(made.clients[client], part)
                if not at_once:
                    made.turn()
                    heard = [a + b for a, b in zip(heard, made.heard(), strict=True)]
        made.turn()
        heard = [a + b for a, b in zip(heard, made.heard(), strict=True)]
        events = sorted(str(event) for batch in made.seen for event in batch)
        return events, [_settled(data) for data in heard], list(made.board.state[:4])


def _send(client: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # the worker has said goodbye
        client.sendall(data)


def _settled(data: bytes) -> bytes:
    """Without what differs from run to run: the time, and ids."""
    data = re.sub(rb"date: [^\r]*GMT", b"date", data).replace(b"<end>", b"")
    return re.sub(rb"request [0-9a-f-]{36}", b"request", data)


@given(PIECES)
def test_plain_or_not_it_is_the_same(pieces: list[tuple[int, bytes, int, bool]]) -> None:
    forget()
    told([(0, data, 400, False) for data in ASKED + WHOLE], plain=False)
    assert told(pieces, plain=True) == told(pieces, plain=False)


def plainly(context: Any, events: list[Event]) -> Replies:
    return Replies([Reply(200, "text/plain", event.raw, {}) for event in events])


def known(made: Bench, *requests: bytes) -> None:
    """Have the heads of these known."""
    for data in requests:
        made.clients[0].sendall(data)
        made.turn()
    made.heard()
    made.seen.clear()


def test_an_event_is_the_one_that_the_head_makes() -> None:
    with bench(plainly, plain=True) as made:
        data = request("/%41?b=c", b"{}", "X-Some: 1")
        known(made, data)
        [(key, head)] = heads.items()
        made.clients[0].sendall(data)
        assert made.worker._poll is not None
        [connection], [event], rest = made.worker._poll.take(3, 12.5)
        assert connection.event is event
        own, same = vars_of(event), vars_of(head.event(b"{}", made.worker.trigger))
        assert own.pop("received") == 12.5
        assert same.pop("received") > 12.5
        assert (own, rest) == (same, [])
        assert event.headers is not head.headers
        assert data.startswith(key)


def vars_of(event: Event) -> dict[str, Any]:
    """All that is set on it."""
    slots = [name for name in Event.__slots__ if name != "__dict__" and hasattr(event, name)]
    return {name: getattr(event, name) for name in slots} | vars(event)


def test_ids_and_lengths_may_differ() -> None:
    with bench(plainly, plain=True) as made:
        known(made, request("/", b"x", "X-Request-Id: 1"))
        made.clients[0].sendall(request("/", b"x" * 12, "X-Request-Id: 2 3"))
        assert made.worker._poll is not None
        [_], [event], rest = made.worker._poll.take(3, 12.5)
        assert (event.raw, rest) == (b"x" * 12, [])
        assert (event.headers["Content-Length"], event.headers["X-Request-Id"]) == ("12", "2 3")


def test_no_more_is_read_than_a_batch_takes() -> None:
    states = []

    def look(context: Any, events: list[Event]) -> Replies:
        states.append(sorted(made.board.state[:4]))
        return plainly(context, events)

    with bench(look, plain=True) as made:
        known(made, request("/", b"x"))
        states.clear()
        for client in made.clients:
            client.sendall(request("/", b"x"))
        made.turn()
        assert [len(batch) for batch in made.seen] == [3, 1]
        assert states == [[IDLE, BEGUN, BEGUN, BEGUN], [IDLE, IDLE, IDLE, BEGUN]]
        heard = made.heard()
        assert [data.count(b"HTTP/1.1 200 OK") for data in heard] == [1] * 4
        assert list(made.board.state[:4]) == [IDLE] * 4
        assert list(made.board.sent[1:4]) == [len(data) for data in heard[1:]]


def test_others_wait_on_the_board_while_bytes_are_unknown() -> None:
    with bench(plainly, plain=True) as made:
        known(made, request("/", b"x"))
        made.clients[0].sendall(request("/", b"x"))
        made.clients[1].sendall(request("/", b"x")[:20])
        made.loop.turn()
        assert len(made.seen) == 1
        assert made.board.state[1] not in (IDLE, TAKEN, BEGUN, SENDING)  # it is kept
        made.clients[1].sendall(request("/", b"x")[20:])
        made.turn()
        assert made.heard()[1].endswith(b"\r\n\r\nx")


@pytest.mark.parametrize("plain", [False, True])
def test_of_a_request_whose_beginning_is_not_on_the_board_nothing_is(plain: bool) -> None:
    first, second = request("/", b"x"), request("/", b"y" * 20)
    with bench(plainly, plain=plain) as made:
        made.clients[0].sendall(first + second[:-10])
        made.loop.turn()
        made.clients[0].sendall(second[-10:-5])
        made.loop.turn()  # the first is answered, and then more of the second is read
        assert made.heard()[0].endswith(b"\r\n\r\nx")
        assert (made.board.state[0], made.board.take(0)) == (TAKEN, b"")
        made.clients[0].sendall(second[-5:])
        made.turn()
        assert made.heard()[0].endswith(b"y" * 20)


@pytest.mark.parametrize("plain", [False, True])
def test_line_breaks_after_a_request_are_none(plain: bool) -> None:
    with bench(plainly, plain=plain) as made:
        known(made, request("/", b"x"))
        for piece in (b"\r\n", b"\r", b"\n"):
            made.clients[0].sendall(piece)
            made.turn()
            assert made.board.state[0] == IDLE
        made.clients[0].sendall(request("/", b"y"))
        made.turn()
        assert made.heard()[0].endswith(b"\r\n\r\ny")


def test_who_sends_too_much_has_the_answers_to_what_came_before() -> None:
    options = replace(OPTIONS, max_held_bytes=50)
    first, second = request("/", b"x"), request("/", b"y" * 20)
    with bench(plainly, options, plain=False) as made:
        made.clients[0].sendall(first + second[:-10])
        made.turn()
        assert made.heard()[0].endswith(b"\r\n\r\nx")
        made.clients[0].sendall(second[-10:-5])
        made.turn()
        assert made.heard()[0].startswith(b"HTTP/1.1 503 ")
        assert len(made.seen) == 1


def test_a_reply_that_the_kernel_does_not_take_whole_goes_on() -> None:
    body = bytes(range(256)) * 40_000

    def large(context: Any, events: list[Event]) -> Replies:
        return Replies([Reply(200, "text/plain", body, {}) for _ in events])

    with bench(large, plain=True) as made:
        client, data = made.clients[0], request("/", b"x")
        for count in range(3):  # the first is parsed, and the last comes before it is there
            client.sendall(data)
            got = b""
            while not got.endswith(body):
                made.loop.turn()
                if count == 2 and not got:
                    client.sendall(data)
                got += _received(client)
            assert got.count(b"HTTP/1.1") == 1
            made.turn()
        while not got.endswith(body) or got.count(b"HTTP/1.1") < 2:
            made.loop.turn()
            got += _received(client)
        assert made.board.state[0] == IDLE
        assert not made.loop.writers


def test_a_client_that_leaves_is_let_go() -> None:
    def gone(context: Any, events: list[Event]) -> Replies:
        if events[0].raw == b"g":
            made.clients[0].close()
        return plainly(context, events)

    with bench(gone, plain=True) as made:
        known(made, request("/", b"x"))
        made.clients[0].sendall(request("/", b"g"))
        made.clients[1].close()
        made.turn()
        assert sorted(made.worker._connections) == [2, 3]
        assert made.worker._link._unsent == b""


def test_poll_says_what_it_does_not_take() -> None:
    with bench(plainly, plain=True) as made:
        poll = made.worker._poll
        assert poll is not None
        with pytest.raises(IndexError, match="slot 4 of 4"):
            poll.watch(4, 0, None)
        with pytest.raises(ValueError, match="0 were taken"):
            poll.give([made.worker._connections[0]], [None], b"", 1.0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            poll.watch(0, 1 << 20, None)


def test_what_is_let_go_can_be_collected() -> None:
    with bench(plainly, plain=True) as made:
        connection, kept = made.worker._connections[2], sys.getrefcount
        before = kept(connection)
        for _ in range(10):
            made.clients[2].sendall(request("/", b"x"))
            made.turn()
        made.heard()
        assert kept(connection) == before
        connection.watch(False)
        assert kept(connection) == before - 1
        [shape] = shapes.values()
        assert kept(shape) <= 3


def test_crash_answers_the_events_of_the_batch_and_no_others(log: Path) -> None:
    with running("in_order", log, workers=1, batch_size=2, batch_timeout_s=0) as host:
        socks = [host.connect() for _ in range(5)]
        for sock in socks:
            sock.sendall(request("/", b"x"))
            read_reply(sock)
        for sock, body in zip(socks, (b"z", b"k", b"x", b"x", b"x"), strict=True):
            sock.sendall(request("/", body))
            time.sleep(0.03)
        assert [read_reply(sock).status for sock in socks] == [200, 503, 503, 200, 200]
        for sock in socks:
            sock.close()


def test_no_request_vanishes_when_workers_are_killed_under_load(log: Path) -> None:
    with running("in_order", log, batch_size=8, batch_timeout_s=0) as host:
        with Load(host, 8, "/") as load:
            for i in range(CRASHES):
                until(lambda i=i: len(workers_of(host)) >= 2 + i)  # type: ignore[misc]
                time.sleep(0.15)
                os.kill(workers_of(host)[i], signal.SIGKILL)
            until(lambda: len(workers_of(host)) >= 2 + CRASHES)
            time.sleep(0.2)
        assert load.outcomes["200"] > 100
        assert load.outcomes["503"] <= 4 * CRASHES
        assert set(load.outcomes) <= {"200", "503"}, load.outcomes
