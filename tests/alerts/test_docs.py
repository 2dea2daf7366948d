"""docs/alerts.md: every field, kind and default is in it, and its declaration is read."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import yaml

from sluice.alerts.condition import SEVERITIES
from sluice.alerts.declared import DEFAULTS, Alerts, Webhook
from sluice.alerts.kinds import KINDS
from sluice.alerts.mlrun import ANOMALY
from sluice.alerts.mlrun import KINDS as EVENTS

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")


def test_every_kind_and_its_fields_are_there() -> None:
    table = PAGE.partition("### Kinds")[2].partition("\n## ")[0]
    for name, kind in KINDS.items():
        [row] = re.findall(rf"^\| `{name}` \|.*$", table, re.M)
        for field in fields(kind):  # type: ignore[arg-type]
            assert f"`{field.name.removesuffix('_s')}`" in row, (name, field.name)


def test_the_declaration_is_read() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    alerts = Alerts.parse(yaml.safe_load(block)["alerts"], "docs/alerts.md")
    assert len(alerts.conditions) == len(DEFAULTS) + 2
    for field in ("conditions", "defaults", "page", "webhooks", "mlrun"):
        assert re.search(rf"^\| `{field}` \|", PAGE, re.M)
    for hook in fields(Webhook):
        assert f"`{hook.name}`" in PAGE


def test_defaults_severities_and_events_are_there() -> None:
    for name in (*(default["name"] for default in DEFAULTS), *SEVERITIES):
        assert f"`{name}`" in PAGE
    for event in (*EVENTS.values(), ANOMALY):
        assert f"`{event}`" in PAGE
