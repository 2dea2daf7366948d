"""The look-up for many records at once: what `Lookup.rows` answers for each, by column.

Each distinct key is asked about once, with all the moments that its records ask about: the store
gives the few rows that answer them, and the moments are spread over the rows by their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array, Coded
from sluice.features.aggregates import Accumulators
from sluice.features.definitions import Definitions
from sluice.features.entity import Entity, Feature
from sluice.features.plan import delay, wanted
from sluice.features.progress import read_floor
from sluice.features.store import TIMELESS, Found, Key, OnlineStore, stored_layout
from sluice.features.windows import Taken, Windows

MISSING, NULL, EMPTY, FORGOTTEN, STALE = range(1, 6)


class Columns(NamedTuple):
    """What the look-ups of m records gave.

    Attributes:
        values: by feature [m], defaults in place.
        why: by feature [m], the code of why a default stands in (see REASONS), 0 if none does.
        ages: by entity [m], seconds to `as_of`, NaN where nothing that has a time gave a value.
    """

    values: dict[str, Any]
    why: dict[str, Array]
    ages: dict[str, Array]


class TableLookup:
    """Looks up features by name for the columns of many records; takes and raises as `Lookup`."""

    def __init__(self, definitions: Definitions, names: Sequence[str], store: OnlineStore) -> None:
        self._entities = [
            _Entity(definitions, definitions.entities[entity], features, store)
            for entity, features in wanted(definitions, names).items()
        ]

    def columns(self, fields: Mapping[str, Any], as_of: Array) -> Columns:
        """What m records look up.

        Args:
            fields: by name, the typed values [m]: float64, or Coded texts.
            as_of: seconds since the Unix epoch [m]; at NaN nothing that has a time is known.

        Raises StoreUnavailable.
        """
        found = Columns({}, {}, {})
        for entity in self._entities:
            entity.look_up(fields, as_of, found)
        return found


class _Entity:
    """How one entity is looked up."""

    def __init__(
        self, definitions: Definitions, entity: Entity, features: list[Feature], store: OnlineStore
    ) -> None:
        self._name, self._features, self._store = entity.name, features, store
        self._keys, self._delay = list(entity.keys.values()), delay(entity)
        columns = stored_layout(definitions, entity.name, store).columns
        self._windows: Windows | None = None
        if entity.events is None:
            self._places = [columns.index(f.name.removeprefix(f"{entity.name}.")) for f in features]
        else:
            self._windows = Windows(Accumulators(definitions, entity), features)
        self._max_age = np.array([[feature.max_age] for feature in features])

    def look_up(self, fields: Mapping[str, Any], as_of: Array, found: Columns) -> None:
        """Add this entity's columns to what was found."""
        keys, codes = _distinct([fields[name] for name in self._keys])
        with np.errstate(invalid="ignore"):  # inf − inf is no moment
            moment = as_of - self._delay
        lengths = self._windows.lengths if self._windows else []
        moments = [moment, *(moment - length for length in lengths)]
        ask = partial(self._store.spans, self._name)
        if not lengths and len(moment) and (moment == moment[0]).all():
            rows, answers = _answers_at(ask, keys, codes, float(moment[0]))
        else:
            rows, answers = _answers(ask, keys, codes, moments)
        end, begins = rows[0], rows[1:]
        nothing = np.full(len(as_of), NULL if self._windows is None else EMPTY, np.int8)
        if self._windows is None:
            taken = self._stored(answers, end)
        else:
            gone = self._forgotten(end, begins, moment)
            nothing[gone.any(axis=0)] = FORGOTTEN
            taken = self._windows.take([values for _, values in answers], end, begins, gone)
        times = np.array([*(time for time, _ in answers), np.nan])
        with np.errstate(invalid="ignore"):
            ages = as_of - times[end]
        self._settle(taken, end < 0, nothing, ages, found)

    def _stored(self, answers: list[Found], end: Array) -> list[Taken]:
        """The values of rows of a table."""
        nothing = [None] * (1 + max(self._places))  # what −1 finds
        rows = list(zip(*(row for _, row in answers), nothing, strict=False))
        texts = [feature.type == "string" for feature in self._features]
        found = [rows[place] for place in self._places]
        numbers = [column for column, text in zip(found, texts, strict=True) if not text]
        # None is NaN, and no NaN is kept.
        matrix = np.array(numbers, np.float64).reshape(len(numbers), len(answers) + 1)[:, end]
        null = np.isnan(matrix)
        pairs = map(Taken, matrix, null)
        taken = []
        for column, text in zip(found, texts, strict=True):
            if text:
                words = Coded.of(column)[end]
                taken.append(Taken(words, words.null))
            else:
                taken.append(next(pairs))
        return taken

    def _forgotten(self, end: Array, begins: Sequence[Array], moment: Array) -> Array:
        """By window [w, m], whether the row at its beginning is not there and may have been."""
        assert self._windows is not None
        gone = np.zeros((len(begins), len(end)), bool)
        unknown = [(begin < 0) & (end >= 0) for begin in begins]
        if not any(u.any() for u in unknown):
            return gone
        floor = read_floor(self._store, self._name)
        for place, (none, length) in enumerate(zip(unknown, self._windows.lengths, strict=True)):
            gone[place] = none & (moment - length < floor)
        return gone

    def _settle(
        self, taken: list[Taken], missing: Array, nothing: Array, ages: Array, found: Columns
    ) -> None:
        """Put defaults where there is no row, no value, or an old one; say why."""
        with np.errstate(invalid="ignore"):
            why = np.where(ages > self._max_age, np.int8(STALE), np.int8(0))
        why = np.where(np.array([null for _, null in taken]), nothing, why)
        why[:, missing] = MISSING
        instead = why > 0
        for place, some in enumerate(instead.any(axis=1).tolist()):
            feature, values = self._features[place], taken[place].values
            if some:
                values = _replaced(values, instead[place], feature.default)
            found.values[feature.name], found.why[feature.name] = values, why[place]
        gave = ~instead.all(axis=0)
        found.ages[self._name] = np.where(gave & (ages < math.inf), ages, np.nan)


