"""What features.yaml declares: the records of a graph, its entities and their features.

format: 1
as_of: package.module.function      # record fields → seconds: what look-ups are "as of"
record: {field: {type, required, nullable, default, minimum, maximum, description}}
entities:
  weather:
    source: package.module.function # → a table (pandas DataFrame) with all that is known
    keys: {origin: origin}          # the source's column: the record's field
    timestamp: time_hour            # event time of a row; absent: a table without time
    delay: 1h                       # a row is known this long after its event time
    max_age: 6h                     # an older value takes its default, and the reply says so
    owner: …
    features: {temp: {type, default, max_age, description}}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.declaration import Section, load_object, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.schema import Field as RecordField
from sluice.schema import Schema, Value

FORMAT = 1
FEATURE_TYPES = ("string", "integer", "number", "boolean")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: `name` is "entity.feature"; `max_age` in seconds, infinite if it never ages."""

    name: str
    entity: str
    type: str
    default: Value
    max_age: float = math.inf
    description: str = ""

    def declaration(self) -> dict[str, Any]:
        """What a model version remembers of it: whatever would change the value it is served."""
        default = None if self.default != self.default else self.default
        max_age = None if math.isinf(self.max_age) else self.max_age
        return {"type": self.type, "default": default, "max_age_s": max_age}


@dataclass(frozen=True, slots=True)
class Entity:
    """A table of features. `keys` maps the source's key columns to the fields of a record."""

    name: str
    source: str
    keys: Mapping[str, str]
    features: tuple[Feature, ...]
    timestamp: str | None = None
    delay: float = 0.0
    owner: str = ""
    description: str = ""

    @property
    def columns(self) -> list[str]:
        """The names of its features without the entity's: the source's value columns."""
        return [f.name.partition(".")[2] for f in self.features]


@dataclass(frozen=True)
class Definitions:
    """All of features.yaml. `features` holds every feature by its full name, in order."""

    file: Path
    record: Schema
    entities: Mapping[str, Entity]
    as_of_path: str | None = None
    as_of: Callable[[Mapping[str, Any]], Any] | None = None
    features: Mapping[str, Feature] = field(init=False)

    def __post_init__(self) -> None:
        features = {f.name: f for e in self.entities.values() for f in e.features}
        object.__setattr__(self, "features", features)

    @property
    def names(self) -> list[str]:
        """Every column a transform may use: the record's fields, then the features."""
        return [*self.record.names, *self.features]

    def declaration(self, name: str) -> dict[str, Any]:
        """What a model version remembers of a column, to notice when it means something else."""
        if name in self.record.by_name:
            f = self.record.by_name[name]
            default = None if f.default != f.default else f.default
            return {"type": f.type, "default": default}
        feature = self.features[name]
        entity = self.entities[feature.entity]
        keys, delay = dict(entity.keys), entity.delay
        return {**feature.declaration(), "keys": keys, "delay_s": delay, "as_of": self.as_of_path}

    def load_source(self, entity: str, root: Path) -> Callable[[], Any]:
        """The function that gives an entity's table. Raises DeclarationError."""
        path, where = self.entities[entity].source, f"entities.{entity}.source"
        source: Callable[[], Any] = load_object(path, self.file, where, root)
        return source


def read_definitions(path: Path, root: Path) -> Definitions:
    """The definitions in a features.yaml; `root` is the project's folder.

    Raises DeclarationError naming file, section and field.
    """
    top = Section(read_yaml(path), path)
    version = top.take("format", int)
    if version != FORMAT:
        raise top.error("format", f"{version} is not read by this Sluice", f"it reads {FORMAT}")
    record = Schema.parse(top.sections("record"))
    entities = {n: _entity(n, s, record) for n, s in top.sections("entities", {}).items()}
    as_of = top.take("as_of", str, None)
    top.done()
    timed = [e.name for e in entities.values() if e.timestamp]
    if timed and as_of is None:
        hint = f"{timed[0]} has a timestamp, so name the function that gives a record's time"
        raise top.error("as_of", "is missing", hint)
    function = load_object(as_of, path, "as_of", root) if as_of else None
    return Definitions(path, record, entities, as_of, function)


def _entity(name: str, section: Section, record: Schema) -> Entity:
    keys = section.section("keys").rest()
    for column, source_field in keys.items():
        if source_field not in record.by_name:
            hint = nearest(str(source_field), record.names)
            raise section.error(f"keys.{column}", f"no record field {source_field!r}", hint)
    max_age = section.duration("max_age", math.inf)
    features = section.sections("features")
    entity = Entity(
        name=name,
        source=section.take("source", str),
        keys=keys,
        features=tuple(_feature(name, n, s, max_age) for n, s in features.items()),
        timestamp=section.take("timestamp", str, None),
        delay=section.duration("delay", 0.0),
        owner=section.take("owner", str, ""),
        description=section.take("description", str, ""),
    )
    section.done()
    if not keys or not features:
        raise section.error("features" if keys else "keys", "is empty")
    if entity.timestamp is None and not math.isinf(max_age):
        raise section.error("max_age", "needs a timestamp", "name the source's time column")
    return entity


def _feature(entity: str, name: str, section: Section, max_age: float) -> Feature:
    age = section.duration("max_age", max_age)
    kind = section.choose("type", FEATURE_TYPES)
    default = section.take("default", object, None)
    description = section.take("description", str, "")
    section.done()
    typed = RecordField(name, kind)
    try:
        value = typed.empty if default is None else typed.convert(default)
    except ValueError as error:
        raise section.error("default", f"expected {error}, found {default!r}") from None
    return Feature(f"{entity}.{name}", entity, kind, value, age, description)


def require(definitions: Definitions, names: list[str], needed_by: str) -> None:
    """Raise DeclarationError unless every name is a column of the definitions."""
    for name in names:
        if name not in definitions.record.by_name and name not in definitions.features:
            hint = "only record fields and declared features are known at request time; "
            hint += nearest(name, definitions.names)
            raise DeclarationError(definitions.file, needed_by, f"unknown column {name!r}", hint)
