"""Spans of requests as OTLP has them (opentelemetry.io/docs/specs/otlp, version 1).

A request is a span, and each of its steps a child of it, one after the other from where the
request began: that is how the message timed them. Of requests that went through the graph as one
message each step's span is the request's share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

import sluice
from sluice.telemetry.finished import INTERNAL, Finished

_ERROR = trace_pb2.Status.STATUS_CODE_ERROR


def spans_of(
    requests: Iterable[Finished], resource: Mapping[str, str | int], epoch_ns: int
) -> bytes:
    """The body of a request to /v1/traces.

    Args:
        resource: the attributes of this process.
        epoch_ns: nanoseconds from 1970 to where time.perf_counter is 0.
    """
    body = trace_service_pb2.ExportTraceServiceRequest()
    group = body.resource_spans.add()
    annotate(group.resource.attributes, resource.items())
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "sluice", sluice.__version__
    for request in requests:
        _add(scope.spans, request, epoch_ns)
    encoded: bytes = body.SerializeToString()
    return encoded


def annotate(attributes: Any, pairs: Iterable[tuple[str, str | int | float | None]]) -> None:
    """Add attributes to those of a message of OTLP; None adds none."""
    for name, value in pairs:
        if value is None:
            continue
        place = attributes.add(key=name).value
        if isinstance(value, str):  # a caller's may hold half a surrogate pair
            place.string_value = value.encode(errors="replace").decode()
        elif isinstance(value, int):
            place.int_value = value
        else:
            place.double_value = value


def _add(spans: Any, request: Finished, epoch_ns: int) -> None:
    way, parent = request.way, request.parent
    trace, own = bytes.fromhex(parent.trace) if parent else os.urandom(16), os.urandom(8)
    began, ended = _ns(request.began, epoch_ns), _ns(request.ended, epoch_ns)
    span = spans.add(
        trace_id=trace,
        span_id=own,
        name=way.name.encode(errors="replace").decode(),
        kind=way.kind,
        start_time_unix_nano=began,
        end_time_unix_nano=ended,
    )
    if parent is not None:
        span.parent_span_id, span.trace_state = bytes.fromhex(parent.span), parent.state
    annotate(span.attributes, way.attributes)
    annotate(span.attributes, _attributes(request))
    if way.error:
        span.status.code = _ERROR
        annotate(span.attributes, [("error.type", way.error)])
    for step, microseconds in request.timings.items():
        after = began + round(microseconds * 1000)
        spans.add(
            trace_id=trace,
            span_id=os.urandom(8),
            parent_span_id=own,
            name=step,
            kind=INTERNAL,
            start_time_unix_nano=began,
            end_time_unix_nano=after,
        )
        began = after


def _attributes(request: Finished) -> Iterable[tuple[str, str | int | float | None]]:
    route = request.route
    return (
        ("sluice.request.id", request.id),
        ("sluice.records", request.records),
        ("sluice.version", request.version),
        ("sluice.route.policy", route.get("policy")),
        ("sluice.route.name", route.get("name")),
        ("sluice.route.propensity", route.get("propensity")),
    )


def _ns(seconds: float, epoch_ns: int) -> int:
    return epoch_ns + round(seconds * 1e9)
