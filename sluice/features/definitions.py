"""What features.yaml declares: the records of a graph, its entities and their features.

format: 1
as_of: package.module.function      # record fields → seconds: what look-ups are "as of"
record: {field: {type, required, nullable, default, minimum, maximum, description}}
entities:
  weather:                          # a table of rows
    source: package.module.function # → a table (pandas DataFrame) with all that is known
    keys: {origin: origin}          # the source's column: the record's field
    timestamp: time_hour            # event time of a row; absent: a table without time
    delay: 1h                       # a row is known this long after its event time
    max_age: 6h                     # an older value takes its default, and the reply says so
    retention: 90d                  # older rows go; absent: all are kept
    owner: …
    features: {temp: {type, default, max_age, description}}
  drivers:                          # rows that another store keeps: online.py
    online: feast:driver_hourly_stats
    timeout: 500ms
    keys: {driver_id: driver}
    features: {conv_rate: {type, default, max_age}}
  origin_delays:                    # aggregates over events
    events: departure
    keys: {origin: origin}          # the event's field: the record's field
    features: {late_3h: {aggregate: mean, of: late, window: 3h, default, …}}
events:
  departure:
    source: package.module.function # → a table with all events that there were
    time: at                        # the field with the time at which it happened
    lateness: 15m                   # how much later than others it may come
    retention: 90d                  # of what aggregates over it keep
    fields: {at: {type: timestamp}, origin: {type: string}, late: {type: boolean}}
fetch: [weather.temp]               # features of every row, used by a version or not, for rules
candidates: {field, given, of, without}  # of a ranking graph: candidates.py
undated: request                    # a record that as_of has no time of is as of its request's
servers: servers.yaml               # beside this file: code that versions run (models/servers.py)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sluice.declaration import Section, load_object, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.features.candidates import Candidates
from sluice.features.events import EventType
from sluice.refusals import each
from sluice.schema import FLOAT32, Schema, Value
from sluice.schema import Field as RecordField

FORMAT = 1
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


@dataclass(frozen=True)
class Definitions:
    """All of features.yaml. `features` holds every feature by its full name, in order."""

    file: Path
    record: Schema
    entities: Mapping[str, Entity]
    as_of_path: str | None = None
    as_of: Callable[[Mapping[str, Any]], Any] | None = None
    events: Mapping[str, EventType] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
    candidates: Candidates | None = None
    undated: bool = False
    servers: Path | None = None
    features: Mapping[str, Feature] = field(init=False)

    def __post_init__(self) -> None:
        features = {f.name: f for e in self.entities.values() for f in e.features}
        object.__setattr__(self, "features", features)

    @property
    def names(self) -> list[str]:
        """Every column a transform may use: the record's fields, then the features."""
        return [*self.record.names, *self.features]

    def is_of_item(self, name: str) -> bool:
        """Whether a feature is looked up by candidate, and not once per record."""
        entity = self.entities[self.features[name].entity]
        return self.candidates is not None and self.candidates.field in entity.keys.values()

    def declaration(self, name: str) -> dict[str, Any]:
        """What a model version remembers of a column, to notice when it means something else."""
        if name in self.record.by_name:
            f = self.record.by_name[name]
            default = None if f.default != f.default else f.default
            shape = {"shape": list(f.shape)} if f.shape else {}
            return {"type": f.type, "default": default, **shape}
        feature = self.features[name]
        entity = self.entities[feature.entity]
        told = {**feature.declaration(), "keys": dict(entity.keys), "delay_s": entity.delay}
        if entity.events is not None:
            told["events"] = entity.events
        else:
            told["timestamp"] = entity.timestamp
        if entity.online:
            told["online"] = entity.online
        return {**told, "as_of": self.as_of_path}

    def load_source(self, entity: str, root: Path) -> Callable[[], Any]:
        """The function that gives an entity's table or events. Raises DeclarationError."""
        declared = self.entities[entity]
        where = f"events.{declared.events}" if declared.events else f"entities.{entity}"
        source: Callable[[], Any] = load_object(declared.source, self.file, f"{where}.source", root)
        return source


def read_definitions(path: Path, root: Path) -> Definitions:
    """The definitions in a features.yaml; `root` is the project's folder.

    Raises DeclarationError naming file, section and field.
    """
    top = Section(read_yaml(path), path)
    if (version := top.take("format", int)) != FORMAT:
        raise top.error("format", f"{version} is not read by this Sluice", f"it reads {FORMAT}")
    record = Schema.parse(top.sections("record"), FLOAT32)
    events = each(EventType.parse, top.sections("events", {}))
    sections = top.sections("entities", {})
    entities = each(lambda n, s: _Reader(n, s, record, events).read(), sections)
    as_of = top.take("as_of", str, None)
    fetch = tuple(top.take("fetch", list, []))
    given = "candidates" in top.names
    ranked = Candidates.parse(top.section("candidates"), record) if given else None
    undated = top.choose("undated", ("request",), None) is not None
    servers = top.take("servers", str, None)
    top.done()
    timed = [e.name for e in entities.values() if e.timestamp and not e.online]
    if timed and as_of is None:
        hint = f"{timed[0]} has a timestamp, so name the function that gives a record's time"
        raise top.error("as_of", "is missing", hint)
    if clash := next((n for n in events if n in entities), None):
        raise top.error(f"events.{clash}", "an entity has that name: its rows come as such events")
    function = load_object(as_of, path, "as_of", root) if as_of else None
    beside = path.parent / servers if servers else None
    read = (record, entities, as_of, function, events, fetch, ranked, undated, beside)
    made = Definitions(path, *read)
    if ranked is not None:
        keys = {name: entity.keys.values() for name, entity in entities.items()}
        ranked.check(path, made.features, keys)
    for name in fetch:
        if name not in made.features:
            raise top.error("fetch", f"no feature {name!r}", nearest(str(name), made.features))
    return made


class _Reader:
    """Reads one entity's section."""

    def __init__(
        self, name: str, section: Section, record: Schema, events: Mapping[str, EventType]
    ) -> None:
        self.name, self.section, self.record = name, section, record
        event = section.take("events", str, None)
        if event is not None and event not in events:
            raise section.error("events", f"no events {event!r}", nearest(event, events))
        self.event = events[event] if event is not None else None

    def read(self) -> Entity:
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


def require(definitions: Definitions, names: list[str], needed_by: str) -> None:
    """Raise DeclarationError unless every name is a column of the definitions."""
    for name in names:
        if name not in definitions.record.by_name and name not in definitions.features:
            hint = "only record fields and declared features are known at request time; "
            hint += nearest(name, definitions.names)
            raise DeclarationError(definitions.file, needed_by, f"unknown column {name!r}", hint)
