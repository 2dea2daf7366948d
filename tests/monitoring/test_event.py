"""The event: CloudEvents in binary mode, the value as MLRun reads it, redacted, and no more."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.monitoring.event import EventBuilder, Observation, endpoint_id
from sluice.monitoring.redaction import Redaction
from tests.monitoring.samples import OUTPUT, RECORD, SOURCE, observation

build = EventBuilder(SOURCE)


def value(seen: Observation, builder: EventBuilder = build, sample: float = 100.0) -> Any:
    return orjson.loads(builder(seen, sample).value)


def test_the_cloudevents_package_reads_it() -> None:
    from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
    from cloudevents.core.formats.json import JSONFormat

    seen = observation(headers={"traceparent": "00-ab-cd-01", "authorization": "secret"})
    message = build(seen)
    headers = {name: text.encode() for name, text in message.headers.items()}
    event = from_binary(KafkaMessage(headers, message.key, message.value), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert event.get_id() == "r-1"
    assert event.get_source() == "/flights/flight-delay"
    assert event.get_type() == "org.kubeflow.serving.inference.response"
    assert event.get_time() == datetime(2013, 1, 1, 10, 0, 0, 250_000, UTC)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("traceparent") == "00-ab-cd-01"
    assert event.get_data() == value(seen)
    assert "authorization" not in str(message.headers)


def test_every_field() -> None:
    assert value(observation(defaults=[{"weather.wind": "missing"}]), sample=25.0) == {
        "endpoint_id": endpoint_id("flights", "flight-delay"),
        "model": "flight-delay",
        "class": "sluice",
        "function_uri": "flights/flight-delay",
        "host": "h1",
        "worker": "0",
        "labels": {"team": "ops"},
        "op": "infer",
        "when": "2013-01-01 10:00:00.250000+00:00",
        "microsec": 1_300_244,
        "sampling_percentage": 25.0,
        "effective_sample_count": 1,
        "request": {
            "id": "r-1",
            "inputs": [["UA", "N14228", 0]],
            "input_schema": ["carrier", "tailnum", "distance"],
        },
        "resp": {
            "id": "r-1",
            "model_name": "flight-delay",
            "model_version": "3",
            "outputs": [[0.25, "on time"]],
            "output_schema": ["probability", "label"],
            "timestamp": "2013-01-01 10:00:00.250000+00:00",
        },
        "sluice": {
            "format": 1,
            "version": "3",
            "route": {"policy": "champion", "name": "champion", "propensity": 1.0},
            "propensity": 1.0,
            "ages": {"weather": 3600.0},
            "defaults": {"weather.wind": {"missing": 1}},
            "timings": {"enrich": 30.5, "model": 90.0},
            "errors": {},
            "details": {},
        },
    }


def test_latency_is_the_whole_of_it() -> None:
    """MLRun's defect 3: 1.3 s was logged as 300,244 µs, the part below a second."""
    assert value(observation(duration_us=1_300_244))["microsec"] == 1_300_244


def test_without_a_server_an_event_still_names_an_endpoint() -> None:
    """MLRun's defect 7: without an API server, nothing was monitored, silently."""
    assert value(observation())["endpoint_id"] == endpoint_id("flights", "flight-delay")
    named = EventBuilder(SOURCE.__class__("flights", endpoint_id="abc"))
    assert value(observation(), named)["endpoint_id"] == "abc"


def test_a_bad_record_is_a_row_of_its_own_with_its_error() -> None:
    outputs = [OUTPUT, {"error": "expected an object"}, dict(OUTPUT, reasons=["late", "old"])]
    event = value(observation(records=[RECORD, 7, RECORD], outputs=outputs))
    assert event["request"]["inputs"][1] == [None, None, None]
    assert event["resp"]["outputs"] == [[0.25, "on time"], [None, None], [0.25, "on time"]]
    assert event["sluice"]["errors"] == {"1": "expected an object"}
    assert event["sluice"]["details"] == {"2": {"reasons": ["late", "old"]}}
    assert "error" not in event


def test_fields_that_were_not_declared_follow_those_that_were() -> None:
    records = [{"distance": 1, "x": 2}, {"y": 3, "carrier": "UA"}]
    request = value(observation(records=records, outputs=[OUTPUT] * 2))["request"]
    assert request["input_schema"] == ["carrier", "tailnum", "distance", "x", "y"]
    assert request["inputs"] == [[None, None, 1, 2, None], ["UA", None, None, None, 3]]


def test_defaults_are_counted_by_column_and_reason() -> None:
    rows = [{"wind": "null", "gust": "stale"}, {}, {"wind": "null"}, {"wind": "missing"}]
    event = value(observation(rows=4, defaults=rows))
    assert event["sluice"]["defaults"] == {"wind": {"null": 2, "missing": 1}, "gust": {"stale": 1}}
    assert value(observation(defaults=[{}]))["sluice"]["defaults"] == {}


