"""The schema of a graph's records: what a request holds, typed, with defaults.

A record that passes becomes a row of plain values in the schema's order: numbers are float (NaN
where there is none), text is str (None where there is none), a timestamp is float seconds since
the Unix epoch, what has a shape a nested list (arrays.py). `row` does it for one record, `table`
for many by column. Both apply one and the same converter per field; `row` passes by it where a
value is of its type already (reader.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sluice.arrays import read_array, read_shape
from sluice.declaration import Section
from sluice.errors import RecordError
from sluice.lift import Column as Column  # noqa: PLC0414 (the features take both from here)
from sluice.lift import confusable, each
from sluice.lift import lift as lift  # noqa: PLC0414
from sluice.quote import found as found  # noqa: PLC0414 (the protocols take it from here)
from sluice.reader import ABSENT, ARRAYS, Read, Reader, ReadMany, compiled_reader
from sluice.refusals import refuse
from sluice.values import CONVERTERS, NAN
from sluice.values import Value as Value  # noqa: PLC0414
from sluice.values import is_unicode as is_unicode  # noqa: PLC0414
from sluice.values import seconds as seconds  # noqa: PLC0414

TYPES = ("string", "integer", "number", "boolean", "timestamp")
Refused = dict[int, RecordError]
FLOAT32 = 3.4028234663852886e38  # the largest that float32 holds


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.

    `required` means that the key must be there, `nullable` that its value may be null; a value
    that is not there is `default`, and the reply says so. With a `shape` it is an array.
    """

    name: str
    type: str
    required: bool = False
    nullable: bool = True
    default: Value = None
    minimum: float = -math.inf
    maximum: float = math.inf
    description: str = ""
    shape: tuple[int, ...] = ()

    @classmethod
    def parse(cls, name: str, section: Section, largest: float = math.inf) -> Field:
        """A field from its declaration; `largest` bounds numbers. Raises DeclarationError."""
        kind = section.choose("type", TYPES)
        shape = read_shape(section, kind)
        required = section.take("required", bool, bool(shape))
        most = largest if kind in ("integer", "number") else math.inf
        field = cls(
            name=name,
            type=kind,
            required=required,
            nullable=section.take("nullable", bool, not shape),
            default=section.take("default", object, None),
            minimum=section.take("minimum", float, -most),
            maximum=section.take("maximum", float, most),
            description=section.take("description", str, ""),
            shape=shape,
        )
        section.done()
        return field if shape else field._with_default(section)

    def _with_default(self, section: Section) -> Field:
        values = {n: getattr(self, n) for n in self.__slots__}
        try:
            values["default"] = self.empty if self.default is None else self.convert(self.default)
        except ValueError as error:
            wrong = section.error("default", f"expected {error}, found {self.default!r}")
            values["default"] = refuse(wrong, self.empty)
        return Field(**values)

    @property
    def empty(self) -> Value:
        """What stands for no value: None for text, NaN for all else."""
        return None if self.type == "string" else NAN

    def convert(self, value: Any) -> Any:
        """The typed value, a `Value` or an array. Raises ValueError that says what is allowed."""
        if self.shape:
            return read_array(value, self.shape, self.type, self.minimum, self.maximum)
        result = CONVERTERS[self.type](value)
        if isinstance(result, float) and not self.minimum <= result <= self.maximum:
            if result != result:
                return result
            raise ValueError(f"{_text(self.minimum)} to {_text(self.maximum)}")
        return result


def _text(number: float) -> str:
    if abs(number) >= 1e15:
        return f"{number:.2e}"
    return str(int(number)) if number.is_integer() else str(number)


