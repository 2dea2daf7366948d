"""The parts of a graph's stream, opened by what the project declares."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sluice.metrics import Registry, shared_folder
from sluice.parameters import Parameters, StreamParameters
from sluice.project import Project
from sluice.service import Service, read_spec
from sluice.streaming.backoff import Backoff
from sluice.streaming.desk import Desk, Limits
from sluice.streaming.drain import Drained
from sluice.streaming.meter import StreamMeter
from sluice.streaming.topics import Topics
from sluice.streaming.worker import Worker
from sluice.streams import Clock, Stream, open_stream
from sluice.streams.stream import Start

_JOIN_S = 5.0  # to become a member of a group on a broker


class Opened(NamedTuple):
    """A worker that has joined its group, and what belongs to it."""

    worker: Worker
    drained: Drained
    desk: Desk


def stream_url(project: Project, url: str = "") -> str:
    """The stream that is named, else that of the settings, else the project's own log."""
    return url if "://" in url else project.path(url or project.settings.stream, "stream.log")


def read_parameters(project: Project, graph: str) -> StreamParameters:
    """What a graph declares of its stream. Raises DeclarationError."""
    spec = read_spec(project, graph)
    return Parameters.parse(spec.parameters.get("sluice"), spec.file).stream


def open_desk(project: Project, service: Service, folder: Registry | None = None) -> Desk:
    """The desk of a graph; it counts into `folder`, by default one of this process alone."""
    topics = Topics.of(project.name, service.name, read_parameters(project, service.name))
    registry = folder or Registry(shared_folder(parent=os.getpid))
    meter = StreamMeter(registry, service.application)
    limits = Limits(project.settings.max_records, project.settings.max_body)
    return Desk(service, topics, meter, limits, time)


def window_of(url: str, parameters: StreamParameters) -> float:
    """The window of duplicates; Kafka has transactions instead (docs/stream.md)."""
    return 0.0 if url.startswith("kafka:") else parameters.window_s


def settle() -> None:
    """Spare a process that does nothing but work requests off a sixth of its time.

    What is loaded stays, and what a micro-batch makes is gone after it, cycles or none: the
    garbage collector need not look after each few hundred objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


@contextmanager
def opened(
    project: Project,
    graph: str,
    url: str = "",
    *,
    start: Start = "earliest",
    done: Callable[[int], object] = lambda _: None,
    clock: Clock = time,
) -> Iterator[Opened]:
    """A worker of a graph, on the stream at `url` (see `stream_url`); closed with the block.

    Raises DeclarationError, NotFound (no champion yet), VersionRefused, StoreUnavailable.
    """
    parameters = read_parameters(project, graph)
    url = stream_url(project, url)
    with Service.open(project, graph) as service:
        service.application.watch()
        desk = open_desk(project, service)
        stream: Stream = open_stream(url, clock=clock)
        try:
            pipe = stream.pipe(
                desk.topics.group,
                [desk.topics.requests],
                start=start,
                lease_s=parameters.lease_s,
                window_s=window_of(url, parameters),
            )
            backoff = Backoff(seed=os.getpid())
            worker = Worker(pipe, desk, parameters, clock=clock, backoff=backoff, done=done)
            within_s = parameters.lease_s + _JOIN_S
            drained = Drained(pipe, stream, desk.topics.requests, within_s, clock)
            yield Opened(worker, drained, desk)
        finally:
            stream.close()