def test_records_of_other_shapes_take_turns() -> None:
    builder = EventBuilder(SOURCE)
    shapes: list[dict[str, Any]] = [
        {"x": 1},
        {"carrier": "UA"},
        {"x": 2, "y": 3},
        {},
        {"carrier": "UA"},
    ]
    for shape in shapes:
        request = value(observation(records=[shape], outputs=[shape]), builder)["request"]
        row = dict(zip(request["input_schema"], request["inputs"][0], strict=True))
        assert row == {"carrier": None, "tailnum": None, "distance": None, **shape}


@given(st.floats(-1e9, 4e9) | st.integers(-9, 9).map(lambda n: n - 4e-7))
def test_times_are_as_datetime_writes_them(when: float) -> None:
    message = build(observation(when=when))
    written = datetime.fromisoformat(orjson.loads(message.value)["when"])
    assert abs(written - datetime.fromtimestamp(when, UTC)).total_seconds() <= 1e-6
    assert len(orjson.loads(message.value)["when"]) == len("2013-01-01 10:00:00.250000+00:00")
    assert datetime.fromisoformat(message.headers["ce_time"]) == written


@pytest.mark.parametrize("when", [-0.5, 0.0, 0.5])
def test_whatever_the_time_of_the_first_event_is(when: float) -> None:
    text = datetime.fromtimestamp(when, UTC).isoformat(" ", "microseconds")
    assert value(observation(when=when), EventBuilder(SOURCE))["when"] == text


def test_a_request_that_failed_as_a_whole() -> None:
    event = value(observation(outputs=(), version=None, error=(504, "over time")))
    assert event["error"] == "over time"
    assert event["sluice"]["status"] == 504
    assert event["request"]["inputs"] == [["UA", "N14228", 0]]
    assert "resp" not in event


def test_redaction_drops_hashes_and_masks() -> None:
    salted = Redaction({"tailnum": "hash", "carrier": "drop"}, b"0123456789abcdef")
    builder = EventBuilder(SOURCE, salted)
    records = [RECORD, dict(RECORD, tailnum=None), RECORD]
    outputs = [OUTPUT, OUTPUT, {"error": "tailnum: no plane 'N14228' of 'UA'"}]
    message = builder(observation(records=records, outputs=outputs))
    event = orjson.loads(message.value)
    assert event["request"]["input_schema"] == ["tailnum", "distance"]
    first, second, third = (row[0] for row in event["request"]["inputs"])
    assert first == third
    assert len(first) == 32
    assert second is None
    assert event["sluice"]["errors"] == {"2": "tailnum: no plane '[redacted]' of '[redacted]'"}
    assert b"N14228" not in message.value
    assert b"UA" not in message.value

    other = EventBuilder(SOURCE, Redaction({"tailnum": "hash"}, b"another salt, 16+"))
    assert value(observation(), other)["request"]["inputs"][0][1] != first


def test_redaction_reaches_outputs_and_errors_of_the_whole() -> None:
    builder = EventBuilder(SOURCE, Redaction({"label": "drop", "who": "drop", "tailnum": "drop"}))
    outputs = [dict(OUTPUT, who=["a", "b"], why=["c"])]
    event = value(observation(outputs=outputs), builder)
    assert event["resp"]["output_schema"] == ["probability"]
    assert event["sluice"]["details"] == {"0": {"why": ["c"]}}
    failed = value(observation(error=(422, "bad N14228")), builder)
    assert failed["error"] == "bad [redacted]"


@pytest.mark.parametrize(
    ("fields", "salt", "message"),
    [
        ({"a": "hide"}, b"x" * 16, "neither drop nor hash"),
        ({"a": "hash"}, b"", "wants a salt"),
        ({"a": "hash"}, b"x" * 65, "wants a salt"),
    ],
)
def test_a_redaction_that_would_not_protect_is_refused(
    fields: dict[str, str], salt: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Redaction(fields, salt)


def test_what_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(TypeError):
        build(observation(ages={"weather": object()}))


plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text()
names = st.sampled_from(["carrier", "tailnum", "distance", "x", "y"])
records = st.dictionaries(names, plain | st.lists(plain, max_size=2), max_size=4) | plain
outputs = st.dictionaries(names | st.just("error"), plain | st.lists(plain, max_size=2), max_size=3)


@given(st.lists(st.tuples(records, outputs), max_size=5), st.booleans())
def test_the_request_and_the_reply_are_never_touched(
    pairs: list[tuple[Any, dict[str, Any]]], redacted: bool
) -> None:
    """And every record has its row, whatever it is."""
    seen = observation(records=[r for r, _ in pairs], outputs=[o for _, o in pairs])
    before = copy.deepcopy(seen)
    rules = {"tailnum": "hash", "x": "drop"} if redacted else {}
    event = value(seen, EventBuilder(SOURCE, Redaction(rules, b"x" * 16)))
    assert seen == before
    assert len(event["request"]["inputs"]) == len(event["resp"]["outputs"]) == len(pairs)
    assert set(event["sluice"]["errors"]) == {
        str(n) for n, (_, output) in enumerate(pairs) if "error" in output
    }
