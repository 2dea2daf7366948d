"""Grafana's dashboard of windows asks for what a monitor's page has, all of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sluice.alerts.meter import page as incidents
from sluice.alerts.watch import Watch
from sluice.windows.meter import page
from tests.conftest import ROOT
from tests.windows.world import World

FILE = ROOT / "infra" / "compose" / "grafana" / "dashboards" / "windows.json"
DASHBOARD: Any = json.loads(FILE.read_text("utf-8"))
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
_OWN = re.compile(r"(sluice_\w+)(?:\{[^}]*\})?")


@pytest.fixture(scope="module")
def text(busy: World) -> str:
    """What Prometheus reads of a monitor."""
    with busy.windows() as windows, Watch.open(busy.project, "binary") as watch:
        made = page("binary", windows, 0, waiting=False) + incidents(watch)
    return made.decode()


def labels_of(text: str, metric: str) -> set[str]:
    """The labels that a metric's lines have."""
    found = re.findall(rf"^{metric}\{{([^}}]*)\}}", text, re.MULTILINE)
    return {name for line in found for name in re.findall(r'(\w+)="', line)}


def test_it_asks_for_all_that_there_is_and_for_nothing_else(text: str) -> None:
    there = set(re.findall(r"^# TYPE (sluice_\w+) ", text, re.MULTILINE))
    asked = {name for target in TARGETS for name in _OWN.findall(target["expr"])}
    assert asked == there
    assert DASHBOARD["templating"]["list"][0]["query"] == "label_values(sluice_monitor_lag, graph)"


@pytest.mark.parametrize("target", TARGETS, ids=[str(t["expr"]) for t in TARGETS])
def test_labels_are_there_and_legends_name_what_is_kept(text: str, target: Any) -> None:
    [by] = re.findall(r"by \(([^)]*)\)", target["expr"])
    kept = {label.strip() for label in by.split(",")}
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == kept
    [metric] = _OWN.findall(target["expr"])
    if labels := labels_of(text, metric):  # of a graph without numbers rmse has no line
        assert kept <= labels


def test_panels_ask_the_source_that_is_provisioned() -> None:
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    sources = [p["datasource"]["uid"] for p in (*DASHBOARD["panels"], *TARGETS)]
    assert set(sources) == {"prometheus"}
