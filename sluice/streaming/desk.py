"""The desk: requests of a stream in, an answer or a dead letter for each out.

All that a graph has to do with a stream lies here; `sluice stream` and functions/stream only bring
records and take the answers on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sluice.errors import (
    DeadlineExceeded,
    SluiceError,
    StoreUnavailable,
    TooManyRequests,
    Unavailable,
)
from sluice.observe import observe_failure
from sluice.parts import join
from sluice.service import Service
from sluice.streaming.dead_letter import dead_letter, reason_of, status_of
from sluice.streaming.meter import StreamMeter
from sluice.streaming.request import Request
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Message, Record

log = logging.getLogger("sluice.stream")

# What passes: not the request's fault, and worth trying again.
PASSING = (StoreUnavailable, Unavailable, TooManyRequests, DeadlineExceeded, OSError)
_HEADERS = {"content-type": "application/json", "sluice-format": "1"}


class Limits(NamedTuple):
    """What is taken: records in one request and at once through the graph, bytes in a body."""

    records: int = 10_000
    body: int = 8_388_608


class Desk:
    """Answers the records of a graph's topic of requests.

    Args:
        service: the graph.
        topics: where answers go.
        meter: counts.
        limits: as for HTTP.
        clock: for the times of dead letters.
    """

    def __init__(
        self, service: Service, topics: Topics, meter: StreamMeter, limits: Limits, clock: Clock
    ) -> None:
        self.service, self.topics, self.meter = service, topics, meter
        self._limits, self._clock = limits, clock
        self._schema = service.application.definitions.record

    def answer(self, records: Sequence[Record]) -> list[tuple[str, Message]]:
        """Per record, in their order, a topic and what goes there: a prediction or a dead letter.

        Requests go through the graph as one message; what fails there is halved until the one
        that is at fault is alone.

        Raises one of PASSING when something that answers depend on is away: no record is answered
        then, and the same ones may be brought again.
        """
        requests = [Request(record) for record in records]
        for request in requests:
            request.read(self._schema, self._limits.body, self._limits.records)
        for some in self._chunks([r for r in requests if r.error is None]):
            self._run(some)
        return [self._output(request) for request in requests]

    def _chunks(self, requests: list[Request]) -> Iterator[list[Request]]:
        """Requests with not too many records in all."""
        chunk: list[Request] = []
        count = 0
        for request in requests:
            size = len(request.message.records)
            if not size:  # the graph says what is wrong with it
                yield [request]
                continue
            if chunk and count + size > self._limits.records:
                yield chunk
                chunk, count = [], 0
            chunk.append(request)
            count += size
        if chunk:
            yield chunk

    def _run(self, requests: list[Request]) -> None:
        graph = self.service.graph
        if len(requests) == 1 or not graph.many:
            for request in requests:
                self._run_alone(request)
            return
        try:
            answers = graph.run_many(join([request.message for request in requests]))
            pairs = list(zip(requests, answers, strict=True))
        except PASSING:
            raise
        except Exception:  # a defect, that one of them brings to light: it is said of that one
            middle = len(requests) // 2
            self._run(requests[:middle])
            self._run(requests[middle:])
            return
        for request, answer in pairs:
            self._settle(request, answer)

    def _run_alone(self, request: Request) -> None:
        try:
            answer = self.service.run(request.message)
        except PASSING:
            raise
        except Exception as error:  # of this request alone: it is a dead letter, and logged
            observe_failure(self.service.application, request.message, error, status_of(error))
            request.error = error
            return
        self._settle(request, answer)

    def _settle(self, request: Request, answer: dict[str, Any] | SluiceError) -> None:
        """Take what the graph answered: a reply, or an error of this request alone."""
        if isinstance(answer, SluiceError):
            request.error = answer
            return
        try:
            self.meter.predicted(request.message, answer)
            request.take(answer)
        except Exception as error:  # a step of somebody's own answered what is no reply
            request.error = error

    def _output(self, request: Request) -> tuple[str, Message]:
        error = request.error
        if error is None:
            return self.topics.predictions, Message(request.value, request.id, _HEADERS)
        record, status = request.record, status_of(error)
        place = f"{record.topic}/{record.partition}/{record.offset}"
        text = f"request {request.id} ({place}) is a dead letter: {reason_of(error)}"
        log.warning("%s", text, exc_info=error if status == 500 else None)
        letter = dead_letter(record, request.id, error, self._clock.time())
        return self.topics.dead_letters, letter
