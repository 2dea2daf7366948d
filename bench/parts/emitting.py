"""What a stream of monitoring events that is down, or slow, costs the reply."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from bench.numbers import percentile
from bench.paced import PER_SECOND, SLICE_S, slice_us
from bench.part import Bench, Figures
from bench.prepare import bench_project
from bench.service import open_service
from sluice.errors import StoreUnavailable
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Source
from sluice.service import Service
from sluice.streams import Message, Producer, open_stream

_ROOM = 200  # events that may wait: so few, that most of a slice is dropped
_SLOW_S = 2.0  # per batch


def emitting(bench: Bench) -> Figures:
    """The 99th percentile of a request with such a stream over the one with a stream that is well.

    They take turns within a round, by slices, so that what slows the machine slows all. Raises
    ValueError where events are dropped that should not be, none that should, or without counting.
    """
    found: dict[str, list[float]] = {"well": [], "down": [], "slow": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        services = {
            kind: stack.enter_context(open_service({}, events=f"{folder}/{kind}")) for kind in found
        }
        emitters = {kind: _replaced(services[kind], kind, folder) for kind in found}
        asked = 0
        for _ in bench.turns("emitting", [None]):
            taken: dict[str, list[float]] = {kind: [] for kind in found}
            for number in range(max(2, round(bench.seconds / SLICE_S))):
                for kind in sorted(found, reverse=bool(number % 2)):
                    taken[kind] += slice_us(services[kind], bench.records, number)
                asked += int(PER_SECOND * SLICE_S)
            for kind, times in taken.items():
                found[kind].append(percentile(times, 99))
        _check(emitters, asked)
    return {
        **{f"emitting_{kind}_p99_us": median(times) for kind, times in found.items()},
        "emitting_down_p99_ratio": _ratio(found["down"], found["well"]),
        "emitting_slow_p99_ratio": _ratio(found["slow"], found["well"]),
    }


def _ratio(these: Sequence[float], those: Sequence[float]) -> float:
    return median(a / b for a, b in zip(these, those, strict=True))


class _Bad:
    """A producer whose stream is down, or slow."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        if self._kind == "down":
            raise StoreUnavailable(f"{topic}: is down")
        time.sleep(_SLOW_S)
        return [(0, 0)] * len(messages)

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def close(self) -> None:
        """There is nothing to let go of."""


def _replaced(service: Service, kind: str, folder: str) -> Emitter:
    """The service's emitter, by one to a stream of a kind."""

    def well() -> Producer:
        return open_stream(f"{folder}/{kind}").producer(durable=False)

    application = service.application
    if application.emitter is not None:
        application.emitter.close()
    build = EventBuilder(Source(bench_project().name, inputs=application.definitions.record.names))
    opened: Callable[[], Producer] = well if kind == "well" else lambda: _Bad(kind)
    room = 10_000 if kind == "well" else _ROOM
    application.emitter = Emitter(opened, "events", build, capacity=room)
    return application.emitter


def _check(emitters: Mapping[str, Emitter], asked: int) -> None:
    for kind, emitter in emitters.items():
        dropped = emitter.dropped.total()
        if emitter.sent + dropped + emitter.waiting != asked or (kind == "well") != (dropped == 0):
            text = f"{emitter.sent} sent, {dict(emitter.dropped)} dropped, {emitter.waiting} wait"
            raise ValueError(f"a stream that is {kind}: of {asked} events {text}")