class Schema:
    """The fields of a graph's records, in order.

    >>> schema = Schema([Field("carrier", "string", required=True), Field("distance", "number")])
    >>> schema.row({"carrier": "UA", "distance": 1400})
    (['UA', 1400.0], {})
    """

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields = tuple(fields)
        self.names = [f.name for f in self.fields]
        self._hidden: frozenset[str] = frozenset()
        self.by_name = {f.name: f for f in self.fields}
        self._read_any = Reader(self.fields)
        self._read: Read
        self._read_many: ReadMany | None
        self._read, self._read_many = compiled_reader(self.fields) or (self._read_any, None)

    @classmethod
    def parse(cls, sections: Mapping[str, Section], largest: float = math.inf) -> Schema:
        """A schema from a section of features.yaml. Raises DeclarationError.

        `largest` bounds all numbers: of records it is FLOAT32, for a model's float32 would make
        an infinity of a larger one.
        """
        return cls(Field.parse(name, section, largest) for name, section in sections.items())

    def hide(self, names: Iterable[str]) -> None:
        """Quote no values of these fields in errors, nor what is no record."""
        self._hidden = frozenset(names)

    def _quoted(self, field: Field | None, value: Any) -> str:
        """A value in an error; without a field, what is no record and may hold any of them."""
        if field.name in self._hidden if field else self._hidden:
            return "another value" if field else type(value).__name__
        return found(value)

    def row(self, record: Any) -> tuple[list[Value], dict[str, str]]:
        """The typed values of one record, and the fields that took their default and why.

        Why is `missing` (no such key) or `null`. Raises RecordError naming every field that is
        wrong, what was found and what is allowed.
        """
        if not isinstance(record, dict):
            told = self._quoted(None, record)
            raise RecordError("", f"expected an object with fields, found {told}")
        read = self._read if type(record) is dict else self._read_any
        try:
            row = read(record)
        except ValueError:
            row = None
        if row is None:
            self._refuse(record)
        return row

    def rows(
        self, records: Sequence[Any]
    ) -> tuple[list[list[Value]], list[dict[str, str]], Refused]:
        """What `row` makes of each record: values and defaults of the good ones, in their order;
        why the others are refused, by their places."""
        values: list[list[Value]] = []
        defaults: list[dict[str, str]] = []
        refused: Refused = {}
        place, many = 0, self._read_many
        while True:
            if many is not None:
                place = many(records, place, values, defaults)
            if place >= len(records):
                return values, defaults, refused
            try:
                row, defaulted = self.row(records[place])
                values.append(row)
                defaults.append(defaulted)
            except RecordError as error:
                refused[place] = error
            place += 1

    def _refuse(self, record: dict[str, Any]) -> NoReturn:
        problems = {f.name: p for f in self.fields if (p := self._problem(f, record))}
        name, problem = next(iter(problems.items()))
        more = "".join(f"; {n}: {p}" for n, p in list(problems.items())[1:])
        raise RecordError(name, problem + more)

    def _problem(self, field: Field, record: dict[str, Any]) -> str:
        value = record.get(field.name, ABSENT)
        if value is ABSENT:
            return f"is missing; expected {_expected(field)}" if field.required else ""
        if value is None or (type(value) not in ARRAYS and value != value):
            return "" if field.nullable else f"is null; expected {_expected(field)}"
        try:
            field.convert(value)
        except ValueError as error:
            return f"expected {error}, found {self._quoted(field, value)}"
        return ""

    def table(self, columns: Mapping[str, Iterable[Any]], n: int) -> dict[str, Column]:
        """The typed columns [n] of a table of records. Raises RecordError for the first bad row."""
        return {f.name: self._column(f, columns.get(f.name), n) for f in self.fields}

    def _column(self, field: Field, values: Iterable[Any] | None, n: int) -> Column:
        dtype: Any = object if field.type == "string" else np.float64
        empty = field.empty if field.default is None else field.default
        if values is None:
            if field.required:
                raise RecordError(field.name, "is missing from the table")
            return np.full(n, empty, dtype)

        def convert(value: Any) -> Any:
            if value is None or (type(value) not in ARRAYS and value != value):
                if not field.nullable:
                    raise RecordError(field.name, f"is null; expected {_expected(field)}")
                return empty
            try:
                return field.convert(value)
            except ValueError as error:
                problem = f"expected {error}, found {self._quoted(field, value)}"
                raise RecordError(field.name, problem) from None

        column = values.tolist() if isinstance(values, np.ndarray) else list(values)
        if field.shape:
            made = np.empty(n, object)
            for place, value in enumerate(column):
                made[place] = convert(value)
            return made
        apply = each if confusable(column) else lift
        return apply(convert, column, dtype)


def _expected(field: Field) -> str:
    try:
        field.convert(object())
    except ValueError as error:
        return str(error)
    return field.type
