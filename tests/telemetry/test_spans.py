"""Spans of requests, as a collector gets them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="needs the package opentelemetry-proto")

from sluice.errors import DeclarationError, RecordError
from sluice.message import Message
from sluice.monitoring.outbox import Outbox
from sluice.protocol.http import Request
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.settings import Settings
from sluice.streaming.desk import Desk
from sluice.streams import open_stream
from sluice.telemetry.collector import Collector
from sluice.telemetry.finished import Finished
from sluice.telemetry.sink import SpanSink
from sluice.telemetry.telemetry import Telemetry
from sluice.telemetry.tracer import Tracer
from tests.monitoring.test_emitter import FastClock
from tests.protocol.events import raw
from tests.streaming.fakes import make_desk
from tests.streaming.shop import ask, order, work_off
from tests.streaming.test_desk import orders
from tests.streams.fakes import FakeClock
from tests.telemetry.receiver import Receiver, receiver, told, until
from tests.tiny import ORDER, Tiny

STEPS = ["enrich", "transform", "router", "model", "postprocess"]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def open_service(tiny: Tiny, url: str, **settings: Any) -> Service:
    """A service that is traced."""
    project, application = tiny.project, tiny.open("binary")
    given = replace(project.settings, otlp=url, **settings)
    application.telemetry = Telemetry(replace(project, settings=given), "binary")
    return tiny.service("binary", application)


def asked(tiny: Tiny, collector: Receiver, events: Sequence[Any], **settings: Any) -> list[Any]:
    """The spans of requests by HTTP."""
    with open_service(tiny, collector.url, **settings) as service:
        surface = Surface(service)
        for event in events:
            surface.answer(event)
    return collector.roots()


def test_a_request_is_a_span_and_each_step_a_child(tiny: Tiny, collector: Receiver) -> None:
    before = time.time_ns()
    [root] = asked(tiny, collector, [raw(ORDER, X_Request_Id="r1")])
    after = time.time_ns()
    assert (root.name, root.kind, root.parent_span_id) == ("POST /", 2, b"")
    assert told(root) == {
        "http.request.method": "POST",
        "url.path": "/",
        "http.response.status_code": 200,
        "sluice.request.id": "r1",
        "sluice.records": 1,
        "sluice.version": "2",
        "sluice.route.policy": "champion",
        "sluice.route.name": "champion",
        "sluice.route.propensity": 1.0,
    }
    children = collector.children(root)
    assert [child.name for child in children] == STEPS
    assert {child.trace_id for child in children} == {root.trace_id}
    assert len({child.span_id for child in children} | {root.span_id}) == 6
    slack = 50_000_000  # the wall clock is moved while we look, at most by this
    edges = [root.start_time_unix_nano, *(c.end_time_unix_nano for c in children)]
    assert edges == sorted(edges)
    assert [c.start_time_unix_nano for c in children] == edges[:-1]
    assert before - slack <= edges[0] <= edges[-1] <= root.end_time_unix_nano <= after + slack
    [group] = collector.traces[0].resource_spans
    resource = told(group.resource)
    assert resource["service.name"] == resource["sluice.graph"] == "binary"
    assert resource["service.namespace"] == "tiny"


def test_a_trace_goes_on(tiny: Tiny, collector: Receiver) -> None:
    events = [raw(ORDER, traceparent=PARENT, tracestate="a=b"), raw(b"{", traceparent=PARENT)]
    good, bad = asked(tiny, collector, events, otlp_ratio=0.0)
    for root in (good, bad):
        assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, SPAN)
    assert (good.trace_state, bad.trace_state) == ("a=b", "")
    assert told(bad) == {
        "http.request.method": "POST",
        "url.path": "/",
        "http.response.status_code": 400,
        "sluice.records": 0,
    }


def test_what_is_sampled(tiny: Tiny, collector: Receiver) -> None:
    unsampled = PARENT[:-1] + "0"
    events = [raw(ORDER, traceparent=unsampled), raw([ORDER] * 2)]
    [root] = asked(tiny, collector, events)
    assert told(root)["sluice.records"] == 2
    collector.traces.clear()
    found = asked(tiny, collector, [raw(ORDER)] * 200, otlp_ratio=0.5)
    assert 70 <= len(found) <= 130
    collector.traces.clear()
    assert not asked(tiny, collector, [raw(ORDER)] * 20, otlp_ratio=0.0)


class Broken(Service):
    """A service with a defect."""

    def run(self, message: Message) -> Any:
        raise ZeroDivisionError


def test_whose_fault_it_was(
    tiny: Tiny, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "sluice")
    with open_service(tiny, collector.url) as service:
        surface = Surface(service)
        surface.answer(raw({}))
        surface.answer(raw(ORDER, "/nowhere"))
        surface.answer(raw({}, "/v2/health/live", "GET"))
        Surface(Broken(service.graph, service.application)).answer(raw(ORDER))
    ours, theirs = sorted(collector.roots(), key=lambda r: -told(r)["http.response.status_code"])
    assert (told(theirs)["http.response.status_code"], theirs.status.code) == (422, 0)
    assert "error.type" not in told(theirs)
    assert (told(ours)["error.type"], ours.status.code) == ("500", 2)


def test_requests_that_share_a_message_have_a_span_each(tiny: Tiny, collector: Receiver) -> None:
    with open_service(tiny, collector.url) as service:
        events = [raw(ORDER, X_Request_Id="a"), raw([ORDER] * 2, X_Request_Id="b"), raw({})]
        statuses = [answer.status for answer in Surface(service).answers(events)]
    assert statuses == [200, 200, 422]
    roots = collector.roots()
    assert sorted(told(r)["http.response.status_code"] for r in roots) == statuses
    assert {told(r)["sluice.records"] for r in roots} == {1, 2}
    assert all([c.name for c in collector.children(r)] == STEPS for r in roots)


def test_in_process(tiny: Tiny, collector: Receiver) -> None:
    with open_service(tiny, collector.url) as service:
        assert len(service.predict([ORDER, ORDER])) == 2
        with pytest.raises(RecordError):
            service.predict({})
    good, bad = collector.roots()
    assert (good.name, good.kind, told(good)["sluice.version"]) == ("predict", 1, "2")
    assert [child.name for child in collector.children(good)] == STEPS
    assert (bad.status.code, "sluice.version" in told(bad)) == (0, False)


def test_off_a_stream(tiny: Tiny, collector: Receiver, tmp_path: Path) -> None:
    with open_service(tiny, collector.url) as service:
        stream = open_stream(str(tmp_path / "stream.log"))
        ask(stream, [order(0), b"{", order(1)])
        stream.close()
        work_off(service, str(tmp_path / "stream.log"), tmp_path)
    roots = {told(r).get("sluice.request.id", "unread"): r for r in collector.roots()}
    assert set(roots) == {"r0", "r2", "unread"}
    assert {(r.name, r.kind) for r in roots.values()} == {("process tiny.binary.requests", 5)}
    assert {k: told(r)["sluice.status"] for k, r in roots.items()} == {
        "r0": 200, "r2": 200, "unread": 400,
    }  # fmt: skip
    assert told(roots["r0"])["messaging.system"] == "sluice"
    assert told(roots["r0"])["sluice.route.policy"] == "champion"


def test_a_table_off_a_stream(tiny: Tiny, collector: Receiver, tmp_path: Path) -> None:
    """Enough requests at once go through the graph as arrays: a span for each all the same."""
    with open_service(tiny, collector.url) as service:
        desk: Desk = make_desk(service, tmp_path, FakeClock())
        records = orders(150)
        records[3] = records[3]._replace(headers={"traceparent": PARENT})
        desk.answer(records)
    roots = {told(r)["sluice.request.id"]: r for r in collector.roots()}
    assert len(roots) == 150
    assert roots["r3"].trace_id.hex() == TRACE
    assert {told(r)["sluice.route.name"] for r in roots.values()} == {"champion"}
    names = [child.name for child in collector.children(roots["r7"])]
    assert names[-2:] == STEPS[-2:]


def finished(tracer: Tracer, id: str = "r") -> None:
    message = Message([ORDER], id)
    tracer.served(Request(raw(ORDER)), message, {"version": "1", "route": "mixed"}, 200)


def test_a_collector_that_is_down_costs_spans_and_no_replies(
    collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    sink = SpanSink(Collector(collector.url), {})
    outbox: Outbox[Finished] = Outbox(lambda: sink, "there", capacity=3, clock=FastClock())
    tracer = Tracer(outbox)
    caplog.set_level(logging.CRITICAL, "sluice.monitoring")
    for _ in range(10):
        finished(tracer)
    until(lambda: bool(collector.headers))
    assert outbox.sent == 0
    collector.status = 200
    tracer.close(30)
    assert outbox.sent + outbox.dropped.total() == 10
    assert outbox.dropped["full"] > 0
    assert len(collector.roots()) == outbox.sent


def test_what_the_collector_leaves_out_is_told(
    collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    answer = trace_service_pb2.ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 4
    answer.partial_success.error_message = "too old"
    collector.answer = answer.SerializeToString()
    outbox: Outbox[Finished] = Outbox(lambda: SpanSink(Collector(collector.url), {}), "there")
    tracer = Tracer(outbox)
    finished(tracer, "half a surrogate \ud800")
    tracer.close(30)
    assert caplog.messages == ["the OTLP collector left out 4 spans: too old"]
    [root] = collector.roots()
    assert told(root)["sluice.request.id"] == "half a surrogate ?"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"otlp": "localhost:4318"}, "settings: otlp: is no URL"),
        ({"otlp": "http://a", "otlp_headers": "secret"}, "otlp_headers: hold what is no header"),
    ],
)
def test_what_is_wrong_is_named(tiny: Tiny, changes: dict[str, Any], problem: str) -> None:
    project = tiny.project
    with pytest.raises(DeclarationError, match=problem) as error:
        Telemetry(replace(project, settings=replace(project.settings, **changes)), "binary")
    assert "secret" not in str(error.value)


def test_headers_for_the_collector(collector: Receiver) -> None:
    Collector(collector.url, "authorization=Basic%20abc, x-tenant=1,").post("/v1/traces", b"")
    assert collector.headers[0]["authorization"] == "Basic abc"
    assert collector.headers[0]["x-tenant"] == "1"


def test_opentelemetrys_own_variables() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
        "OTEL_SERVICE_NAME": "flights",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }
    settings = Settings.load({}, environ)
    assert (settings.otlp, settings.otlp_headers) == ("http://c:4318", "a=b")
    assert (settings.otlp_service, settings.otlp_ratio) == ("flights", 0.25)
    assert Settings.load({}, {**environ, "SLUICE_OTLP": ""}).otlp == ""
    with pytest.raises(DeclarationError, match=r"OTEL_TRACES_SAMPLER_ARG: expected at most 1\.0"):
        Settings.load({}, {"OTEL_TRACES_SAMPLER_ARG": "2"})
