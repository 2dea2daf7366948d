"""A graph's schema over columns of records: what `Schema.row` says of each, for many at once.

A quick check passes what is plainly right; every record that it does not pass is given to
`Schema.row`, whose word is final. So both take the same values and refuse with the same texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from sluice.coded import Array, Coded
from sluice.errors import RecordError
from sluice.schema import Field, Schema, is_unicode, seconds

# Why a default stands in, as a code: 0 is "it does not".
REASONS = ("", "missing", "null", "empty", "forgotten", "stale", "unknown")
MISSING, NULL, EMPTY, FORGOTTEN, STALE, UNKNOWN = range(1, len(REASONS))

Values = Any  # a column [n]: an array of float64, or Coded texts


class Typed(NamedTuple):
    """A field of n records: values, why a default stands in, and which the quick check refused."""

    values: Values
    why: Array
    refused: Array


class Frame(Protocol):
    """n records by column."""

    refused: Array  # which are no records at all [n]

    def __len__(self) -> int: ...

    def typed(self, field: Field) -> Typed:
        """A field of all records."""

    def record(self, place: int) -> Any:
        """One record, as a caller of the online path would send it."""

    def column(self, name: str) -> Any:
        """A field as it came, without types: a list, or a Coded column."""


class Rows(NamedTuple):
    """The m good ones of n records.

    Attributes:
        places: which they are [m].
        columns, why: by field, [m].
        errors: by place, why a record is not good.
    """

    places: Array
    columns: dict[str, Values]
    why: dict[str, Array]
    errors: dict[int, RecordError]


def read_rows(frame: Frame, schema: Schema) -> Rows:
    """The typed rows of the records that pass the schema, and what is wrong with the others."""
    typed = {field.name: frame.typed(field) for field in schema.fields}
    refused = frame.refused.copy()
    for column in typed.values():
        refused |= column.refused
    errors: dict[int, RecordError] = {}
    passed: dict[int, tuple[list[Any], dict[str, str]]] = {}
    for place in np.flatnonzero(refused).tolist():
        try:
            passed[place] = schema.row(frame.record(place))
        except RecordError as error:
            error.record = place
            errors[place] = error
    columns = {name: t.values for name, t in typed.items()}
    why = {name: t.why for name, t in typed.items()}
    for at, name in enumerate(schema.names if passed else ()):
        there = list(passed)
        columns[name] = _put_all(columns[name], there, [passed[p][0][at] for p in there])
        why[name][there] = [REASONS.index(passed[p][1].get(name, "")) for p in there]
    if not errors:
        return Rows(np.arange(len(frame)), columns, why, errors)
    places = np.flatnonzero(~np.isin(np.arange(len(frame)), list(errors)))
    columns = {name: values[places] for name, values in columns.items()}
    return Rows(places, columns, {name: codes[places] for name, codes in why.items()}, errors)


def _put_all(values: Values, rows: list[int], new: list[Any]) -> Values:
    """The column with other values in some rows; it may be changed in place."""
    if not isinstance(values, Coded):
        values[rows] = new
        return values
    more, codes = Coded.of(new), values.codes.copy()
    codes[rows] = np.where(more.null, -1, more.codes + len(values.words))
    return Coded(codes, [*values.words, *more.words])


def of_words(field: Field, column: Coded, why: Array) -> Typed:
    """A field whose values are texts, or nothing where `why` says so."""
    if field.type == "string":
        fine = [word.isascii() or is_unicode(word) for word in column.words]
        return _settled(field, column, why, _any_of(column, [not f for f in fine]))
    if field.type != "timestamp":
        return _settled(field, _empty(field, len(column)), why, ~column.null)
    moments = np.array([*map(_moment, column.words), math.nan])[column.codes]
    wrong = np.isnan(moments) | (moments < field.minimum) | (moments > field.maximum)
    return _settled(field, moments, why, wrong & ~column.null)


@lru_cache(maxsize=1 << 14)
def _moment(word: str) -> float:
    """The seconds of a time's text, NaN if it is none."""
    try:
        return seconds(word)
    except ValueError:
        return math.nan


def _any_of(column: Coded, words: Sequence[bool]) -> Array:
    """Which values are one of the words for which there is a True."""
    chosen: Array = np.array([*words, False])[column.codes]
    return chosen


def of_numbers(field: Field, values: Array, why: Array) -> Typed:
    """A field whose values are float64, NaN where there is none; the array may be changed."""
    values += 0.0  # −0.0 is 0.0
    nothing = np.isnan(values)
    why[nothing & (why == 0)] = NULL
    if field.type not in ("integer", "number"):
        return _settled(field, _empty(field, len(values)), why, ~nothing)
    wrong = (values < field.minimum) | (values > field.maximum)
    if field.type == "integer":
        wrong |= (values != np.floor(values)) | np.isinf(values)
    return _settled(field, values, why, wrong & ~nothing)


def of_kind(field: Field, kind: str, values: Array, why: Array) -> Typed:
    """A field whose values are all of one type, `boolean` or `timestamp`, as float64."""
    nothing = np.isnan(values)
    why[nothing & (why == 0)] = NULL
    if field.type != kind:
        return _settled(field, _empty(field, len(values)), why, ~nothing)
    wrong = (values < field.minimum) | (values > field.maximum)
    return _settled(field, values, why, wrong)


def absent(field: Field, n: int) -> Typed:
    """A field that no record has."""
    return _settled(field, _empty(field, n), np.full(n, MISSING, np.int8), np.zeros(n, bool))


_PLAIN: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "timestamp": frozenset({str}),
    "integer": frozenset({int, float}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
}


def of_objects(field: Field, values: list[Any], absent: Any) -> Typed:
    """A field of any values; `absent` stands where a record has none."""
    plain, n = _PLAIN[field.type], len(values)
    why, odd = np.zeros(n, np.int8), np.zeros(n, bool)
    kinds = set(map(type, values)) - plain
    if kinds:
        why[[v is None for v in values]] = NULL
    if kinds - {type(None)}:
        why[[v is absent for v in values]] = MISSING
        values = [v if type(v) in plain else None for v in values]
        odd = np.array([v is None for v in values]) & (why == 0)
    if field.type in ("string", "timestamp"):
        typed = of_words(field, Coded.of(values), why)
    else:
        typed = _of_floats(field, values, why)
    typed.why[odd] = 0
    return typed._replace(refused=typed.refused | odd)


def _of_floats(field: Field, values: list[Any], why: Array) -> Typed:
    try:
        floats = np.array(values, np.float64)  # None is NaN
    except OverflowError:  # a whole number beyond all floats
        return Typed(_empty(field, len(values)), why, np.ones(len(values), bool))
    if field.type == "boolean":
        return of_kind(field, "boolean", floats, why)
    return of_numbers(field, floats, why)


def _empty(field: Field, n: int) -> Values:
    if field.type == "string":
        return Coded(np.full(n, -1, np.int32), [])
    return np.full(n, np.nan)


def _settled(field: Field, values: Values, why: Array, refused: Array) -> Typed:
    """With the defaults in place, and refused where there may be none."""
    for code, allowed in ((MISSING, not field.required), (NULL, field.nullable)):
        there = why == code
        if not there.any():
            continue
        if not allowed:
            refused = refused | there
        default = field.empty if field.default is None else field.default
        if isinstance(values, Coded):
            values = values.replaced(there, default)
        else:
            values[there] = default
    return Typed(values, why, refused)
