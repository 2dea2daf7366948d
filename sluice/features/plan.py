"""How each entity of a look-up is asked, worked out once from what is declared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sluice.errors import DeclarationError, nearest
from sluice.features.aggregates import Accumulators, Take, taker
from sluice.features.definitions import Definitions
from sluice.features.entity import Entity, Feature
from sluice.features.store import Key, OnlineStore, stored_layout
from sluice.schema import Value


@dataclass(frozen=True, slots=True)
class Plan:
    """How one entity is looked up.

    `places` are those of its key's fields in a record's row. `names`, `defaults` and `max_ages` are
    those of its features, `max_age` is the shortest.
    """

    entity: str
    places: tuple[int, ...]
    key: Callable[[Sequence[Any]], Key | None]
    delay: float
    pick: Callable[[Sequence[Any]], tuple[Value, ...]]
    take: Take | None
    windows: tuple[float, ...]
    names: tuple[str, ...]
    defaults: tuple[Value, ...]
    max_ages: tuple[float, ...]
    max_age: float
    missing: dict[str, str]

    @property
    def nothing(self) -> str:
        """What it means that there is no value in a row."""
        return "null" if self.take is None else "empty"

    def replace(
        self, picked: tuple[Value, ...], age: float, defaulted: dict[str, str], nothing: str
    ) -> list[Value]:
        """The values with defaults for those that are not there (`nothing` says why) or stale;
        says so in `defaulted`."""
        values = list(picked)
        some_stale = age > self.max_age
        for place, value in enumerate(picked):
            if value is None or (some_stale and age > self.max_ages[place]):
                values[place] = self.defaults[place]
                defaulted[self.names[place]] = nothing if value is None else "stale"
        return values


def wanted(definitions: Definitions, names: Sequence[str]) -> dict[str, list[Feature]]:
    """The features of these names by entity, each once. Raises DeclarationError if unknown."""
    by_entity: dict[str, list[Feature]] = {}
    for name in dict.fromkeys(names):
        if name not in definitions.features:
            hint = nearest(name, definitions.features)
            raise DeclarationError(definitions.file, "entities", f"no feature {name!r}", hint)
        feature = definitions.features[name]
        by_entity.setdefault(feature.entity, []).append(feature)
    return by_entity


def plan_of(
    definitions: Definitions, name: str, features: list[Feature], store: OnlineStore
) -> Plan:
    entity, columns = definitions.entities[name], stored_layout(definitions, name, store).columns
    take: Take | None = None
    windows: tuple[float, ...] = ()
    if entity.events is None:
        places = [columns.index(f.name.removeprefix(f"{name}.")) for f in features]
    else:
        accumulators, places = Accumulators(definitions, entity), [0]
        windows = tuple(accumulators.windows(features))
        take = taker(accumulators, features)
    fields = tuple(definitions.record.names.index(n) for n in entity.keys.values())
    return Plan(
        entity=name,
        places=fields,
        key=_key_getter(fields),
        delay=delay(entity),
        pick=getter(places),
        take=take,
        windows=windows,
        names=tuple(f.name for f in features),
        defaults=tuple(f.default for f in features),
        max_ages=tuple(f.max_age for f in features),
        max_age=min(f.max_age for f in features),
        missing={f.name: "missing" for f in features},
    )


def delay(entity: Entity) -> float:
    """Seconds before `as_of` that a row must have happened; a row without time always has."""
    return math.inf if entity.timestamp is None else entity.delay


def getter(places: Iterable[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """A function that takes the values at these places as a tuple."""
    first, *others = places
    if others:
        return itemgetter(first, *others)
    return lambda row: (row[first],)


def _key_getter(places: Sequence[int]) -> Callable[[Sequence[Any]], Key | None]:
    """A function that takes a record's key, None if a part of it is null."""
    first = places[0]

    def key_of_one(row: Sequence[Any]) -> Key | None:
        part = row[first]
        return None if part is None or part != part else (part,)

    def key(row: Sequence[Any]) -> Key | None:
        parts = tuple(row[place] for place in places)
        return None if any(p is None or p != p for p in parts) else parts

    return key_of_one if len(places) == 1 else key
