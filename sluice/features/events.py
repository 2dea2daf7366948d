"""A type of events, as features.yaml declares it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.schema import Schema


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event.

    `lateness` and `retention` in seconds: an event that much older than the newest still counts;
    totals of those that much older go.
    """

    name: str
    source: str
    time: str
    lateness: float
    fields: Schema
    retention: float = math.inf
    description: str = ""

    @classmethod
    def parse(cls, name: str, section: Section) -> EventType:
        """A type of events from its section. Raises DeclarationError."""
        fields = Schema.parse(section.sections("fields"))
        time = section.take("time", str)
        if time not in fields.by_name:
            raise section.error("time", f"no field {time!r}", nearest(time, fields.names))
        declared = fields.by_name[time]
        if declared.type != "timestamp" or declared.nullable or not declared.required:
            hint = "{type: timestamp, required: true, nullable: false}"
            raise section.error(f"fields.{time}", "every event needs its time", hint)
        event = cls(
            name=name,
            source=section.take("source", str),
            time=time,
            lateness=section.duration("lateness"),
            fields=fields,
            retention=section.duration("retention", math.inf),
            description=section.take("description", str, ""),
        )
        section.done()
        return event
