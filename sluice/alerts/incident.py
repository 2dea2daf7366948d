"""When a condition opens an incident of a subject, and when that closes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from sluice.alerts.condition import Condition
from sluice.alerts.reading import Reading

OPEN, CLOSED = "open", "closed"
REMEMBERED_S = 7 * 86_400.0  # so long an open incident keeps what was usual when it opened
_GAP_S = 86_400.0  # what was said before a longer silence goes on no more
FORGOTTEN_S = 7 * 86_400.0  # an incident of which nothing was said for so long is over


class Incident(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has changed, since when, against what. All times are events' times, epoch s.

    Attributes:
        id: the same wherever it is told; notices carry it.
        condition, kind, severity, group: of its condition.
        subject: the feature, step, detector or figure; version: the one it is about, or empty.
        segment: such as "origin=EWR"; empty: all records.
        state: open or closed.
        since: when it most likely began; opened, updated, closed: when that was seen.
        value, usual, against, why, evidence: of its latest reading that held.
        told: when its notice was written; None: not yet, because of the cool-down.
        ended: why it closed.
    """

    id: str
    condition: str
    kind: str
    severity: str
    group: str
    subject: str
    version: str
    segment: str
    state: str
    since: float
    opened: float
    updated: float
    value: float
    usual: float | None
    against: str
    why: str
    evidence: dict[str, Any]
    closed: float | None = None
    told: float | None = None
    ended: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


class Track(msgspec.Struct, forbid_unknown_fields=True):
    """What is remembered of one subject of a condition, from look to look.

    Attributes:
        seen: when something was said of it last.
        held_since, clear_since: from when on it holds, or is over; None if it does not.
        told: when the last notice of it was written.
        incident: the open one, or None.
    """

    seen: float
    held_since: float | None = None
    clear_since: float | None = None
    told: float | None = None
    incident: Incident | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self.incident is None and self.held_since is None and self.told is None


def follow(
    track: Track, condition: Condition, reading: Reading, moment: tuple[float, float]
) -> Incident | None:
    """Take a reading into a track. The incident that has opened or closed by it, if one has.

    Args:
        track: it is changed.
        moment: from when to when (epoch s) is what was looked at.
    """
    start, now = moment
    if start - track.seen > _GAP_S:
        track.held_since, track.clear_since = None, None
    track.seen = now
    track.held_since = (track.held_since or start) if reading.held else None
    track.clear_since = (
        start if track.clear_since is None else track.clear_since
    ) if reading.clear else None  # fmt: skip
    if track.incident is not None:
        if track.clear_since is not None and now - track.clear_since >= condition.clear_for_s:
            return close(track, now, reading.why)
        if reading.held:
            track.incident = _updated(track.incident, reading, now)
    elif track.held_since is not None and now - track.held_since >= condition.for_s:
        track.incident = _opened(condition, reading, track.held_since, now)
        return track.incident
    return None


def close(track: Track, now: float, why: str) -> Incident:
    """Close the open incident of a track."""
    assert track.incident is not None
    closed = msgspec.structs.replace(
        track.incident, state=CLOSED, updated=now, closed=now, ended=why
    )
    track.incident, track.held_since, track.clear_since = None, None, None
    return closed


def tell(track: Track, condition: Condition, now: float) -> bool:
    """Whether a notice of the open incident is due now; if so, it is noted as told."""
    if track.incident is None or track.incident.told is not None:
        return False
    if track.told is not None and now - track.told < condition.cool_down_s:
        return False
    track.told = now
    track.incident = msgspec.structs.replace(track.incident, told=now)
    return True


def usual(tracks: Mapping[tuple[str, str], Track], now: float) -> dict[tuple[str, str], float]:
    """By subject and version, what was usual when the open incidents opened, a week ago at most."""
    return {
        place: track.incident.usual
        for place, track in tracks.items()
        if track.incident is not None
        and track.incident.usual is not None
        and now - track.incident.opened < REMEMBERED_S
    }


def _opened(condition: Condition, reading: Reading, held_since: float, now: float) -> Incident:
    since = held_since if reading.since is None else min(reading.since, held_since)
    names = (condition.name, reading.subject, reading.version, condition.segment)
    id = blake2b("\0".join([*names, repr(now)]).encode(), digest_size=8).hexdigest()
    return Incident(
        id=id,
        condition=condition.name,
        kind=condition.watch,
        severity=condition.severity,
        group=condition.group,
        subject=reading.subject,
        version=reading.version,
        segment=condition.segment,
        state=OPEN,
        since=since,
        opened=now,
        updated=now,
        value=reading.value,
        usual=reading.usual,
        against=reading.against,
        why=reading.why,
        evidence=dict(reading.evidence),
    )


def _updated(incident: Incident, reading: Reading, now: float) -> Incident:
    return msgspec.structs.replace(
        incident,
        updated=now,
        value=reading.value,
        why=reading.why,
        evidence=dict(reading.evidence),
    )
