"""The parts of a graph's stream, opened by what the project declares."""

from __future__ import annotations

import dataclasses
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sluice.application import Application
from sluice.errors import DeclarationError, nearest
from sluice.graph import Graph
from sluice.metrics import Registry, shared_folder
from sluice.monitoring.redaction import Redaction
from sluice.parameters import Parameters, StreamParameters
from sluice.project import Project
from sluice.service import Service, make_context, read_spec
from sluice.streaming.backoff import Backoff
from sluice.streaming.desk import Desk, Limits
from sluice.streaming.drain import Drained
from sluice.streaming.meter import StreamMeter
from sluice.streaming.stages import stages
from sluice.streaming.step_desk import StepDesk
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


def open_service(project: Project, graph: str, step: str = "", nuclio: Any = None) -> Service:
    """The service of a graph, or of one step of it alone.

    Raises DeclarationError where there is no such step, and what Service.open does.
    """
    if not step:
        return Service.open(project, graph, nuclio=nuclio)
    spec = read_spec(project, graph)
    steps = tuple(s for s in spec.steps if s.name == step)
    if not steps:
        hint = nearest(step, [s.name for s in spec.steps])
        raise DeclarationError(spec.file, "spec.graph.steps", f"no step {step!r}", hint)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    context = make_context(project, spec, nuclio)
    worker = str(getattr(nuclio, "worker_id", ""))
    application = context.application = Application.open(project, parameters, worker)
    alone = dataclasses.replace(spec, steps=steps)
    return Service(Graph(alone, context=context, root=project.root), application)


def open_desk(
    project: Project, service: Service, folder: Registry | None = None, step: str = ""
) -> Desk:
    """The desk of a graph, or of one step; it counts into `folder`, by default one of this process
    alone.
    """
    parameters = read_parameters(project, service.name)
    topics = Topics.of(project.name, service.name, parameters)
    registry = folder or Registry(shared_folder(parent=os.getpid))
    meter = StreamMeter(registry, service.application)
    if service.application.telemetry is not None:
        service.application.telemetry.push(meter.folder, meter.gauges)
    limits = Limits(project.settings.max_records, project.settings.max_body)
    if not step:
        return _keeping(Desk(service, topics, meter, limits, time), parameters)
    names = [s.name for s in read_spec(project, service.name).steps]
    stage = next(stage for stage in stages(topics, names) if stage.step == step)
    desk = StepDesk(service, stage, topics, meter, limits=limits, clock=time)
    return _keeping(desk, parameters)


def _keeping(desk: Desk, parameters: StreamParameters) -> Desk:
    """The desk, whose dead letters hold what is declared."""
    if parameters.whole_dead_letters:
        desk.redaction = Redaction()
    return desk


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
    step: str = "",
    start: Start = "earliest",
    done: Callable[[int], object] = lambda _: None,
    clock: Clock = time,
) -> Iterator[Opened]:
    """A worker of a graph, on the stream at `url` (see `stream_url`); closed with the block.

    With `step` it carries out that step alone, and other workers the others. Of two answers to one
    request one is dropped where answers are given, and not between steps.

    Raises DeclarationError, NotFound (no champion yet), VersionRefused, StoreUnavailable.
    """
    parameters = read_parameters(project, graph)
    url = stream_url(project, url)
    with open_service(project, graph, step) as service:
        service.application.watch()
        desk = open_desk(project, service, step=step)
        taken, last = [desk.topics.requests], True
        if isinstance(desk, StepDesk):
            taken, last = list(desk.stage.taken), desk.stage.last
        stream: Stream = open_stream(url, clock=clock)
        try:
            pipe = stream.pipe(
                desk.topics.group,
                taken,
                start=start,
                lease_s=parameters.lease_s,
                window_s=window_of(url, parameters) if last else 0.0,
            )
            backoff = Backoff(seed=os.getpid())
            worker = Worker(pipe, desk, parameters, clock=clock, backoff=backoff, done=done)
            within_s = parameters.lease_s + _JOIN_S
            drained = Drained(pipe, stream, taken, start=start, within_s=within_s, clock=clock)
            yield Opened(worker, drained, desk)
        finally:
            stream.close()
