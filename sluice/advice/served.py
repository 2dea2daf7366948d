"""The HTTP pattern measured: a real server of one worker, asked by one and by many."""

from __future__ import annotations

from collections.abc import Callable

from sluice.advice.load import Outcome, ask, request
from sluice.advice.measured import Http
from sluice.advice.processes import cpu_seconds, memory_mb, told
from sluice.advice.server import Server
from sluice.advice.subject import Subject

CONNECTIONS = 32
_WARM_S = 0.2
_ALONE = 0.4  # the part of the time with one connection

Cpu = Callable[[int], float]
_CPU: Cpu | None = cpu_seconds if told() else None


def measure(subject: Subject, seconds: float, cpu: Cpu | None = _CPU) -> Http:
    """Ask a server for so many seconds.

    Args:
        cpu: processor time of a process and its children so far, by its id; None: it is not told,
            and the time of the load takes its place.
    """
    requests = [request(record) for record in subject.records]
    with Server(subject.project, subject.graph, subject.folder / "serve.log") as server:

        def load(connections: int, seconds: float) -> tuple[Outcome, float]:
            before = cpu(server.pid) if cpu else 0.0
            outcome = ask(server.port, requests, connections, seconds)
            spent = cpu(server.pid) - before if cpu else outcome.seconds
            return outcome, spent / len(outcome.latencies)

        ask(server.port, requests, 1, _WARM_S)
        alone, alone_cpu_s = load(1, seconds * _ALONE)
        many, cpu_s = load(CONNECTIONS, seconds * (1 - _ALONE))
        memory = memory_mb(server.pid)
    return Http(
        cpu_s=cpu_s,
        alone_cpu_s=alone_cpu_s,
        p50_s=alone.quantile(0.5),
        p99_s=alone.quantile(0.99),
        busy_p99_s=many.quantile(0.99),
        connections=CONNECTIONS,
        memory_mb=memory,
        by_wall=cpu is None,
    )
