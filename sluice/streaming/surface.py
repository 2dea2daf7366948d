"""A stream's trigger: records in, what they come to onto our topics before the trigger moves on."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from sluice.errors import TooLarge
from sluice.page_server import paged
from sluice.project import Project
from sluice.streaming.backoff import Backoff
from sluice.streaming.desk import PASSING, Desk
from sluice.streaming.open import open_desk, open_service, stream_url
from sluice.streaming.page import pages
from sluice.streaming.trigger import take
from sluice.streams import Clock, Message, Producer, Record, open_stream

log = logging.getLogger("sluice.stream")
Output = tuple[str, Message]


class StreamSurface:
    """Answers what a trigger brings, and returns when the answers are kept.

    A trigger brings nothing a second time before it begins anew, and the next event that succeeds
    moves its offset past one that failed. So what is away is waited for, with back-off, in the
    place of the event that needs it: the partition stands still, and nothing of it is committed.

    Args:
        desk: answers.
        producer: what it has accepted is durable.
        clock, backoff: how it waits.
    """

    def __init__(
        self,
        desk: Desk,
        producer: Producer,
        *,
        clock: Clock = time,
        backoff: Backoff | None = None,
    ) -> None:
        self.desk, self._producer = desk, producer
        self._clock, self._backoff = clock, backoff or Backoff()
        self._page = paged(pages(desk), ": requests come by the stream")

    @classmethod
    def open(cls, nuclio: Any = None, step: str = "") -> StreamSurface:
        """The surface of the graph, or of one step of it, and of the stream for what it gives, that
        the settings name.
        """
        project = Project.find()
        service = open_service(project, project.settings.graph, step, nuclio)
        service.application.watch()
        stream = open_stream(stream_url(project))
        return cls(open_desk(project, service, step=step), stream.producer(durable=True))

    def close(self) -> None:
        """Flush the monitoring events and close the stores."""
        self.desk.service.close()

    def handle(self, context: Any, event: Any) -> Any:
        """Answer one event, or a list of events with a list."""
        return take(context, event, self.work, self._page)

    def work(self, records: Sequence[Record]) -> None:
        """Answer records and keep the answers, however long it takes."""
        if not records:
            return
        began, meter = self._clock.monotonic(), self.desk.meter
        while True:
            try:
                outputs = self.desk.answer(records)
                letters = self._keep(records, outputs)
                break
            except PASSING as error:
                self._wait(error)
        if meter.waiting:
            log.warning("going on, after %d tries", self._backoff.tries)
            meter.waiting = False
            self._backoff.reset()
        statuses = [letter.headers["sluice-status"] for letter in letters]
        seconds = self._clock.monotonic() - began
        meter.batch(len(outputs) - len(letters), statuses, seconds)

    def _keep(self, records: Sequence[Record], outputs: list[Output]) -> list[Message]:
        """Produce; the dead letters among them."""
        letters = self.desk.topics.dead_letters
        try:
            for topic in sorted({t for t, _ in outputs}, key=letters.__eq__):  # letters last
                self._producer.produce_many(topic, [m for t, m in outputs if t == topic])
        except TooLarge:  # one of them: whose it is shows one by one
            outputs = [self._fit(r, o) for r, o in zip(records, outputs, strict=True)]
        return [message for topic, message in outputs if topic == letters]

    def _fit(self, record: Record, output: Output) -> Output:
        """Produce one; a dead letter in the place of what is larger than the stream takes."""
        try:
            self._producer.produce_many(output[0], [output[1]])
        except TooLarge as error:
            output = self.desk.refuse(record, error)
            self._producer.produce_many(output[0], [output[1]])
        return output

    def _wait(self, error: Exception) -> None:
        meter = self.desk.meter
        meter.retry(error)
        if not meter.waiting:
            meter.waiting = True
            log.warning("waiting, nothing is committed: %s: %s", type(error).__name__, error)
        self._clock.sleep(self._backoff.next())
