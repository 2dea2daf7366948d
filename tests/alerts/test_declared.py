"""What is declared: defaults, names, and mistakes with their field."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.alerts.declared import DEFAULTS, Alerts
from sluice.alerts.kinds.latency import Latency
from sluice.alerts.kinds.shares import ErrorShare
from sluice.check.graph import check_graph
from sluice.check.problems import Problems
from sluice.errors import DeclarationError
from tests.tiny import Tiny


def parse(data: Any) -> Alerts:
    return Alerts.parse(data, "graph.yaml")


def test_without_a_declaration_there_are_conditions() -> None:
    assert [c.name for c in parse(None).conditions] == [d["name"] for d in DEFAULTS]
    assert parse([]) == parse(None) == parse({})
    assert parse({"defaults": False}).conditions == []


def test_a_name_that_is_declared_replaces_the_default() -> None:
    alerts = parse([{"name": "errors", "watch": "error_share", "above": 0.02, "for": "10m",
                     "clear_below": 0.01, "cool_down": "6h", "severity": "page",
                     "group": "serving"}])  # fmt: skip
    assert len(alerts.conditions) == len(DEFAULTS)
    [errors] = [c for c in alerts.conditions if c.name == "errors"]
    assert errors.kind == ErrorShare(0.02, 0.01)
    assert (errors.for_s, errors.cool_down_s) == (600.0, 21_600.0)
    assert (errors.severity, errors.group) == ("page", "serving")


def test_what_a_kind_declares() -> None:
    [slow] = parse({"defaults": False, "conditions": [
        {"watch": "latency", "step": "model", "above": "50ms", "percentile": 99},
    ]}).conditions  # fmt: skip
    assert slow.kind == Latency(99.0, "model", 0.05)
    assert (slow.name, slow.group) == ("latency", "latency")


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([{"watch": "errors"}], r"alerts\[0\]\.watch"),
        ([{"watch": "error_share", "above": 2}], r"alerts\[0\]\.above"),
        ([{"watch": "error_share", "clear_below": 0.5}], r"alerts\[0\]\.clear_below"),
        ([{"watch": "error_share", "abov": 1}], r"alerts\[0\]\.abov"),
        ([{"watch": "error_share", "for": "soon"}], r"alerts\[0\]\.for"),
        ([{"watch": "error_share", "cool_down": "999d"}], r"alerts\[0\]\.cool_down"),
        ([{"watch": "error_share", "min_rows": 0}], r"alerts\[0\]\.min_rows"),
        ([{"watch": "error_share", "severity": "loud"}], r"alerts\[0\]\.severity"),
        ([{"watch": "drift"}, {"watch": "drift"}], r"alerts\.conditions"),
        ([{"watch": "metric", "metric": "auc"}], r"alerts\[0\]\.above"),
        ([{"watch": "metric", "metric": "aoc", "below": 1}], r"alerts\[0\]\.metric"),
        ([{"watch": "route_share", "route": "challenger"}], r"alerts\[0\]\.above"),
        ([{"watch": "drift", "days": 0}], r"alerts\[0\]\.days"),
        ({"conditions": [{"watch": "nothing"}]}, r"alerts\.conditions\[0\]\.watch"),
        ({"webhooks": [{}]}, r"alerts\.webhooks\[0\]\.url"),
        ({"webhooks": [{"url": "ftp://x"}]}, r"alerts\.webhooks\[0\]\.url"),
        ({"webhooks": [{"url": "http://x", "header": "H"}]}, r"alerts\.webhooks\[0\]\.header"),
        ({"page": 3}, r"alerts\.page"),
        ({"pages": ""}, r"alerts\.pages"),
    ],
)  # fmt: skip
def test_mistakes_name_the_field(data: Any, where: str) -> None:
    with pytest.raises(DeclarationError, match=where):
        parse(data)


def test_check_finds_mistakes_in_drift_and_in_alerts(shop: Tiny) -> None:
    declared = "drift: {level: 2}\n      alerts: [{watch: latency, above: quickly}]"
    shop.edit("graphs/binary/graph.yaml", "format: 1\n", f"format: 1\n      {declared}\n")
    problems = Problems(shop.root)
    check_graph(problems, shop.project, "binary")
    found = [str(problem) for problem in problems.found]
    assert any("alerts[0].above" in text and "not a duration" in text for text in found)
    assert any("drift.level" in text for text in found)
