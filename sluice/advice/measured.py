"""What was measured of one graph on one machine. Times are seconds, memory is 10⁶ bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Http:
    """`sluice serve` with one worker, asked a record at a time.

    Attributes:
        cpu_s: of a core for a request while `connections` ask at once, the parent included; where
            the platform tells no processor time (`by_wall`), the time of the one busy worker.
        alone_cpu_s: the same at one connection.
        p50_s, p99_s: latency at one connection.
        busy_p99_s: latency at `connections`, with the worker at its limit.
    """

    cpu_s: float
    alone_cpu_s: float
    p50_s: float
    p99_s: float
    busy_p99_s: float
    connections: int
    memory_mb: float | None = None
    by_wall: bool = False


@dataclass(frozen=True)
class Streamed:
    """The worker of `sluice stream` on an embedded log.

    Attributes:
        cpu_s: for a request, with the topic full.
        p50_s, p99_s: from a request on its topic to its prediction, one at a time.
    """

    cpu_s: float
    p50_s: float
    p99_s: float
    memory_mb: float | None = None


@dataclass(frozen=True)
class Batched:
    """Records as a table.

    Attributes:
        cpu_s: to score a record.
        database_cpu_s: the whole job for a record, from table to table in SQLite; None where
            SQLAlchemy is not installed.
        start_s: processor time until a new process is ready to score.
    """

    cpu_s: float
    start_s: float
    database_cpu_s: float | None = None
    memory_mb: float | None = None

    @property
    def job_cpu_s(self) -> float:
        """What a job costs for a record, as far as it is known."""
        return self.cpu_s if self.database_cpu_s is None else self.database_cpu_s


@dataclass(frozen=True)
class Measured:
    """One graph's figures.

    Attributes:
        version: of the model.
        records: how many of the version's own records were asked about.
        machine: what it was measured on.
        seconds: how long that took.
    """

    graph: str
    version: str
    records: int
    machine: str
    seconds: float
    http: Http
    stream: Streamed
    batch: Batched
