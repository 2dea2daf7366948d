"""Where the outbox of a tracer sends what it holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from sluice.telemetry.collector import Collector
from sluice.telemetry.finished import Finished

log = logging.getLogger("sluice.telemetry")


class SpanSink:
    """Makes spans of requests and posts them, as a producer that an Outbox sends by.

    Args:
        collector: takes them.
        resource: the attributes of this process.
    """

    def __init__(self, collector: Collector, resource: Mapping[str, str | int]) -> None:
        self._collector, self._resource = collector, resource

    def produce_many(self, topic: str, messages: Sequence[Finished]) -> None:
        """Post the spans of requests; the topic says nothing here. Raises as the collector does."""
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        from sluice.telemetry.spans import spans_of

        epoch_ns = time.time_ns() - time.perf_counter_ns()
        body = spans_of(messages, self._resource, epoch_ns)
        answer = self._collector.post("/v1/traces", body)
        taken = trace_service_pb2.ExportTraceServiceResponse.FromString(answer)
        refused = taken.partial_success.rejected_spans
        if refused:
            why = taken.partial_success.error_message
            log.warning("the OTLP collector left out %d spans: %s", refused, why)

    def close(self) -> None:
        """There is nothing to close."""