def _replaced(values: Any, rows: Array, value: Any) -> Any:
    if isinstance(values, Coded):
        return values.replaced(rows, value)
    values[rows] = value
    return values


def _distinct(columns: Sequence[Any]) -> tuple[list[Key], Array]:
    """The distinct keys of m records, and each record's place among them; −1 if a part is null."""
    parts: list[tuple[list[Any], Array]] = [_words(column) for column in columns]
    if len(parts) == 1:
        return [(word,) for word in parts[0][0]], parts[0][1]
    combined, null = np.zeros(len(columns[0]), np.int64), np.zeros(len(columns[0]), bool)
    for words, codes in parts:
        known, combined = np.unique(combined, return_inverse=True)  # so that no product overflows
        combined = combined * (len(words) + 1) + codes
        null |= codes < 0
    known, codes = np.unique(combined, return_inverse=True)
    first = np.full(len(known), -1)
    first[codes] = np.arange(len(codes))
    lists = [column.tolist() if len(known) else [] for column in columns]
    keys = [tuple(column[row] for column in lists) for row in first.tolist()]
    return keys, np.where(null, -1, codes)


def _words(column: Any) -> tuple[list[Any], Array]:
    if isinstance(column, Coded):
        return list(column.words), column.codes
    words, codes = np.unique(column, return_inverse=True)  # NaNs are one, and sort last
    return words.tolist(), np.where(np.isnan(column), -1, codes)


Ask = Callable[[Sequence[tuple[Key, Sequence[float]]]], list[list[tuple[int, Found]]]]


def _answers_at(
    ask: Ask, keys: list[Key], codes: Array, moment: float
) -> tuple[list[Array], list[Found]]:
    """`_answers` where all ask about one moment, such as that before all time."""
    answers: list[Found] = []
    places = np.full(len(keys) + 1, -1)
    asked = np.unique(codes[codes >= 0]).tolist()
    found = ask([(keys[key], (moment,)) for key in asked])
    for key, span in zip(asked, found, strict=True):
        for _, answer in span:
            places[key] = len(answers)
            answers.append(answer)
    return [places[codes]], answers


def _answers(
    ask: Ask, keys: list[Key], codes: Array, moments: Sequence[Array]
) -> tuple[list[Array], list[Found]]:
    """For m records the answers at each of some moments: places in the list of answers, −1 where
    there is none. `codes` [m] are places in `keys`."""
    asked = np.concatenate(moments)
    asked[np.isnan(asked)] = TIMELESS
    of_key = np.tile(codes, len(moments))
    order = _sorted(asked, of_key, len(keys))
    sorted_keys, sorted_times = of_key[order], asked[order]
    first = np.ones(len(order), bool)  # of those that ask the same
    first[1:] = (np.diff(sorted_keys) != 0) | (sorted_times[1:] != sorted_times[:-1])
    sorted_keys, sorted_times = sorted_keys[first], sorted_times[first]
    begins = np.flatnonzero(np.diff(sorted_keys, prepend=-1))
    ends, times = [*begins[1:].tolist(), len(sorted_times)], sorted_times.tolist()
    questions = [
        (keys[key], times[begin:end])
        for key, begin, end in zip(
            sorted_keys[begins].tolist(), begins.tolist(), ends, strict=False
        )
    ]
    answers: list[Found] = []
    starts: list[int] = []
    for begin, found in zip(begins.tolist(), ask(questions), strict=True):
        starts += [begin + first for first, _ in found]
        answers += [answer for _, answer in found]
    places = np.full(len(asked), -1)
    places[order] = _spread(begins, starts, len(sorted_times))[np.cumsum(first) - 1]
    return np.split(places, len(moments)), answers


def _sorted(asked: Array, of_key: Array, keys: int) -> Array:
    """The questions by key and time, without those whose key is null: they find nothing."""
    order = np.argsort(asked, kind="stable")
    small = of_key.astype(np.int16) if keys < 1 << 15 else of_key  # sorted in one pass
    order = order[np.argsort(small[order], kind="stable")]
    there: Array = order[np.searchsorted(of_key[order], 0) :]
    return there


def _spread(begins: Array, starts: list[int], n: int) -> Array:
    """The answer of each of n questions in order: answer i is that of `starts[i]` and of those
    after it up to the next answer, or to where the next key begins."""
    marks = np.full(n, -2)
    marks[begins] = -1
    marks[starts] = np.arange(len(starts))
    known = np.flatnonzero(marks > -2)
    spread: Array = np.repeat(marks[known], np.diff(np.append(known, n)))
    return spread
