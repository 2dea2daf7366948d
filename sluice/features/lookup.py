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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sluice.compiled import LOOKUP, compiled
from sluice.features.aggregates import FORGOTTEN, Totals
from sluice.features.definitions import Definitions
from sluice.features.plan import Plan, getter, plan_of, wanted
from sluice.features.progress import read_floor
from sluice.features.store import Found, Key, OnlineStore, layout_of
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


class _Part(NamedTuple):
    """What an entity gives a record: values, which of them are defaults, the age of its row."""

    values: Sequence[Value]
    defaulted: Mapping[str, str]
    age: float | None


# Which plan, the key, and the time that it is asked as of, if that makes a difference.
_Question = tuple[int, Key | None, float | None]
_MOST = 10_000  # parts that are known, some MB


class _Asked:
    """What a store is asked for."""

    def __init__(self) -> None:
        self.names: list[tuple[str, Key]] = []
        self.times: list[float] = []

    def add(self, plan: Plan, key: Key, now: float) -> None:
        """A key of an entity: its newest row, and those at the beginnings of windows."""
        name, moment = (plan.entity, key), now - plan.delay
        self.names.append(name)
        self.times.append(moment)
        for window in plan.windows:
            self.names.append(name)
            self.times.append(moment - window)


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
        self._comes_again = definitions.as_of is not None
        self._plans = [
            plan_of(definitions, entity, features, store)
            for entity, features in wanted(definitions, self.names).items()
        ]
        self._layouts = [layout_of(definitions, plan.entity) for plan in self._plans]
        self._asking = [
            (number, plan.key, plan.delay < math.inf) for number, plan in enumerate(self._plans)
        ]
        self._known: tuple[int, dict[_Question, _Part]] = (0, {})
        found = [name for plan in self._plans for name in plan.names]
        self._reorder = None if found == self.names else getter(map(found.index, self.names))
        self._compiled = self._compile() if self._reorder is None else None

    def is_current(self) -> bool:
        """Whether the store still has the layouts that this was made for. Rows of others are gone.

        Raises StoreUnavailable.
        """
        return all(self._store.layout(layout.entity) == layout for layout in self._layouts)

    def rows(self, fields: Sequence[Sequence[Value]], as_of: Sequence[float]) -> list[Looked]:
        """What n records look up. As long as nothing is written to the store, what was found is
        known.

        Args:
            fields: n rows of values in the order of the record's schema, as Schema.row gives them.
            as_of: n times, seconds since the Unix epoch; at NaN nothing that has a time is known.

        Raises:
            StoreUnavailable: when the store does not answer.
        """
        known = self._known_now()
        if known is None:
            return self._fresh(fields, as_of)
        look = self._looked if self._compiled is None else self._compiled
        looked = look(fields, as_of, known)
        if looked is None:
            self._learn(fields, as_of, known)
            looked = look(fields, as_of, known)
        assert looked is not None  # all of it is known now
        return looked

    def _compile(self) -> Callable[..., list[Looked] | None] | None:
        """`_looked`, compiled; None where the installation has no such."""
        make = compiled("looker", LOOKUP)
        plans = zip(self._asking, self._plans, strict=True)
        return make and make(
            Looked, tuple((n, plan.entity, plan.places, timed) for (n, _, timed), plan in plans)
        )

    def _known_now(self) -> dict[_Question, _Part] | None:
        """What was found since the last commit to the store.

        None where nothing is kept: the store does not say when it changes, or records are asked
        about as of their requests, so that no moment comes again.
        """
        commit = self._store.commit() if self._comes_again else None
        if commit is None:
            return None
        at, known = self._known
        if at != commit or len(known) > _MOST:
            known = {}
            self._known = commit, known
        return known

    def _looked(
        self,
        fields: Sequence[Sequence[Value]],
        as_of: Sequence[float],
        known: Mapping[_Question, _Part],
    ) -> list[Looked] | None:
        """What records look up, None where something is not known."""
        asking = self._asking
        try:
            return [
                self._together(
                    [known[n, key_of(row), now if timed else None] for n, key_of, timed in asking]
                )
                for row, now in zip(fields, as_of, strict=True)
            ]
        except KeyError:
            return None

    def _together(self, parts: Sequence[_Part]) -> Looked:
        """What one record looks up."""
        values: list[Value] = []
        defaulted: dict[str, str] = {}
        ages: dict[str, float] = {}
        for plan, (found, defaults, age) in zip(self._plans, parts, strict=True):
            values += found
            if defaults:
                defaulted.update(defaults)
            if age is not None:
                ages[plan.entity] = age
        if self._reorder is not None:
            values = list(self._reorder(values))
        return Looked(values, defaulted, ages)

    def _fresh(self, fields: Sequence[Sequence[Value]], as_of: Sequence[float]) -> list[Looked]:
        """What records look up, all of it asked for."""
        plans = self._plans
        asked = _Asked()
        keys = [[plan.key(row) for plan in plans] for row in fields]
        for some, now in zip(keys, as_of, strict=True):
            for plan, key in zip(plans, some, strict=True):
                if key is not None:
                    asked.add(plan, key, now)
        found, floors = iter(self._store.get_many(asked.names, asked.times)), dict[str, float]()
        return [
            self._together(
                [
                    self._part(plan, None if key is None else found, now, floors)
                    for plan, key in zip(plans, some, strict=True)
                ]
            )
            for some, now in zip(keys, as_of, strict=True)
        ]

    def _learn(
        self,
        fields: Sequence[Sequence[Value]],
        as_of: Sequence[float],
        known: dict[_Question, _Part],
    ) -> None:
        """Look up what is not known of some records, each thing once."""
        new: dict[_Question, float] = {}
        for row, now in zip(fields, as_of, strict=True):
            for number, key_of, timed in self._asking:
                question = number, key_of(row), now if timed else None
                if question not in known:
                    new[question] = now
        asked = _Asked()
        for (number, key, _), now in new.items():
            if key is not None:
                asked.add(self._plans[number], key, now)
        found, floors = iter(self._store.get_many(asked.names, asked.times)), dict[str, float]()
        for question, now in new.items():
            rows = None if question[1] is None else found
            known[question] = self._part(self._plans[question[0]], rows, now, floors)

    def _part(
        self, plan: Plan, found: Iterator[Found | None] | None, now: float,
        floors: dict[str, float],
    ) -> _Part:  # fmt: skip
        """What the next rows of an entity come to; there are none for a key that is null."""
        row = None if found is None else next(found)
        begins = [next(found) for _ in plan.windows] if found is not None else []
        if row is None:
            return _Part(plan.defaults, plan.missing, None)
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
        defaulted: dict[str, str] = {}
        values: Sequence[Value] = picked
        if age > plan.max_age or None in picked:
            values = plan.replace(picked, age, defaulted, nothing)
        # A row without time is infinitely old.
        told = age < math.inf and len(defaulted) < len(picked)
        return _Part(values, defaulted, age if told else None)

    def _forget(
        self, plan: Plan, moment: float, totals: list[Totals | None], floors: dict[str, float]
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
