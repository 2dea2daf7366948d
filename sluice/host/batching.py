"""Batching as Nuclio's: the handler gets a list of events, and answers with a list of responses.

A batch begins when it is full, or when its first event has waited for the batch time-out. Each
response names the event that it answers (`event_id`). Nuclio collects a batch for all workers of a
function, here each worker collects its own.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from typing import Any

from sluice.host.connection import Connection
from sluice.host.response import error
from sluice.host.wire import Request
from sluice.host.worker import Worker

Batch = list[tuple[Connection, Request]]


class BatchingWorker(Worker):
    """A worker whose handler gets up to `options.batch_size` events at once."""

    _timer: asyncio.Handle | None = None

    def submit(self, connection: Connection, request: Request) -> bool:
        """Put the request into the next batch; its event has never begun on return."""
        self._queue.append((connection, request, self.clock()))
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

    def _begin(self) -> None:
        self._timer = None
        batch = self._take()
        if not batch:
            return
        for connection, _ in batch:
            connection.begin()
        self.board.begun[self.worker_id] = self.clock()
        try:
            output = self._handler(self.context, [request.event for _, request in batch])
        except BaseException:  # as Nuclio: whatever a handler raises is a 500, the worker lives on
            self._batch_failed(batch)
        else:
            if inspect.iscoroutine(output):
                self._busy = True
                self._task = self._loop.create_task(self._await_batch(batch, output))
                return
            self._answer_batch(batch, output)
        self._end(batch)

    def _take(self) -> Batch:
        """The next batch; those who waited too long are turned away on the way."""
        batch: Batch = []
        limit = self.clock() - self.options.queue_timeout_s - self.options.batch_timeout_s
        while self._queue and len(batch) < self.options.batch_size:
            connection, request, since = self._queue.popleft()
            if since < limit:
                self._turn_away(connection, request)
                self._loop.call_soon(connection.resume)
            else:
                batch.append((connection, request))
        return batch

    async def _await_batch(self, batch: Batch, output: Any) -> None:
        try:
            result = await output
        except BaseException:
            self._batch_failed(batch)
        else:
            self._answer_batch(batch, result)
        self._busy = False
        self._end(batch)

    def _end(self, batch: Batch) -> None:
        self.board.begun[self.worker_id] = 0.0
        self._loop.call_soon(self._resume, batch)
        self._plan()
        self._end_when_empty()

    def _resume(self, batch: Batch) -> None:
        for connection, _ in batch:
            connection.resume()

    def _answer_batch(self, batch: Batch, output: Any) -> None:
        """Give each event its response; 500 for one that got none, or none that can be sent."""
        responses = self._by_event(output, {request.event.id for _, request in batch})
        for connection, request in batch:
            response = responses.get(request.event.id)
            if response is None:
                text = f"request {request.event.id}: the function gave no response with its id"
                connection.answer(request, error(500, text))
                continue
            self._answer(connection, request, response)

    def _by_event(self, output: Any, wanted: set[str]) -> dict[str, Any]:
        """The responses by event id. What can't be matched is logged, as by Nuclio."""
        found: dict[str, Any] = {}
        items = output if isinstance(output, list) else [output]
        for item in items:
            event_id = getattr(item, "event_id", None)
            if event_id in wanted and event_id not in found:
                found[event_id] = item
        if len(found) < max(len(wanted), len(items)):
            self.logger.error_with(
                "the responses do not match the batch: return a list with one Response for each"
                " event, with event_id set",
                events=len(wanted), responses=len(items), matched=len(found),
            )  # fmt: skip
        return found

    def _batch_failed(self, batch: Batch) -> None:
        ids = [request.event.id for _, request in batch]
        trace = traceback.format_exc()
        self.logger.error_with("the handler failed", event_ids=ids, traceback=trace)
        for connection, request in batch:
            text = f"request {request.event.id} failed inside the function"
            connection.answer(request, error(500, text))
