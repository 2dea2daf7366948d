"""What a graph declares of alerts: spec.parameters.sluice.alerts.

alerts:                                  # or the list of conditions alone
  conditions:
    - {name: late-labels, watch: error_share, above: .02, for: 10m, cool_down: 6h, severity: page}
    - {watch: latency, step: model, above: 50ms}
  defaults: true                         # those below too, but for names declared anew
  page: https://sluice.example.com/dashboard
  webhooks:
    - {url_secret: ALERTS_URL, secret: ALERTS_SECRET, severity: ticket}
  mlrun: false
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sluice.alerts.condition import SEVERITIES, Condition
from sluice.declaration import Section

WHERE = "spec.parameters.sluice.alerts"
PAGE = "/dashboard"
DEFAULTS: Sequence[Mapping[str, Any]] = (
    {"name": "errors", "watch": "error_share"},
    {"name": "traffic", "watch": "traffic"},
    {"name": "latency", "watch": "latency"},
    {"name": "defaults", "watch": "defaults"},
    {"name": "stale", "watch": "stale"},
    {"name": "nulls", "watch": "nulls"},
    {"name": "drift", "watch": "drift"},
    {"name": "change", "watch": "change"},
    {"name": "turned", "watch": "metric", "metric": "auc", "below": 0.5},
)


@dataclass(frozen=True)
class Webhook:
    """An address that takes notices.

    Attributes:
        url, url_secret: the address, or the name of the secret that it is.
        secret: the name of the secret with which notices are signed; empty: they are not.
        header: the header that carries the secret itself, instead of a signature.
        severity: of SEVERITIES: notices of less are not sent there.
    """

    url: str
    url_secret: str
    secret: str
    header: str
    severity: str

    @classmethod
    def parse(cls, section: Section) -> Webhook:
        """The webhook in a section. Raises DeclarationError naming the field."""
        webhook = cls(
            section.take("url", str, ""),
            section.take("url_secret", str, ""),
            section.take("secret", str, ""),
            section.take("header", str, ""),
            section.choose("severity", SEVERITIES, "info"),
        )
        section.done()
        if bool(webhook.url) == bool(webhook.url_secret):
            raise section.error("url", "expected url or url_secret")
        if webhook.url and not is_url(webhook.url):
            raise section.error("url", f"{webhook.url!r} is no URL", "https://…")
        if webhook.header and not webhook.secret:
            raise section.error("header", "there is no secret to carry")
        return webhook


@dataclass(frozen=True)
class Alerts:
    """Conditions, and where notices go.

    Attributes:
        conditions: with names of their own.
        page: the address of the dashboard, for links.
        webhooks: notices go to each.
        mlrun: whether they become events in MLRun.
    """

    conditions: Sequence[Condition]
    page: str = PAGE
    webhooks: Sequence[Webhook] = ()
    mlrun: bool = False

    @classmethod
    def parse(cls, data: Any, file: object) -> Alerts:
        """What is declared; None: the conditions in DEFAULTS, told in the log alone.

        Raises DeclarationError naming the field.
        """
        plain = {"conditions": data} if isinstance(data, list) else data or {}
        section = Section(plain, file, WHERE)
        conditions = _conditions(section, isinstance(data, list))
        if section.take("defaults", bool, True):
            names = {condition.name for condition in conditions}
            known = [Condition.parse(Section(d, file, WHERE)) for d in DEFAULTS]
            conditions = [*(c for c in known if c.name not in names), *conditions]
        webhooks = [Webhook.parse(s) for s in _items(section, "webhooks")]
        alerts = cls(
            conditions,
            section.take("page", str, PAGE),
            webhooks,
            section.take("mlrun", bool, False),
        )
        section.done()
        return alerts


def _items(section: Section, field: str, bare: bool = False) -> list[Section]:
    where = section.where if bare else f"{section.where}.{field}"
    items = section.take(field, list, [])
    return [Section(item, section.file, f"{where}[{k}]") for k, item in enumerate(items)]


def _conditions(section: Section, bare: bool) -> list[Condition]:
    conditions = [Condition.parse(item) for item in _items(section, "conditions", bare)]
    names = [condition.name for condition in conditions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise section.error("conditions", f"{twice!r} is there twice", "give each a name")
    return conditions


def is_url(text: str) -> bool:
    """Whether notices can be posted there."""
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
