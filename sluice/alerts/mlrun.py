"""Incidents as events in MLRun: what its alerts may be configured to wait for.

MLRun sends its own notifications by the alert configurations of a project; each waits for events
of a kind, of an entity. docs/alerts.md shows one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from sluice.alerts.incident import Incident
from sluice.alerts.notice import Notice, line
from sluice.errors import SluiceError, StoreUnavailable

ANOMALY = "mm-app-anomaly-detected"
KINDS: Mapping[str, str] = {
    "drift": "data-drift-detected",
    "change": "concept-drift-detected",
    "metric": "model-performance-detected",
    "estimate": "model-performance-suspected",
    "error_share": "system-performance-detected",
    "refused_share": "system-performance-detected",
    "latency": "system-performance-detected",
    "traffic": "system-performance-detected",
}
_APPLICATION = "sluice"


class Client(Protocol):
    """What is asked of MLRun's client (mlrun.get_run_db())."""

    def generate_event(self, name: str, event_data: dict[str, Any], project: str = "") -> None:
        """Post an event."""


class MlrunChannel:
    """Posts an event for each incident that opened; MLRun's have no end.

    Args:
        client: of MLRun.
        endpoint: the uid of the model endpoint, or else the graph's name.
    """

    def __init__(self, client: Client, endpoint: str) -> None:
        self._client, self._endpoint = client, endpoint

    def send(self, notice: Notice) -> None:
        """Post a notice's events. Raises StoreUnavailable, SluiceError for what is refused."""
        from mlrun.errors import MLRunBadRequestError, MLRunBaseError, MLRunNotFoundError

        for incident in notice.opened:
            event = event_of(notice, incident, self._endpoint)
            try:
                self._client.generate_event(event["kind"], event, notice.project)
            except (MLRunBadRequestError, MLRunNotFoundError) as error:
                raise SluiceError(f"MLRun refuses an event: {error}") from error
            except (MLRunBaseError, OSError) as error:
                raise StoreUnavailable(f"MLRun: {type(error).__name__}") from error


def event_of(notice: Notice, incident: Incident, endpoint: str) -> dict[str, Any]:
    """An incident as MLRun's Event: of the endpoint's result that its condition names."""
    return {
        "kind": KINDS.get(incident.kind, ANOMALY),
        "timestamp": datetime.fromtimestamp(incident.opened, UTC).isoformat(),
        "entity": {
            "kind": "model-endpoint-result",
            "project": notice.project,
            "ids": [f"{endpoint}.{_APPLICATION}.result.{incident.condition}"],
        },
        "value_dict": {
            "incident": incident.id,
            "subject": incident.subject,
            "version": incident.version,
            "severity": incident.severity,
            "since": incident.since,
            "value": incident.value,
            "why": line(incident),
            "link": notice.link,
        },
    }
