"""The stream pattern measured: the real worker on an embedded log. Run in a process of its own."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator

import orjson

from sluice.advice.load import Outcome
from sluice.advice.measured import Streamed
from sluice.advice.processes import memory_mb
from sluice.advice.subject import Subject
from sluice.errors import SluiceError
from sluice.streaming.open import opened, read_parameters
from sluice.streaming.topics import Topics
from sluice.streaming.worker import Summary
from sluice.streams import Message, Producer, open_stream

_EVENTS = 20_000
_LATENCY = 0.4  # the part of the time in which requests come one at a time
_PATIENCE_S = 60.0


def measure(subject: Subject, seconds: float, most: int) -> Streamed:
    """Answer requests off a full topic, then one at a time.

    Args:
        seconds: how long it takes, apart from the loading.
        most: so many requests are enough to fill the topic.
    """
    cpu_s = _full(subject, seconds * (1 - _LATENCY), min(most, _EVENTS))
    alone = _alone(subject, seconds * _LATENCY)
    return Streamed(cpu_s, alone.quantile(0.5), alone.quantile(0.99), memory_mb(os.getpid()))


class _Meter:
    """Notes processor time by requests answered, and ends the worker when its time is up."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._until = seconds, 0.0
        self.marks = [(0, time.process_time())]
        self.stop: Callable[[], None]

    def __call__(self, count: int) -> None:
        self.marks.append((self.marks[-1][0] + count, time.process_time()))
        self._until = self._until or time.monotonic() + self._seconds
        if time.monotonic() >= self._until:
            self.stop()

    @property
    def cpu_s(self) -> float:
        """Of one request; the first micro-batch, which loads things, is left out if it can be."""
        begin, (end, cpu) = self.marks[min(1, len(self.marks) - 2)], self.marks[-1]
        return (cpu - begin[1]) / (end - begin[0])


def _full(subject: Subject, seconds: float, count: int) -> float:
    """Processor time of a request while there are always more, seconds."""
    log, meter = subject.folder / "full.log", _Meter(seconds)
    stream = open_stream(str(log))
    messages = list(itertools.islice(_messages(subject), count))
    stream.producer(durable=False).produce_many(_topic(subject), messages)
    stream.close()
    with opened(subject.project, subject.graph, str(log), done=meter) as (worker, drained, _):
        meter.stop = worker.stop
        _check(worker.run(drained))
    return meter.cpu_s


def _alone(subject: Subject, seconds: float) -> Outcome:
    """How long a request takes that comes when nothing else is there."""
    log = subject.folder / "alone.log"
    stream = open_stream(str(log))
    client = _Client(subject, stream.producer(), seconds)
    with opened(subject.project, subject.graph, str(log), done=client.answered) as opening:
        client.stop = opening.worker.stop
        client.start()
        _check(opening.worker.run())
        client.join()
    stream.close()
    if not client.outcome.latencies:
        raise SluiceError(f"measuring the stream: no answer within {_PATIENCE_S:.0f} s")
    client.outcome.latencies.sort()
    return client.outcome


class _Client(threading.Thread):
    """Puts a request on the topic when the one before is answered; the first is not counted."""

    stop: Callable[[], None]

    def __init__(self, subject: Subject, producer: Producer, seconds: float) -> None:
        super().__init__(daemon=True)
        self.outcome = Outcome()
        self._subject, self._producer, self._seconds = subject, producer, seconds
        self._answer = threading.Event()

    def answered(self, _: int) -> None:
        """The worker is done with what was put."""
        self._answer.set()

    def run(self) -> None:
        """Ask for so many seconds, then end the worker."""
        topic, until = _topic(self._subject), float("inf")
        for message in _messages(self._subject):
            self._answer.clear()
            sent = time.monotonic()
            self._producer.produce_many(topic, [message])
            if not self._answer.wait(_PATIENCE_S):
                break
            now = time.monotonic()
            if until == float("inf"):
                until = now + self._seconds
                continue
            self.outcome.latencies.append(now - sent)
            if now >= until:
                break
        self.stop()


def _messages(subject: Subject) -> Iterator[Message]:
    """The records as requests, again and again, each with an id of its own."""
    bodies = itertools.cycle([orjson.dumps(record) for record in subject.records])
    for place, body in enumerate(bodies):
        yield Message(body, f"r{place}")


def _topic(subject: Subject) -> str:
    parameters = read_parameters(subject.project, subject.graph)
    return Topics.of(subject.project.name, subject.graph, parameters).requests


def _check(summary: Summary) -> None:
    if summary.dead_letters:
        found = f"{summary.dead_letters} records of the version became dead letters"
        raise SluiceError(f"measuring the stream: {found}")
