"""/metrics: what all workers have answered."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import RECORD
from tests.metrics.test_metrics import samples
from tests.serving import Client, served

GRAPH = ("graph", "flight-delay")


def page(client: Client) -> dict[Any, float]:
    with urllib.request.urlopen(client.url + "/metrics") as reply:
        assert reply.headers["content-type"].startswith("text/plain")
        return samples(reply.read())


def pages(client: Client) -> Iterator[dict[Any, float]]:
    """The page again and again, for a minute: the second worker may come up after the first."""
    for _ in range(600):
        yield page(client)
        time.sleep(0.1)


def key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted([GRAPH, *labels.items()]))


def test_all_workers_requests_are_on_one_page(flights: Path) -> None:
    unknown = {**RECORD, "carrier": "ZZ"}
    with served("flight-delay", flights) as client:
        for _ in range(20):
            assert client.post("/", RECORD).status == 200
        assert client.post("/", [RECORD, unknown, {}]).status == 200
        assert client.post("/", {}).status == 422
        assert client.post("/", b"{").status == 400
        found = next(found for found in pages(client) if found["sluice_workers_ready", ()] == 2)
    assert found[key("sluice_requests_total", status="422")] == 1
    assert found[key("sluice_requests_total", status="400")] == 1
    assert found[key("sluice_requests_total", status="200")] >= 21
    assert found[key("sluice_request_seconds_count")] == 21
    for step in ("enrich", "transform", "router", "model", "postprocess"):
        assert found[key("sluice_step_seconds_count", step=step)] == 21
    assert found[key("sluice_records_total", version="1", outcome="answered")] == 22
    assert found[key("sluice_records_total", version="1", outcome="error")] == 1
    assert found[key("sluice_defaults_total", column="carrier", reason="unknown")] == 1
    assert found["sluice_worker_restarts", ()] == 0
    ages = {k: v for k, v in found.items() if k[0] == "sluice_feature_age_seconds_count"}
    assert sum(ages.values()) == 21
