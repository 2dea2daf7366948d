"""Entities, their features, and how features.yaml declares them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.features.events import EventType
from sluice.refusals import each
from sluice.schema import Field as RecordField
from sluice.schema import Schema, Value

FEATURE_TYPES = ("string", "integer", "number", "boolean")
ONLINE = ("feast", "mlrun")
AGGREGATES = ("count", "sum", "mean", "rate", "last")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How a feature comes of events: `kind` of the field `of` over the last `window` seconds."""

    kind: str
    of: str | None
    window: float


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: `name` is "entity.feature"; `max_age` in seconds, infinite if it never ages."""

    name: str
    entity: str
    type: str
    default: Value
    max_age: float = math.inf
    description: str = ""
    aggregate: Aggregate | None = None

    def declaration(self) -> dict[str, Any]:
        """What a model version remembers of it: whatever would change the value it is served."""
        default = None if self.default != self.default else self.default
        max_age = None if math.isinf(self.max_age) else self.max_age
        told: dict[str, Any] = {"type": self.type, "default": default, "max_age_s": max_age}
        if self.aggregate is not None:
            window = None if math.isinf(self.aggregate.window) else self.aggregate.window
            told |= {"aggregate": self.aggregate.kind, "of": self.aggregate.of, "window_s": window}
        return told


@dataclass(frozen=True, slots=True)
class Entity:
    """A table of features. `keys` maps the source's key columns to the fields of a record.

    `online` names another store that has the rows, read-only, and `timeout` how many seconds it may
    take; see online.py.
    """

    name: str
    source: str
    keys: Mapping[str, str]
    features: tuple[Feature, ...]
    timestamp: str | None = None
    delay: float = 0.0
    retention: float = math.inf
    owner: str = ""
    description: str = ""
    events: str | None = None
    online: str = ""
    timeout: float = 1.0

    @property
    def columns(self) -> list[str]:
        """The names of its features without the entity's: a table's value columns."""
        return [f.name.partition(".")[2] for f in self.features]

    def keyed_by(self, fields: Collection[str]) -> bool:
        """Whether these fields of a record are all of its key, and more."""
        return set(self.keys.values()) <= set(fields)


class EntityReader:
    """Reads one entity's section; `events` are those that are declared."""

    def __init__(
        self, name: str, section: Section, record: Schema, events: Mapping[str, EventType]
    ) -> None:
        self.name, self.section, self.record = name, section, record
        event = section.take("events", str, None)
        if event is not None and event not in events:
            raise section.error("events", f"no events {event!r}", nearest(event, events))
        self.event = events[event] if event is not None else None

    def read(self) -> Entity:
        """The entity. Raises DeclarationError naming file, section and field."""
        section, event = self.section, self.event
        max_age = section.duration("max_age", math.inf)
        features = section.sections("features")
        online = self._online()
        entity = Entity(
            name=self.name,
            source=event.source if event else section.take("source", str, *[""] * bool(online)),
            keys=self._keys(),
            features=tuple(each(partial(self._feature, max_age), features).values()),
            timestamp=event.time if event else section.take("timestamp", str, self._timed(online)),
            delay=section.duration("delay", 0.0),
            retention=event.retention if event else section.duration("retention", math.inf),
            owner=section.take("owner", str, ""),
            description=section.take("description", str, ""),
            events=event.name if event else None,
            online=online,
            timeout=section.duration("timeout", 1.0) if online else 1.0,
        )
        section.done()
        if not entity.keys or not features:
            raise section.error("features" if entity.keys else "keys", "is empty")
        self._refuse_ageless(entity)
        return entity

    def _online(self) -> str:
        """Another store that has the rows: "feast:VIEW" or "mlrun:VECTOR"."""
        online: str = self.section.take("online", str, "")
        if not online:
            return ""
        kind, mark, place = online.partition(":")
        if kind not in ONLINE or not mark or not place:
            hint = "feast:VIEW or mlrun:PROJECT/VECTOR"
            raise self.section.error("online", f"no store {online!r}", hint)
        for name in ("events", "retention"):
            if name in self.section.names or (name == "events" and self.event is not None):
                raise self.section.error(name, "is for rows that this graph's store keeps")
        return online

    def _timed(self, online: str) -> str | None:
        """The time column where none is declared: Feast's rows have one by themselves."""
        return "event_timestamp" if online.startswith("feast:") else None

    def _keys(self) -> dict[str, str]:
        keys = {k: str(v) for k, v in self.section.section("keys").rest().items()}
        for column, source in keys.items():
            if source not in self.record.by_name:
                hint = nearest(source, self.record.names)
                raise self.section.error(f"keys.{column}", f"no record field {source!r}", hint)
            if self.record.by_name[source].shape:
                raise self.section.error(f"keys.{column}", f"{source} is an array, no key")
            if self.event is not None:
                self._field(f"keys.{column}", column)
        return keys

    def _field(self, where: str, name: str) -> RecordField:
        assert self.event is not None
        if name not in self.event.fields.by_name:
            hint = nearest(name, self.event.fields.names)
            raise self.section.error(where, f"no field {name!r} in events {self.event.name}", hint)
        return self.event.fields.by_name[name]

    def _refuse_ageless(self, entity: Entity) -> None:
        aged = [f for f in entity.features if not math.isinf(f.max_age)]
        if entity.timestamp is None and aged:
            where = f"features.{aged[0].name.partition('.')[2]}.max_age"
            raise self.section.error(where, "needs a timestamp", "name the source's time column")

    def _feature(self, max_age: float, name: str, section: Section) -> Feature:
        age = section.duration("max_age", max_age)
        aggregate = self._aggregate(section) if self.event is not None else None
        if aggregate is None:
            kind = section.choose("type", FEATURE_TYPES)
        else:
            kind = section.choose("type", FEATURE_TYPES, "number")
            self._refuse_mixed(section, aggregate, kind)
        default = section.take("default", object, None)
        description = section.take("description", str, "")
        section.done()
        typed = RecordField(name, kind)
        try:
            value = typed.empty if default is None else typed.convert(default)
        except ValueError as error:
            raise section.error("default", f"expected {error}, found {default!r}") from None
        return Feature(f"{self.name}.{name}", self.name, kind, value, age, description, aggregate)

    def _aggregate(self, section: Section) -> Aggregate:
        kind = section.choose("aggregate", AGGREGATES)
        of = section.take("of", str, None)
        window = section.duration("window", math.inf)
        if (of is None) != (kind == "count"):
            raise section.error("of", "counts events, not a field" if of else "is missing")
        if of is not None:
            allowed = ("boolean",) if kind == "rate" else ("integer", "number", "boolean")
            found = self._field(f"{section.where}.of", of).type
            if kind != "last" and found not in allowed:
                hint = f"{kind} wants {' or '.join(allowed)}"
                raise section.error("of", f"{of} is of type {found}", hint)
        return Aggregate(kind, of, window)

    def _refuse_mixed(self, section: Section, aggregate: Aggregate, kind: str) -> None:
        last_text = aggregate.kind == "last" and self._field("of", str(aggregate.of)).type
        if (last_text == "string") != (kind == "string"):
            raise section.error("type", f"{kind} is not what {aggregate.kind} gives here")
