"""A worker process: one event at a time, from as many connections as the parent hands over."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

import uvloop

from sluice.errors import DeclarationError, NotFound, SluiceError, VersionRefused
from sluice.host.board import IDLE, Board, HostState
from sluice.host.connection import Connection
from sluice.host.context import Context
from sluice.host.event import Trigger
from sluice.host.function import Handler, initialise, load
from sluice.host.link import DRAIN, READY, RETIRE, Link
from sluice.host.logger import Logger
from sluice.host.options import HostOptions
from sluice.host.response import Later, error, reply

FAILED = 3  # exit code of a worker that did not come up
REFUSED = 4  # that of one that won't come up either when it is tried again
HOPELESS = (DeclarationError, VersionRefused, NotFound)

_SWEEP_S = 0.5
_RETIRE_S = 0.05
_YOUNG = 5000  # a batch has more objects than Python's 700, of which the collector frees none
_LONG_S = 0.01  # an event shorter than this is not counted as a wait of those behind it


class Worker:
    """Serves connections that come over `link`, and tells the board what it is at.

    Args:
        worker_id: from 0.
        link: to the parent.
        board: shared with the parent and the other workers.
        options: the host's.
        clock: monotonic seconds, the same in every process.
    """

    def __init__(
        self,
        worker_id: int,
        link: socket.socket,
        board: Board,
        options: HostOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker_id, self.board, self.options, self.clock = worker_id, board, options, clock
        self.trigger = Trigger("http", options.trigger_name)
        self.logger = Logger(options.log_level, options.log_format, str(worker_id))
        self.context = Context(
            self.logger, str(worker_id), self.trigger, HostState(board, options.workers)
        )
        self.draining = self.retiring = False
        self.held = 0
        self._link = Link(link)
        self._connections: dict[int, Connection] = {}
        self._queue: deque[tuple[Connection, float]] = deque()
        self._busy = False
        self._later: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive
        self._behind = 0.0  # seconds that those whose bytes were here already have waited at least
        self._handler: Handler
        self._loop: asyncio.AbstractEventLoop
        self._done: asyncio.Future[None]

    def run(self, handler: str) -> int:
        """Load the handler, serve until told to stop; the process's exit code."""
        return uvloop.run(self._main(handler))

    async def _main(self, handler: str) -> int:
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        try:
            self._handler = load(handler)
            await initialise(self._handler, self.context)
        except SluiceError as problem:  # says all that there is to say; the parent tells it
            self.board.explain(self.worker_id, str(problem))
            return REFUSED if isinstance(problem, HOPELESS) else FAILED
        except BaseException as problem:  # sys.exit() in there is a failure too
            text = f"worker does not come up: {type(problem).__name__}: {problem}"
            self.logger.error_with(text, handler=handler, traceback=traceback.format_exc())
            return FAILED
        gc.collect()
        gc.freeze()  # what was loaded stays: the collector need not walk it again
        gc.set_threshold(_YOUNG)
        self._start()
        await self._done
        await self._terminate()
        return 0

    def _start(self) -> None:
        self._link.start(self._loop, self._told, self._parent_gone)
        self._link.tell(READY)
        self._loop.call_later(_SWEEP_S, self._sweep, self.clock())

    async def _terminate(self) -> None:
        callback = self.context.platform.on_termination
        if callback is not None:
            result = callback()
            if inspect.iscoroutine(result):
                await result

    # From the parent.

    def _told(self, word: int, sock: socket.socket | None) -> None:
        if word == DRAIN:
            self._drain()
        elif word == RETIRE:
            self._retire()
        elif sock is not None:
            connection = Connection(self, sock, word)
            self._connections[word] = connection
            connection.watch(True)
            kept = self.board.take(word)
            if kept:
                connection.receive(memoryview(kept))

    def _parent_gone(self) -> None:
        """The parent died. On Linux the kernel has killed this process before it comes here."""
        os._exit(1)

    def _drain(self) -> None:
        """End when every request has its answer and every connection is closed."""
        self.draining = True
        self._loop.call_later(self.options.drain_idle_s, self._close_idle)
        self._end_when_empty()

    def _close_idle(self) -> None:
        for connection in list(self._connections.values()):
            if connection.idle():
                connection.close()

    def _end_when_empty(self) -> None:
        if self.draining and not self._connections and not self._busy and not self._done.done():
            self._done.set_result(None)

    def _retire(self) -> None:
        """End when nothing is under way, and leave the connections for other workers."""
        self.retiring = True
        for connection in self._connections.values():
            if connection.waiting or connection.movable():
                connection.watch(False)
        if self._busy or not all(c.movable() for c in self._connections.values()):
            self._loop.call_later(_RETIRE_S, self._retire)
        elif not self._done.done():
            for connection in self._connections.values():
                if not connection.requests.partial:  # else its bytes are on the board
                    self.board.state[connection.slot] = IDLE
            self._done.set_result(None)

    # For the connections.

    def submit(self, connection: Connection) -> bool:
        """Have its request handled, now or when its turn comes; whether its event has begun."""
        if self._busy:
            self._queue.append((connection, self.clock()))
            return False
        self._handle(connection)
        return True

    def closed(self, connection: Connection) -> None:
        """A connection has let go of its socket."""
        del self._connections[connection.slot]
        self._link.tell(connection.slot)
        self._end_when_empty()

    def watch_reads(self, connection: Connection, on: bool) -> None:
        """Call `connection.readable` when there are bytes, or no longer."""
        if on and not self._stays(connection):
            self._loop.add_reader(connection.sock, connection.readable)
        else:
            self._loop.remove_reader(connection.sock)

    def _stays(self, connection: Connection) -> bool:
        """Whether it is left for another worker."""
        return self.retiring and connection.movable()

    def watch_writes(self, connection: Connection, on: bool) -> None:
        """Call `connection.writable` when there is room, or no longer."""
        if on:
            self._loop.add_writer(connection.sock, connection.writable)
        else:
            self._loop.remove_writer(connection.sock)

    # One event at a time.

    def _handle(self, connection: Connection) -> None:
        """Call the handler. A plain function is answered on return, a coroutine later."""
        if self._behind > self.options.queue_timeout_s:
            self._turn_away(connection)
            return
        connection.begin()
        begun = self.board.begun[self.worker_id] = self.clock()
        try:
            output = self._handler(self.context, connection.event)
        except BaseException:  # as Nuclio: whatever a handler raises is a 500, the worker lives on
            self._failed(connection)
        else:
            if inspect.iscoroutine(output):
                self._busy = True
                self._task = self._loop.create_task(self._await(connection, output))
                return
            self._answer(connection, output)
        self.board.begun[self.worker_id] = 0.0
        if (took := self.clock() - begun) > _LONG_S:
            self._fell_behind(took)

    def _fell_behind(self, seconds: float) -> None:
        """What this turn of the loop has still to serve has waited for that long."""
        if not self._behind:
            self._loop.call_soon(self._caught_up)
        self._behind += seconds

    def _caught_up(self) -> None:
        self._behind = 0.0

    def _turn_away(self, connection: Connection) -> None:
        connection.begin()
        text = f"no worker was free for {self.options.queue_timeout_s:g} s"
        connection.answer(error(503, text, {"Retry-After": "1"}))

    async def _await(self, connection: Connection, output: Any) -> None:
        try:
            result = await output
        except BaseException:
            self._failed(connection)
        else:
            self._answer(connection, result)
        self.board.begun[self.worker_id] = 0.0
        self._busy = False
        # A later request of this connection goes to the end of the queue, behind the others'.
        self._loop.call_soon(connection.resume)
        self._next()
        self._end_when_empty()

    def _next(self) -> None:
        while self._queue and not self._busy:
            connection, since = self._queue.popleft()
            if self.clock() - since > self.options.queue_timeout_s:
                self._turn_away(connection)
            else:
                self._handle(connection)
            if not self._busy:
                connection.resume()

    def _answer(self, connection: Connection, output: Any) -> None:
        if type(output) is Later:
            task = self._loop.create_task(self._answer_later(connection, output))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
            return
        try:
            connection.answer(reply(output))
        except Exception:  # not a reply, or with headers that would break one: logged, and a 500
            self._failed(connection)

    async def _answer_later(self, connection: Connection, later: Later) -> None:
        """Answer when the reply is there, which may take as long as an event."""
        limit = self.options.event_timeout_s
        future = asyncio.wrap_future(later.future)
        await asyncio.wait([future], timeout=limit)
        if not future.done():
            future.cancel()
            connection.answer(error(504, f"the reply took longer than {limit:g} s"))
        else:
            self._answer_found(connection, later, future)
        connection.resume()
        self._end_when_empty()

    def _answer_found(
        self, connection: Connection, later: Later, found: asyncio.Future[Any]
    ) -> None:
        """Have the function make the reply; it may hang in there, as in an event."""
        begun = self.board.begun
        before = begun[self.worker_id]  # that of a coroutine that goes on
        begun[self.worker_id] = before or self.clock()
        try:
            output = later.then(found.result())
        except BaseException:
            self._failed(connection)
        else:
            self._answer(connection, output)
        begun[self.worker_id] = before

    def _failed(self, connection: Connection) -> None:
        event = connection.event
        assert event is not None  # it has no answer yet
        self.logger.error_with(
            "the handler failed",
            event_id=event.id, method=event.method, path=event.path,
            traceback=traceback.format_exc(),
        )  # fmt: skip
        text = f"request {event.id} failed inside the function"
        connection.answer(error(500, text))

    def _sweep(self, last: float) -> None:
        """Expire connections. Time in which the handler held the loop is not the clients' fault."""
        now = self.clock()
        blocked = max(0.0, now - last - 2 * _SWEEP_S)
        for connection in list(self._connections.values()):
            connection.deadline += blocked
            if connection.deadline < now and not connection.waiting:
                connection.expire()
        self._loop.call_later(_SWEEP_S, self._sweep, now)
