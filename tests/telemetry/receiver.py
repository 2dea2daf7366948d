"""A collector that takes OTLP by HTTP, and decodes it as OpenTelemetry's own messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

_BODIES: dict[str, Any] = {
    "/base/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
    "/base/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}


class Receiver:
    """What has come so far.

    Attributes:
        url: its base address.
        status: what it answers.
        answer: the body of its answers.
        traces, metrics: the requests it has taken, decoded; with status 200 only.
        headers: those of each request.
    """

    def __init__(self) -> None:
        self.url, self.status, self.answer = "", 200, b""
        self.traces: list[Any] = []
        self.metrics: list[Any] = []
        self.headers: list[dict[str, str]] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.headers.append(headers)
        if path not in _BODIES or headers["Content-Type"] != "application/x-protobuf":
            return 404
        if self.status == 200:
            kept = self.traces if path.endswith("traces") else self.metrics
            kept.append(_BODIES[path].FromString(body))
        return self.status

    def spans(self) -> list[Any]:
        groups = [g for request in list(self.traces) for g in request.resource_spans]
        return [span for g in groups for scope in g.scope_spans for span in scope.spans]

    def roots(self) -> list[Any]:
        """The spans of requests."""
        return [span for span in self.spans() if span.attributes]

    def children(self, root: Any) -> list[Any]:
        return [span for span in self.spans() if span.parent_span_id == root.span_id]

    def points(self, at: int = -1) -> dict[tuple[str, tuple[tuple[str, Any], ...]], Any]:
        """The points of one push, by metric and labels."""
        found = {}
        [group] = self.metrics[at].resource_metrics
        for metric in group.scope_metrics[0].metrics:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                found[metric.name, tuple(sorted(told(point).items()))] = point
        return found


def told(span: Any) -> dict[str, Any]:
    """The attributes of a span, a point or a resource."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port, ended with the block."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(found.take(self.path, dict(self.headers), body))
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/base"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
