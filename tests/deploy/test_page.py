"""docs/deploy.md: what it shows can be declared, and what can be declared it shows."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
import yaml

from sluice.deploy.declared import Deploy, Ingress, Job, Kafka
from sluice.deploy.render import PATTERNS, render
from tests.conftest import ROOT
from tests.deploy.checked import check
from tests.deploy.conftest import Make

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
(BLOCK,) = re.findall(r"^```yaml\n(deploy:.*?)^```", PAGE, re.M | re.S)
SHOWN: dict[str, Any] = yaml.safe_load(BLOCK)["deploy"]
# Attributes whose fields have another name, or another place.
ELSEWHERE = {
    "user", "secret", "mechanism", "tls", "ca", "url", "percentage", "requests", "limits",
    "windows",
}  # fmt: skip


def test_the_declaration_of_the_page_is_read_and_rendered(make: Make) -> None:
    shared = {k: v for k, v in SHOWN.items() if k != "claim"}
    added = {"SLUICE_STREAM": "k/url", "SLUICE_EVENTS": "k/url", "SLUICE_DATABASE": "d/url"}
    secrets = {**shared["secrets"], **added}
    project = make({**shared, "secrets": secrets}, retrain={})
    resources = render(project, "orders", patterns=PATTERNS)
    for resource in resources.values():
        check(resource)


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (Deploy, SHOWN),
        (Kafka, SHOWN["kafka"]),
        (Ingress, SHOWN["ingress"]),
        (Job, SHOWN["batch"]),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_the_page_shows_every_field(part: Any, shown: dict[str, Any]) -> None:
    assert {f.name for f in fields(part)} - ELSEWHERE <= set(shown)
