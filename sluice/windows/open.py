"""The parts of a graph's monitor, opened by what the project declares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from sluice.environment import acquire, release
from sluice.errors import DeclarationError
from sluice.features.definitions import read_definitions
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import event_stream, model_store
from sluice.streams import Clock, Consumer, Stream
from sluice.windows import state
from sluice.windows.counting import Counting
from sluice.windows.declared import MonitorParameters
from sluice.windows.monitor import Monitor, Parts, Topics
from sluice.windows.versions import Versions

_BUCKETS = 8  # of answers, in a horizon


class Opened(NamedTuple):
    """A monitor, and how to become a member of its group (see Stream.consumer)."""

    monitor: Monitor
    consumer: Callable[..., Consumer]
    topics: Topics


def folder(project: Project) -> str:
    """Where the state of all monitors of a project is."""
    return project.path("", "monitor")


@contextmanager
def opened(
    project: Project,
    graph: str,
    *,
    clock: Clock = time,
    stream: Stream | None = None,
    batch: int = 5000,
) -> Iterator[Opened]:
    """The monitor of a graph, closed with the block.

    Args:
        stream: where events and feedback are; by default that of the settings.
        batch: so many records are counted in one transaction, at most.

    Raises DeclarationError, StoreUnavailable.
    """
    spec = read_spec(project, graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    declared = parameters.monitor
    definitions = read_definitions(project.root / parameters.features, project.root)
    declared.check(definitions.record.names, spec.file)
    file = state.state_file(folder(project), parameters.graph)
    environment = acquire(file, state.KIND, clock.monotonic)
    stream = stream or event_stream(project)
    try:
        span = declared.horizon_s / _BUCKETS
        made = environment.write(state.make, declared.window_s, span)
        _check(made, declared, file)
        versions = Versions(model_store(project), parameters.graph, declared.segments)
        fields = [segment.field for segment in declared.segments]
        counting = Counting(versions, definitions.record, fields, declared.window_s)
        topics = Topics.of(project.name, parameters.graph)
        parts = Parts(environment, made, declared, versions, counting, topics, stream.bounds)
        monitor = Monitor(parts, stream.producer(durable=True), clock=clock, batch=batch)
        group = f"sluice-monitor-{parameters.graph}-{made.id}"
        both = [topics.events, topics.feedback]
        yield Opened(monitor, partial(stream.consumer, group, both), topics)
    finally:
        stream.close()
        release(environment)


def _check(made: state.Made, declared: MonitorParameters, file: object) -> None:
    """Raises DeclarationError for windows of another length than those that are kept."""
    if made.window_s != declared.window_s:
        problem = f"{declared.window_s} s are declared, and {made.window_s} s were counted"
        hint = "move the file away to count all events that are still kept anew"
        raise DeclarationError(file, "monitor.window", problem, hint)
