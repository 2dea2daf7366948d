"""The settings of the local host."""

from __future__ import annotations

from dataclasses import dataclass, fields

_MAY_BE_0 = {
    "port", "descriptor", "drain_idle_s", "max_body_bytes", "batch_size", "batch_timeout_s",
}  # fmt: skip


@dataclass(frozen=True)
class HostOptions:
    """How the local host listens, what it lets in, and how long it waits.

    Sizes are bytes, times are seconds.

    Args:
        host: address to listen on; one with a colon is IPv6.
        port: port to listen on; 0 takes a free one (the log's "listening" record names it).
        descriptor: that of a listening socket which the parent process left open, in place of host
            and port; of a unix socket, over which it sends connections. 0: none.
        workers: how many worker processes, each with one event at a time.
        backlog: connections that the kernel queues before they are accepted.
        max_connections: connections open at once; a further one is a 503 with Retry-After.
        max_held_bytes: bytes of incomplete requests that one worker holds at once; a request that
            goes beyond is a 503 with Retry-After.
        max_body_bytes: a larger request body is a 413, and is not read (Nuclio's default).
        max_header_bytes: request line and headers together; more is a 431.
        event_timeout_s: a worker that holds one event for longer is killed and replaced, and the
            request is a 504.
        queue_timeout_s: a request that waited this long for its worker is a 503 with Retry-After,
            and the handler is not called (Nuclio's workerAvailabilityTimeoutMilliseconds).
        request_timeout_s: from a request's first byte to its last; a slower one is a 408. A new
            connection that sends nothing is closed after the same time.
        keep_alive_s: an idle connection is closed after this.
        send_timeout_s: a client that does not take its reply for this long is cut off.
        drain_idle_s: once the host is told to stop, an idle connection may still send a request
            for this long; it is answered with "connection: close".
        drain_timeout_s: workers still at work this long after the stop are killed.
        worker_start_timeout_s: a worker that is not ready by then (imports and init_context) is
            killed and counts as failed.
        start_attempts: the host gives up when this many starts in a row failed and no worker was
            ever ready.
        desert_timeout_s: when there has been no worker for this long (all of them died), requests
            are a 503 with Retry-After until there is one.
        batch_size: events that the handler gets at once, as a list; 0: each event by itself.
        batch_timeout_s: a batch that is not full begins after this.
        reload: a folder; the workers are replaced one after the other when a .py or .yaml file
            below it changes. For development.
        trigger_name: `event.trigger.name`, as the HTTP trigger is called in function.yaml.
        log_level: debug, info, warn or error.
        log_format: text (for people) or json (one object a line).

    Raises:
        ValueError: for a value that makes no sense, naming the field.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    descriptor: int = 0
    workers: int = 2
    backlog: int = 1024
    max_connections: int = 2048
    max_held_bytes: int = 256 * 1024 * 1024
    max_body_bytes: int = 4 * 1024 * 1024
    max_header_bytes: int = 32 * 1024
    event_timeout_s: float = 30.0
    queue_timeout_s: float = 10.0
    request_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    send_timeout_s: float = 30.0
    drain_idle_s: float = 0.5
    drain_timeout_s: float = 25.0
    worker_start_timeout_s: float = 120.0
    start_attempts: int = 3
    desert_timeout_s: float = 5.0
    batch_size: int = 0
    batch_timeout_s: float = 1.0
    reload: str = ""
    trigger_name: str = "default-http"
    log_level: str = "info"
    log_format: str = "text"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in _MAY_BE_0 else 1e-3
            if isinstance(value, int | float) and value < least:
                raise ValueError(f"{field.name}: {value} is too small")
        if self.port > 65535:
            raise ValueError(f"port: {self.port} is too large")
        if self.max_held_bytes < self.max_body_bytes:
            raise ValueError(f"max_held_bytes: {self.max_held_bytes} is less than max_body_bytes")
        if self.log_format not in {"text", "json"}:
            raise ValueError(f"log_format: {self.log_format!r} is neither text nor json")
        if self.log_level not in {"debug", "info", "warn", "error"}:
            raise ValueError(f"log_level: {self.log_level!r}, not one of debug, info, warn, error")
