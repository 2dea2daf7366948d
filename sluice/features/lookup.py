"""The online look-up: from the rows of records to the values of their features.

The rule, the same as in offline.py: a record asked about at `as_of` sees of each entity the newest
row of its key whose event time is at or before `as_of` less the entity's delay. A value that is
not there takes the feature's default, with the reason:

    missing   there is no such row, or a field of the key is null
    null      the row has no value
    empty     nothing happened within the aggregate's window
    forgotten the aggregate's window begins where retention has deleted rows
    stale     the row is older at `as_of` than the feature's max_age

The row of an aggregate is that of its newest event; see aggregates.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from sluice.errors import DeclarationError, nearest
from sluice.features.aggregates import FORGOTTEN, Accumulators, Take, Totals, taker
from sluice.features.definitions import Definitions, Entity, Feature
from sluice.features.progress import read_floor
from sluice.features.store import Found, Key, OnlineStore, layout_of, stored_layout
from sluice.schema import Value


class Looked(NamedTuple):
    """What the look-up of one record gave.

    Attributes:
        values: in the order of the look-up's names.
        defaulted: feature name → missing, null, empty or stale, where the default stands in.
        ages: entity → seconds from the event time of its row to `as_of`, of the entities whose
            rows have a time and gave at least one value.
    """

    values: list[Value]
    defaulted: dict[str, str]
    ages: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one entity is looked up.

    `names`, `defaults` and `max_ages` are those of its features, `max_age` is the shortest.
    """

    entity: str
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


class Lookup:
    """Looks up features by name, for many records in one call to the store.

    Args:
        definitions: what features.yaml declares.
        names: the features wanted, "entity.feature".
        store: an online store that holds their entities.

    Raises:
        DeclarationError: for a name that is no feature, and for an entity that the store does not
            hold as it is declared.
    """

    def __init__(self, definitions: Definitions, names: Sequence[str], store: OnlineStore) -> None:
        self.names = list(names)
        self._store = store
        self._plans = [
            _plan(definitions, entity, features, store)
            for entity, features in wanted(definitions, self.names).items()
        ]
        self._layouts = [layout_of(definitions, plan.entity) for plan in self._plans]
        found = [name for plan in self._plans for name in plan.names]
        self._reorder = None if found == self.names else _getter(map(found.index, self.names))

    def is_current(self) -> bool:
        """Whether the store still has the layouts that this was made for. Rows of others are gone.

        Raises StoreUnavailable.
        """
        return all(self._store.layout(layout.entity) == layout for layout in self._layouts)

    def rows(self, fields: Sequence[Sequence[Value]], as_of: Sequence[float]) -> list[Looked]:
        """What n records look up.

        Args:
            fields: n rows of values in the order of the record's schema, as Schema.row gives them.
            as_of: n times, seconds since the Unix epoch; at NaN nothing that has a time is known.

        Raises:
            StoreUnavailable: when the store does not answer.
        """
        asked: list[tuple[str, Key]] = []
        times: list[float] = []
        keys: list[Key | None] = []
        for row, now in zip(fields, as_of, strict=True):
            for plan in self._plans:
                key = plan.key(row)
                keys.append(key)
                if key is not None:
                    name, moment = (plan.entity, key), now - plan.delay
                    asked.append(name)
                    times.append(moment)
                    for window in plan.windows:
                        asked.append(name)
                        times.append(moment - window)
        found, each_key = iter(self._store.get_many(asked, times)), iter(keys)
        floors: dict[str, float] = {}
        return [self._looked(now, each_key, found, floors) for now in as_of]

    def _looked(
        self,
        now: float,
        keys: Iterator[Key | None],
        found: Iterator[Found | None],
        floors: dict[str, float],
    ) -> Looked:
        """What the next record looks up: of its keys, those that are null were not asked for."""
        values: list[Value] = []
        defaulted: dict[str, str] = {}
        ages: dict[str, float] = {}
        for plan in self._plans:
            key = next(keys)
            row = None if key is None else next(found)
            begins = [next(found) for _ in plan.windows] if plan.windows and key is not None else []
            if row is None:
                values += plan.defaults
                defaulted.update(plan.missing)
                continue
            event_time, stored = row
            nothing = plan.nothing
            if plan.take is None:
                picked = plan.pick(stored)
            else:
                totals: list[Totals | None] = [None if b is None else b[1] for b in begins]
                if None in totals and self._forget(plan, now - plan.delay, totals, floors):
                    nothing = "forgotten"
                picked = plan.take(stored, totals)
            age = now - event_time
            if age > plan.max_age or None in picked:
                before = len(defaulted)
                values += plan.replace(picked, age, defaulted, nothing)
                if len(defaulted) - before == len(picked):
                    continue
            else:
                values += picked
            if age < math.inf:  # a row without time is infinitely old
                ages[plan.entity] = age
        if self._reorder is not None:
            values = list(self._reorder(values))
        return Looked(values, defaulted, ages)

    def _forget(
        self, plan: _Plan, moment: float, totals: list[Totals | None], floors: dict[str, float]
    ) -> bool:
        """Put FORGOTTEN where a row may be gone that once was there; whether there is such a row.

        No row at the beginning of a window says that nothing happened before, unless the window
        begins before the moment from which rows are kept: of an entity that is read once for all
        records of a call, and kept in `floors`.
        """
        floor = floors.get(plan.entity)
        if floor is None:
            floor = floors[plan.entity] = read_floor(self._store, plan.entity)
        for place, window in enumerate(plan.windows):
            if totals[place] is None and moment - window < floor:
                totals[place] = FORGOTTEN
        return any(row is FORGOTTEN for row in totals)


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


def _plan(
    definitions: Definitions, name: str, features: list[Feature], store: OnlineStore
) -> _Plan:
    entity, columns = definitions.entities[name], stored_layout(definitions, name, store).columns
    take: Take | None = None
    windows: tuple[float, ...] = ()
    if entity.events is None:
        places = [columns.index(f.name.removeprefix(f"{name}.")) for f in features]
    else:
        accumulators, places = Accumulators(definitions, entity), [0]
        windows = tuple(accumulators.windows(features))
        take = taker(accumulators, features)
    return _Plan(
        entity=name,
        key=_key_getter([definitions.record.names.index(n) for n in entity.keys.values()]),
        delay=delay(entity),
        pick=_getter(places),
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


def _getter(places: Iterable[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """A function that takes the values at these places as a tuple."""
    first, *others = places
    if others:
        return itemgetter(first, *others)
    return lambda row: (row[first],)


def _key_getter(places: list[int]) -> Callable[[Sequence[Any]], Key | None]:
    """A function that takes a record's key, None if a part of it is null."""
    first = places[0]

    def key_of_one(row: Sequence[Any]) -> Key | None:
        part = row[first]
        return None if part is None or part != part else (part,)

    def key(row: Sequence[Any]) -> Key | None:
        parts = tuple(row[place] for place in places)
        return None if any(p is None or p != p for p in parts) else parts

    return key_of_one if len(places) == 1 else key
