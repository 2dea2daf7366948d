"""The declared conditions as a file of alerting rules for Prometheus.

What Prometheus has itself (requests, their times, defaults) becomes a rule on that, so that it
tells even where no monitor runs. All else is a rule on the monitor's `sluice_incidents`. There are
rules for the monitor too: one that has stopped raises nothing.
"""

from __future__ import annotations

from typing import Any

import yaml

from sluice.alerts.condition import Condition
from sluice.alerts.declared import Alerts
from sluice.alerts.kinds.latency import WHOLE, Latency
from sluice.alerts.kinds.shares import ErrorShare

_RATE = "10m"


def rules(graph: str, alerts: Alerts) -> str:
    """The file, YAML."""
    found = [_rule(graph, condition, alerts.page) for condition in alerts.conditions]
    group = {"name": f"sluice-{graph}", "rules": [*found, *_of_monitor(graph)]}
    text: str = yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000)
    return text


def _rule(graph: str, condition: Condition, page: str) -> dict[str, Any]:
    expression = _expression(graph, condition)
    own = expression is not None
    return {
        "alert": _name(condition.name),
        "expr": expression or f"sluice_incidents{_labels(graph, condition=condition.name)} > 0",
        # The monitor has waited already for what it tells.
        "for": _duration(condition.for_s if own else 0.0),
        "labels": {"severity": condition.severity, "graph": graph, "group": condition.group},
        "annotations": {
            "summary": f"{graph}: {condition.name} ({condition.watch})",
            "description": "{{ $value }}" if own else "{{ $value }} open incidents",
            "link": page,
        },
    }


def _expression(graph: str, condition: Condition) -> str | None:
    """What Prometheus can tell of a condition by itself; None where it can't."""
    kind = condition.kind
    if condition.segment:
        return None
    if condition.watch == "error_share" and isinstance(kind, ErrorShare):
        failed = f"sum(rate(sluice_requests_total{_labels(graph, '5..')}[{_RATE}]))"
        return (
            f"{failed} / sum(rate(sluice_requests_total{_labels(graph)}[{_RATE}])) > {kind.above:g}"
        )
    if isinstance(kind, Latency) and kind.above_s is not None:
        return _latency(graph, kind)
    return None


def _latency(graph: str, kind: Latency) -> str:
    name = "request" if kind.step == WHOLE else "step"
    labels = _labels(graph) if kind.step in ("", WHOLE) else _labels(graph, step=kind.step)
    by = "le" if kind.step == WHOLE else "le, step"
    rate = f"sum by ({by}) (rate(sluice_{name}_seconds_bucket{labels}[{_RATE}]))"
    return f"histogram_quantile({kind.percentile / 100:g}, {rate}) > {kind.above_s:g}"


def _of_monitor(graph: str) -> list[dict[str, Any]]:
    labels = _labels(graph)
    told = (
        ("MonitorAbsent", f"absent(sluice_monitor_lag{labels})", "15m", "no monitor counts"),
        ("MonitorWaits", f"sluice_monitor_waiting{labels} > 0", "15m", "the monitor waits"),
        ("MonitorBehind", f"deriv(sluice_monitor_lag{labels}[15m]) > 0", "1h", "it falls behind"),
        ("NoticesWait", f"sluice_notices_waiting{labels} > 0", "1h", "notices are not sent"),
    )
    return [
        {
            "alert": f"Sluice{name}",
            "expr": expression,
            "for": patience,
            "labels": {"severity": "ticket", "graph": graph, "group": "monitor"},
            "annotations": {"summary": f"{graph}: {text}"},
        }
        for name, expression, patience, text in told
    ]


def _labels(graph: str, status: str = "", **more: str) -> str:
    pairs = {"graph": graph, **more}
    matchers = [f"{name}={_quoted(value)}" for name, value in pairs.items()]
    matchers += [f'status=~"{status}"'] if status else []
    return f"{{{', '.join(matchers)}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _name(condition: str) -> str:
    """Sluice and the words of a name: "late-labels" is SluiceLateLabels."""
    words = "".join(c if c.isalnum() else " " for c in condition).split()
    return "Sluice" + "".join(word[0].upper() + word[1:] for word in words)


def _duration(seconds: float) -> str:
    return f"{round(seconds)}s"
