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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.declaration import Section, load_object, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.features.candidates import Candidates
from sluice.features.entity import Entity, EntityReader, Feature
from sluice.features.events import EventType
from sluice.refusals import each
from sluice.schema import FLOAT32, Schema

FORMAT = 1


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
    entities = each(lambda n, s: EntityReader(n, s, record, events).read(), sections)
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


def require(definitions: Definitions, names: list[str], needed_by: str) -> None:
    """Raise DeclarationError unless every name is a column of the definitions."""
    for name in names:
        if name not in definitions.record.by_name and name not in definitions.features:
            hint = "only record fields and declared features are known at request time; "
            hint += nearest(name, definitions.names)
            raise DeclarationError(definitions.file, needed_by, f"unknown column {name!r}", hint)
