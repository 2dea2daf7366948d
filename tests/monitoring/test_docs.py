"""The page on monitoring shows an event as it is."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.monitoring.redaction import Redaction

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")


def test_the_example_is_what_is_built() -> None:
    source = Source(
        "flights",
        function_uri="flights/flight-delay",
        host="web-1",
        worker="0",
        inputs=("carrier", "flight", "tailnum", "distance"),
        outputs=("probability", "label"),
    )
    record = {"carrier": "UA", "flight": 1545, "tailnum": "N14228", "distance": 1400}
    defaults = {"weather.wind_gust": "missing"}
    output = {"probability": 0.2312, "label": "on time", "defaults": defaults}
    timings = {"enrich": 30.5, "transform": 22.1, "router": 3.2, "model": 90.4, "postprocess": 12.0}
    seen = Observation(
        "5b1f6c0e4a7d4f5e8c3b2a1908f7e6d5",
        "flight-delay",
        "3",
        1357034400.25,
        412,
        [record, dict(record, distance="far")],
        [output, {"error": "distance: expected a number, found 'far'"}],
        {"policy": "champion", "name": "champion", "propensity": 1.0},
        {"weather": 3600.0},
        [defaults],
        timings,
    )
    build = EventBuilder(source, Redaction({"tailnum": "hash"}, b"a salt of 16 bytes, or more"))
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    message = build(seen)
    assert orjson.loads(message.value) == orjson.loads(example)
    for name in message.headers:
        assert f"`{name}`" in PAGE


def test_every_reason_for_a_drop_is_there() -> None:
    from sluice.monitoring import outbox

    for reason in (outbox.FULL, outbox.CLOSED, outbox.UNBUILDABLE, outbox.REFUSED):
        assert f"| `{reason}` |" in PAGE
