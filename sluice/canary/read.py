"""What a canary reads off events: its requests, and what they answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from sluice.canary.run import Run
from sluice.canary.tally import CHALLENGER, SIDES, Answered
from sluice.monitoring.event import FORMAT
from sluice.routing.decisions import read_decisions, reading
from sluice.routing.rewards import Decision

POLICY = "canary"


class _Block(msgspec.Struct):
    format: int
    version: str | None = None
    route: Mapping[str, Any] = {}
    status: int = 200
    ids: Sequence[str] | None = None


class _Request(msgspec.Struct):
    id: str


class _Event(msgspec.Struct):
    when: str
    microsec: int
    request: _Request
    sluice: _Block


class Found(NamedTuple):
    """What an event tells: a request, unless it is of a batch; by request id, what was answered."""

    request: Answered | None
    decisions: Mapping[str, Sequence[Decision]]


@reading("event")
def read_event(value: bytes, run: Run) -> Found | None:
    """What an event tells of a run; None where it is not of it.

    Records of a batch have their labels counted, and nothing else: they fail and take time
    together. Raises ValueError for what is no event, or of a newer format.
    """
    event = msgspec.json.decode(value, type=_Event)
    block = event.sluice
    if block.format > FORMAT:
        raise ValueError(f"an event of format {block.format}: upgrade Sluice")
    request = None if block.ids else _request(event, run)
    decisions: dict[str, list[Decision]] = {}
    if run.plan.loss is not None and (request or block.ids):
        for decision in read_decisions(value):
            if decision.policy == POLICY and share_of(run, decision) is not None:
                id = decision.place.rpartition("/")[0]
                decisions.setdefault(id, []).append(decision)
    return Found(request, decisions) if request or decisions else None


def share_of(run: Run, decision: Decision) -> float | None:
    """The challenger's probability when a decision was made; see `_share`."""
    return _share(run, decision.arm, decision.version, decision.propensity)


def _request(event: _Event, run: Run) -> Answered | None:
    route = event.sluice.route
    if route.get("policy") != POLICY or "name" not in route:
        return None
    name, version = route["name"], str(event.sluice.version or route.get("version"))
    share = _share(run, name, version, route["propensity"])
    if share is None:
        return None
    return Answered(
        id=event.request.id,
        when=datetime.fromisoformat(event.when).timestamp(),
        share=share,
        challenger=name == CHALLENGER,
        failed=event.sluice.status >= 500,
        us=event.microsec,
    )


def _share(run: Run, name: str, version: str, propensity: float) -> float | None:
    """The challenger's probability; None for a choice that is not the run's, or where there was
    nothing to choose."""
    if name not in SIDES or version != getattr(run, name):
        return None
    share = propensity if name == CHALLENGER else 1 - propensity
    return share if 0 < share < 1 else None
