"""A notice: what opened and closed at one look in one group, for whoever is to know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from sluice.alerts.condition import SEVERITIES
from sluice.alerts.incident import OPEN, Incident

FORMAT = 1


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message.

    Attributes:
        id: the same in every try to send it.
        at: when it was seen, of events' time, epoch s.
        severity: the worst of those that opened; info where none has.
        opened, closed: incidents.
        link: where they are shown.
    """

    format: int
    id: str
    project: str
    graph: str
    at: float
    group: str
    severity: str
    opened: list[Incident]
    closed: list[Incident]
    link: str

    @property
    def text(self) -> str:
        """The same for people: a line, and one for each incident."""
        parts = [
            f"{len(incidents)} {what}"
            for what, incidents in (("open", self.opened), ("closed", self.closed))
            if incidents
        ]
        head = f"[{self.severity}] {self.project}/{self.graph} {self.group}: {', '.join(parts)}"
        return "\n".join([head, *map(line, self.opened + self.closed), self.link])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON, with the text."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return {**data, "text": self.text}


def write(project: str, graph: str, page: str, at: float, incidents: Sequence[Incident]) -> Notice:
    """The notice of incidents of one group. `page` is the address of the dashboard."""
    opened = [incident for incident in incidents if incident.state == OPEN]
    closed = [incident for incident in incidents if incident.state != OPEN]
    names = [graph, *(f"{incident.id} {incident.state}" for incident in incidents)]
    worst = max((SEVERITIES.index(incident.severity) for incident in opened), default=0)
    return Notice(
        format=FORMAT,
        id=blake2b("\0".join(names).encode(), digest_size=16).hexdigest(),
        project=project,
        graph=graph,
        at=at,
        group=incidents[0].group,
        severity=SEVERITIES[worst],
        opened=opened,
        closed=closed,
        link=link(page, incidents[0]),
    )


def link(page: str, incident: Incident) -> str:
    """Where an incident is shown."""
    return f"{page}#incident-{incident.id}"


def line(incident: Incident) -> str:
    """An incident in a line."""
    about = [f"version {incident.version}"] if incident.version else []
    about += [incident.segment] if incident.segment else []
    where = f" ({', '.join(about)})" if about else ""
    if incident.state == OPEN:
        told = f"{incident.why}; since {moment(incident.since)}, against {incident.against}"
    else:
        assert incident.closed is not None
        told = f"over at {moment(incident.closed)}: {incident.ended}"
    return f"{incident.condition}: {incident.subject}{where}: {told}"


def moment(when: float) -> str:
    """A time for people, UTC.

    >>> moment(1704067200.0)
    '2024-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
