"""Made-up figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sluice.advice.measured import Batched, Http, Measured, Streamed
from sluice.advice.needs import Needs

HTTP = Http(
    cpu_s=200e-6,
    alone_cpu_s=400e-6,
    p50_s=600e-6,
    p99_s=2e-3,
    busy_p99_s=12e-3,
    connections=32,
    memory_mb=70.0,
)
MEASURED = Measured(
    graph="flight-delay",
    version="3",
    records=500,
    machine="a machine",
    seconds=12.5,
    http=HTTP,
    stream=Streamed(cpu_s=100e-6, p50_s=20e-3, p99_s=30e-3, memory_mb=60.0),
    batch=Batched(cpu_s=15e-6, start_s=0.5, database_cpu_s=50e-6, memory_mb=80.0),
)


def needs(average: float = 100.0, **given: Any) -> Needs:
    """Needs with what is given, the rest assumed."""
    return Needs.of({"average": average, **given})


def slower(times: float) -> Measured:
    """The same graph, each record so many times the work."""
    return replace(
        MEASURED,
        http=replace(HTTP, cpu_s=times * HTTP.cpu_s),
        stream=replace(MEASURED.stream, cpu_s=times * MEASURED.stream.cpu_s),
        batch=replace(MEASURED.batch, cpu_s=times * 15e-6, database_cpu_s=times * 50e-6),
    )
