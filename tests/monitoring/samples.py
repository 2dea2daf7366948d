"""Observations for tests."""

from __future__ import annotations

from typing import Any

from sluice.monitoring.event import Observation, Source

RECORD: dict[str, Any] = {"carrier": "UA", "tailnum": "N14228", "distance": 1400}
OUTPUT: dict[str, Any] = {"probability": 0.25, "label": "on time"}
SOURCE = Source(
    "flights",
    function_uri="flights/flight-delay",
    host="h1",
    worker="0",
    labels={"team": "ops"},
    inputs=("carrier", "tailnum", "distance"),
    outputs=("probability", "label"),
)


def observation(id: str = "r-1", rows: int = 1, **fields: Any) -> Observation:
    given: dict[str, Any] = {
        "graph": "flight-delay",
        "version": "3",
        "when": 1357034400.25,
        "duration_us": 1_300_244,
        "records": [dict(RECORD, distance=n) for n in range(rows)],
        "outputs": [dict(OUTPUT) for _ in range(rows)],
        "route": {"policy": "champion", "name": "champion", "propensity": 1.0},
        "ages": {"weather": 3600.0},
        "timings": {"enrich": 30.5, "model": 90.0},
    }
    return Observation(id, **{**given, **fields})
