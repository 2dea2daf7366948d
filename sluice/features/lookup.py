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
from typing import Any, NamedTuple

from sluice.compiled import LOOKUP, compiled
from sluice.features.aggregates import FORGOTTEN, Totals
from sluice.features.definitions import Definitions
from sluice.features.plan import Plan, getter, plan_of, wanted
from sluice.features.progress import read_floor
from sluice.features.store import Found, Key, OnlineStore, layout_of
from sluice.schema import Value


class _Part(NamedTuple):
    """What an entity gives a record: values, which of them are defaults, the age of its row."""

    values: tuple[Value, ...]
    defaulted: dict[str, str]
    age: float | None


_Parts = tuple[dict[Any, _Part], ...]  # by plan, by what a key is known by
_MOST = 10_000  # parts that are known, some MB


class _Known:
    """What was found since a commit to the store.

    `parts` are by the moment that was asked about, those at None whatever the moment.
    """

    def __init__(self, commit: int, plans: int) -> None:
        self.commit, self.size, self._plans = commit, 0, plans
        self.parts: dict[float | None, _Parts] = {}
        self.at(None)

    def at(self, moment: float | None) -> _Parts:
        """What is known as of a moment; a place for it, the same for all threads, if nothing is."""
        there = self.parts.get(moment)
        if there is None:
            there = self.parts.setdefault(moment, tuple({} for _ in range(self._plans)))
        return there


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
        self._known = _Known(0, len(self._plans))
        found = [name for plan in self._plans for name in plan.names]
        self._reorder = None if found == self.names else getter(map(found.index, self.names))
        self._compiled = self._compile() if self._reorder is None else None

    def is_current(self) -> bool:
        """Whether the store still has the layouts that this was made for. Rows of others are gone.

        Raises StoreUnavailable.
        """
        return all(self._store.layout(layout.entity) == layout for layout in self._layouts)

    def look_up(
        self,
        rows: Sequence[list[Value]],
        as_of: Sequence[float],
        defaults: Sequence[dict[str, str]],
    ) -> list[dict[str, float]]:
        """Add what n records look up to their rows. As long as nothing is written to the store,
        what was found is known.

        Args:
            rows: n lists of values in the order of the record's schema, as Schema.row gives them;
                each is extended, in the order of `names`.
            as_of: n times, seconds since the Unix epoch; at NaN nothing that has a time is known.
            defaults: n mappings; feature name → missing, null, empty, forgotten or stale is added
                where the default stands in.

        Returns:
            n mappings of entity → seconds from the event time of its row to `as_of`, of the
            entities whose rows have a time and gave at least one value.

        Raises StoreUnavailable.
        """
        known = self._known_now()
        if known is None:
            return self._add(rows, defaults, self._fresh(rows, as_of))
        add = self._compiled or self._add_known
        ages = add(rows, as_of, defaults, known.parts)
        if ages is None:
            self._learn(rows, as_of, known)
            ages = add(rows, as_of, defaults, known.parts)
        assert ages is not None  # all of it is known now
        return ages

    def _compile(self) -> Callable[..., list[dict[str, float]] | None] | None:
        """`_add_known`, compiled; None where the installation has no such."""
        make = compiled("looker", LOOKUP)
        return make and make(tuple((p.entity, p.places, p.delay < math.inf) for p in self._plans))

    def _known_now(self) -> _Known | None:
        """What was found since the last commit to the store.

        None where nothing is kept: the store does not say when it changes, or records are asked
        about as of their requests, so that no moment comes again.
        """
        commit = self._store.commit() if self._comes_again else None
        if commit is None:
            return None
        known = self._known
        if known.commit != commit or known.size > _MOST:
            known = self._known = _Known(commit, len(self._plans))
        return known

    def _add_known(
        self,
        rows: Sequence[list[Value]],
        as_of: Sequence[float],
        defaults: Sequence[dict[str, str]],
        known: Mapping[float | None, _Parts],
    ) -> list[dict[str, float]] | None:
        """Add what records look up; None, and nothing is added, where something is not known."""
        asking = self._asking
        try:
            found = [
                [known[now if timed else None][n][_word(key(row))] for n, key, timed in asking]
                for row, now in zip(rows, as_of, strict=True)
            ]
        except KeyError:
            return None
        return self._add(rows, defaults, found)

    def _add(
        self,
        rows: Sequence[list[Value]],
        defaults: Sequence[dict[str, str]],
        found: Sequence[Sequence[_Part]],
    ) -> list[dict[str, float]]:
        """Add what was found to the rows."""
        return [self._together(*of_one) for of_one in zip(rows, defaults, found, strict=True)]

    def _together(
        self, row: list[Value], defaulted: dict[str, str], parts: Sequence[_Part]
    ) -> dict[str, float]:
        """Add what one record looks up to its row."""
        values: list[Value] = []
        ages: dict[str, float] = {}
        for plan, (found, defaults, age) in zip(self._plans, parts, strict=True):
            values += found
            if defaults:
                defaulted.update(defaults)
            if age is not None:
                ages[plan.entity] = age
        row += values if self._reorder is None else self._reorder(values)
        return ages

    def _fresh(self, fields: Sequence[list[Value]], as_of: Sequence[float]) -> list[list[_Part]]:
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
            [
                self._part(plan, None if key is None else found, now, floors)
                for plan, key in zip(plans, some, strict=True)
            ]
            for some, now in zip(keys, as_of, strict=True)
        ]

    def _learn(
        self,
        fields: Sequence[Sequence[Value]],
        as_of: Sequence[float],
        known: _Known,
    ) -> None:
        """Look up what is not known of some records, each thing once."""
        new: dict[tuple[int, Key | None, float | None], float] = {}
        for row, now in zip(fields, as_of, strict=True):
            for number, key_of, timed in self._asking:
                key, moment = key_of(row), now if timed else None
                if _word(key) not in known.at(moment)[number]:
                    new[number, key, moment] = now
        asked = _Asked()
        for (number, key, _), now in new.items():
            if key is not None:
                asked.add(self._plans[number], key, now)
        found, floors = iter(self._store.get_many(asked.names, asked.times)), dict[str, float]()
        for (number, key, moment), now in new.items():
            rows = None if key is None else found
            part = self._part(self._plans[number], rows, now, floors)
            known.at(moment)[number][_word(key)] = part
        known.size += len(new)

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
        values = picked
        if age > plan.max_age or None in picked:
            values = tuple(plan.replace(picked, age, defaulted, nothing))
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


def _word(key: Key | None) -> Any:
    """What is known of a key is known by it, or by its only part."""
    return key[0] if key is not None and len(key) == 1 else key
