"""Batching as Nuclio's: the handler gets a list of events, and answers with a list of responses.

A batch begins when it is full, or when its first event has waited for the batch time-out. Each
response names the event that it answers (`event_id`). Nuclio collects a batch for all workers of a
function, here each worker collects its own.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from sluice.host.connection import Connection
from sluice.host.event import Event
from sluice.host.poll import Poll, open_poll
from sluice.host.response import Replies, error
from sluice.host.wire import date
from sluice.host.worker import Worker

Batch = list[Connection]


class BatchingWorker(Worker):
    """A worker whose handler gets up to `options.batch_size` events at once."""

    _timer: asyncio.Handle | None = None
    _poll: Poll | None = None

    def _start(self) -> None:
        self._poll = open_poll(self.board, self.options, self.trigger)
        if self._poll is not None:
            self._loop.add_reader(self._poll, self._readable)
        super()._start()

    def watch_reads(self, connection: Connection, on: bool) -> None:
        """Have a connection looked at when there are bytes, or no longer."""
        if self._poll is None:
            super().watch_reads(connection, on)
        else:
            on = on and not self._stays(connection)
            self._poll.watch(connection.slot, connection.sock.fileno(), connection if on else None)

    def submit(self, connection: Connection) -> bool:
        """Put its request into the next batch; its event has never begun on return."""
        self._queue.append((connection, self.clock()))
        self._plan()
        return False

    def _drain(self) -> None:
        super()._drain()
        self._plan()

    def _retire(self) -> None:
        super()._retire()
        self._plan()

    def _plan(self) -> None:
        """Have the next batch begin at its time: at once when it is full, or nothing will come."""
        if self._busy or not self._queue:
            return
        now = len(self._queue) >= self.options.batch_size or self.draining or self.retiring
        if now and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            wait = 0.0 if now else self.options.batch_timeout_s
            self._timer = self._loop.call_later(wait, self._begin)

    def _readable(self) -> None:
        """Begin a batch with what is there, if that need not wait; read the rest."""
        assert self._poll is not None
        waits = self._busy or self.draining or self.options.batch_timeout_s
        most = 0 if waits else self.options.batch_size
        batch, events, rest = self._poll.take(most, time.time())
        for connection, data in rest:
            if data is None:
                connection.readable()
            else:
                connection.receive(memoryview(data))
        if batch:
            self._serve(batch, events, self._give)

    def _begin(self) -> None:
        self._timer = None
        batch = self._take()
        if not batch:
            return
        for connection in batch:
            connection.begin()
        self._serve(batch, [connection.event for connection in batch], self._answer_batch)

    def _take(self) -> Batch:
        """The next batch; those who waited too long are turned away on the way."""
        batch: Batch = []
        limit = self.clock() - self.options.queue_timeout_s - self.options.batch_timeout_s
        while self._queue and len(batch) < self.options.batch_size:
            connection, since = self._queue.popleft()
            if since < limit:
                self._turn_away(connection)
                self._loop.call_soon(connection.resume)
            else:
                batch.append(connection)
        return batch

    def _serve(
        self, batch: Batch, events: Sequence[Event | None], answer: Callable[[Batch, Any], None]
    ) -> None:
        self.board.begun[self.worker_id] = self.clock()
        try:
            output = self._handler(self.context, events)
        except BaseException:  # as Nuclio: whatever a handler raises is a 500, the worker lives on
            self._batch_failed(batch)
        else:
            if inspect.iscoroutine(output):
                self._busy = True
                self._task = self._loop.create_task(self._await_batch(batch, output))
                return
            answer(batch, output)
        self._end()

    async def _await_batch(self, batch: Batch, output: Any) -> None:
        try:
            result = await output
        except BaseException:
            self._batch_failed(batch)
        else:
            self._answer_batch(batch, result)
        self._busy = False
        self._end()

    def _end(self) -> None:
        self.board.begun[self.worker_id] = 0.0
        self._plan()
        self._end_when_empty()

    def _give(self, batch: Batch, output: Any) -> None:
        """Answer what was taken together: what is plain goes out in one go."""
        assert self._poll is not None
        outputs = self._in_order(batch, output)
        deadline = self.clock() + self.options.keep_alive_s
        for place, data, count in self._poll.give(batch, outputs, date(int(time.time())), deadline):
            if data is None:
                self._answer_one(batch[place], outputs[place])
            elif count < 0:
                batch[place].close()
            else:
                batch[place].sent(data, count)

    def _answer_batch(self, batch: Batch, output: Any) -> None:
        for connection, one in zip(batch, self._in_order(batch, output), strict=True):
            self._answer_one(connection, one)

    def _answer_one(self, connection: Connection, output: Any) -> None:
        """Answer an event, with 500 if there is no output, or none that can be sent."""
        if output is None:
            text = f"request {_id(connection)}: the function gave no response with its id"
            connection.answer(error(500, text))
        else:
            self._answer(connection, output)
        self._loop.call_soon(connection.resume)

    def _in_order(self, batch: Batch, output: Any) -> list[Any]:
        """What the handler returned for each event; None if there is nothing."""
        if type(output) is Replies and len(output) == len(batch):
            return output
        found = self._by_event(output, {_id(connection) for connection in batch})
        return [found.get(_id(connection)) for connection in batch]

    def _by_event(self, output: Any, wanted: set[str]) -> dict[str, Any]:
        """The responses by event id. What can't be matched is logged, as by Nuclio."""
        found: dict[str, Any] = {}
        items = output if isinstance(output, list) else [output]
        for item in items:
            event_id = getattr(item, "event_id", None)
            if isinstance(event_id, str) and event_id in wanted and event_id not in found:
                found[event_id] = item
        if len(found) < max(len(wanted), len(items)):
            self.logger.error_with(
                "the responses do not match the batch: return a list with one Response for each"
                " event, with event_id set",
                events=len(wanted), responses=len(items), matched=len(found),
            )  # fmt: skip
        return found

    def _batch_failed(self, batch: Batch) -> None:
        ids = [_id(connection) for connection in batch]
        trace = traceback.format_exc()
        self.logger.error_with("the handler failed", event_ids=ids, traceback=trace)
        for connection, id in zip(batch, ids, strict=True):
            connection.answer(error(500, f"request {id} failed inside the function"))
            self._loop.call_soon(connection.resume)


def _id(connection: Connection) -> str:
    assert connection.event is not None  # it has no answer yet
    return connection.event.id
