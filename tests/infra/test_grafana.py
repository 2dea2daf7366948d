"""The dashboard asks for metrics and labels that there are."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

FILE = ROOT / "infra" / "compose" / "grafana" / "dashboards" / "sluice.json"
DASHBOARD: Any = json.loads(FILE.read_text("utf-8"))
SERIES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
KINDS = {
    "histogram": "histogram", "counter": "counter", "count": "counter", "_count": "counter",
    "Gauge": "gauge",
}  # fmt: skip


def declared() -> Iterator[tuple[str, str]]:
    """Every metric that the code counts, with its kind."""
    for file in sorted((ROOT / "sluice").rglob("*.py")):
        source = file.read_text("utf-8")
        for node in ast.walk(ast.parse(source if '"sluice_' in source else "")):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name, function = node.args[0], node.func
            called = getattr(function, "attr", getattr(function, "id", ""))
            text = str(getattr(name, "value", ""))
            if called in KINDS and text.startswith("sluice_"):
                yield text, KINDS[called]


METRICS = dict(declared())
THERE = {name + end for name, kind in METRICS.items() for end in SERIES[kind]}
LABELS = {
    "graph", "status", "step", "version", "outcome", "column", "reason", "entity", "error", "le",
    "metric",
}  # fmt: skip
ASKED = [
    pytest.param(target, id=f"{panel['title']}-{target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]


def test_metrics_are_found_in_the_code() -> None:
    assert METRICS["sluice_requests"] == "counter"
    assert METRICS["sluice_step_seconds"] == "histogram"
    assert METRICS["sluice_stream_lag"] == "gauge"


@pytest.mark.parametrize("target", ASKED)
def test_a_query_asks_for_what_there_is(target: Any) -> None:
    asked = set(re.findall(r"\bsluice_\w+", target["expr"]))
    assert asked
    assert asked <= THERE
    labels = [
        label.strip() for by in re.findall(r"by \(([^)]*)\)", target["expr"])
        for label in by.split(",")
    ]  # fmt: skip
    assert set(labels) <= LABELS
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert shown <= set(labels), "a legend names what the query keeps"
    assert target["expr"].count("(") == target["expr"].count(")")


def test_every_metric_has_a_place() -> None:
    text = " ".join(p.values[0]["expr"] for p in ASKED)  # type: ignore[index]
    assert [name for name in METRICS if name not in text] == []


def test_panels_ask_the_source_that_is_provisioned() -> None:
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "prometheus"
    assert DASHBOARD["templating"]["list"][0]["query"].startswith("label_values(sluice_request_")
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
