"""The desk: requests of a stream in, an answer or a dead letter for each out.

All that a graph has to do with a stream lies here; `sluice stream` and functions/stream only bring
records and take the answers on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from sluice.errors import DeadlineExceeded, SluiceError, TooManyRequests
from sluice.fault import PASSING as AWAY
from sluice.fault import reason_of
from sluice.observe import observe_failure
from sluice.parts import join
from sluice.service import Service
from sluice.streaming.dead_letter import dead_letter, redacted, status_of
from sluice.streaming.meter import Counted, StreamMeter
from sluice.streaming.request import Answer, Request
from sluice.streaming.table import Table, run_table
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Record
from sluice.streams import Message as Sent

log = logging.getLogger("sluice.stream")

# What passes: not the request's fault, and worth trying again.
PASSING = (*AWAY, TooManyRequests, DeadlineExceeded, OSError)
ANSWER_FORMAT = 1
_new = tuple.__new__  # an output's own way takes twice as long
_HEADERS = {"content-type": "application/json", "sluice-format": str(ANSWER_FORMAT)}


_TABLE = 100  # requests; fewer are faster by row
_COUNTED = itemgetter("version", "outputs", "stalest")


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

    Attributes:
        redaction: what dead letters do not tell.
    """

    def __init__(
        self, service: Service, topics: Topics, meter: StreamMeter, limits: Limits, clock: Clock
    ) -> None:
        self.service, self.topics, self.meter = service, topics, meter
        self._limits, self._clock = limits, clock
        self._schema = service.application.definitions.record
        self.redaction = service.application.redaction
        telemetry = service.application.telemetry
        self._tracer = telemetry.tracer if telemetry is not None else None

    def answer(self, records: Sequence[Record]) -> list[tuple[str, Sent]]:
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
        topic = self.topics.predictions
        return [
            (topic, _new(Sent, (r.value, r.id, _HEADERS)))
            if r.error is None
            else self._refused(r, r.error)
            for r in requests
        ]

    def refuse(self, record: Record, error: Exception) -> tuple[str, Sent]:
        """The dead letter of a record whose answer cannot be handed on."""
        request = Request(record)
        request.read(self._schema, self._limits.body, self._limits.records)
        return self._refused(request, error)

    def _chunks(self, requests: list[Request]) -> Iterator[list[Request]]:
        """Requests with not too many records in all."""
        sizes = [len(request.records) for request in requests]
        if requests and all(sizes) and sum(sizes) <= self._limits.records:
            yield requests
            return
        chunk: list[Request] = []
        count = 0
        for request, size in zip(requests, sizes, strict=True):
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
        if len(requests) == 1 or not self.service.graph.many:
            for request in requests:
                self._run_alone(request)
            return
        try:
            settle = self._run_together(requests)
        except PASSING:
            raise
        except Exception:  # a defect, that one of them brings to light: it is said of that one
            middle = len(requests) // 2
            self._run(requests[:middle])
            self._run(requests[middle:])
            return
        settle()

    def _run_together(self, requests: list[Request]) -> Callable[[], None]:
        """What takes the answers; many requests of one record each go through it as arrays."""
        graph = self.service.graph
        many = len(requests) >= _TABLE and {len(request.records) for request in requests} == {1}
        if many and graph.takes_tables:
            return partial(self._settle_table, requests, run_table(self.service, requests))
        answers = graph.run_many(join([request.message for request in requests]))
        return partial(self._settle, list(zip(requests, answers, strict=True)))

    def _run_alone(self, request: Request) -> None:
        try:
            answer = self.service.run(request.message)
        except PASSING:
            raise
        except Exception as error:  # of this request alone: it is a dead letter, and logged
            observe_failure(self.service.application, request.message, error, status_of(error))
            request.error = error
            return
        self._settle([(request, answer)])

    def _settle(self, pairs: Sequence[tuple[Request, Answer]]) -> None:
        """Take what the graph answered: a reply, or an error of this request alone."""
        replies = []
        for request, answer in pairs:
            if not isinstance(answer, SluiceError):
                try:
                    replies.append(Counted(request.message.timings, *_COUNTED(answer)))
                except Exception as error:  # a step of somebody's own answered what is no reply
                    request.error = error
                    continue
            request.take(answer)
            self._trace(request, answer)
        self.meter.answered(replies)

    def _settle_table(self, requests: Sequence[Request], table: Table) -> None:
        answers, scored = table
        self.meter.table(scored, [p for p in scored.failed if isinstance(answers[p], SluiceError)])
        for request, answer in zip(requests, answers, strict=True):
            request.take(answer)
        if self._tracer is not None:
            share = {step: taken / len(requests) for step, taken in scored.timings.items()}
            for request, answer in zip(requests, answers, strict=True):
                request.message.timings = share
                self._trace(request, answer)

    def _trace(self, request: Request, answer: Answer) -> None:
        if self._tracer is not None and request.error is None:
            self._tracer.worked(request.record, request.message, answer)

    def _refused(self, request: Request, error: Exception) -> tuple[str, Sent]:
        record, status = request.record, status_of(error)
        if self._tracer is not None:
            self._tracer.worked(record, request.message, None, status)
        place = f"{record.topic}/{record.partition}/{record.offset}"
        text = f"request {request.id} ({place}) is a dead letter: {reason_of(error)}"
        log.warning("%s", text, exc_info=error if status == 500 else None)
        return self.topics.dead_letters, self._letter(record, request.id, error)

    def _letter(self, record: Record, id: str | None, error: Exception) -> Sent:
        letter = dead_letter(record, id, error, self._clock.time())
        return redacted(letter, self.redaction, self._schema.names) if self.redaction else letter
