"""The rules for Prometheus: of what is declared, on metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.alerts import meter
from sluice.alerts.declared import Alerts
from sluice.alerts.rules import rules
from sluice.metrics.page import HELP

DECLARED = [
    {"name": "late-labels", "watch": "error_share", "above": 0.02, "for": "10m"},
    {"name": "slow model", "watch": "latency", "step": "model", "above": "50ms"},
    {"name": "slow", "watch": "latency", "step": "requests", "above": "1s", "percentile": 99},
    {"name": "of EWR", "watch": "error_share", "segment": "origin=EWR"},
    {"watch": "drift", "severity": "page", "group": "model"},
]
_METRIC = re.compile(r"\b(sluice_\w+)\{")


def rendered(declared: Any) -> list[dict[str, Any]]:
    [group] = yaml.safe_load(rules('a"b', Alerts.parse(declared, "graph.yaml")))["groups"]
    assert group["name"] == 'sluice-a"b'
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_every_condition_has_a_rule_on_metrics_that_there_are() -> None:
    found = {rule["alert"]: rule for rule in rendered(DECLARED)}
    assert found["SluiceLateLabels"]["for"] == "600s"
    assert found["SluiceLateLabels"]["expr"].endswith("[10m])) > 0.02")
    assert found["SluiceSlowModel"]["expr"] == (
        'histogram_quantile(0.95, sum by (le, step) (rate(sluice_step_seconds_bucket{graph="a\\"b",'
        ' step="model"}[10m]))) > 0.05'
    )
    assert "sluice_request_seconds_bucket" in found["SluiceSlow"]["expr"]
    assert found["SluiceOfEWR"]["expr"] == 'sluice_incidents{graph="a\\"b", condition="of EWR"} > 0'
    assert found["SluiceDrift"]["labels"] == {"severity": "page", "graph": 'a"b', "group": "model"}
    assert len(found) == len(rendered(DECLARED))
    monitors = (meter.__doc__ or "") + Path("sluice/windows/meter.py").read_text("utf-8")
    for rule in found.values():
        for metric in _METRIC.findall(rule["expr"]):
            name = re.sub(r"_(total|bucket)$", "", metric)
            assert name in HELP or name in monitors, metric


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(rules("flight-delay", Alerts.parse(DECLARED, "graph.yaml")), "utf-8")
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
