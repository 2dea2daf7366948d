"""Events that are alike are read by column, without an object for each of their values.

Most events of a graph have the same text but for some values: of a template there is what they
have alike, and slots for what differs. The compiled part (_alike.c) reads all events that fit a
template in one go; those that do not, or hold what is not plain (a text with an escape, or in a
column of numbers), are read one by one, as all are where there is no C compiler. Both come to the
same.

A slot is the bytes before it, what is in it, and what reads its words:

    -  any value, which is not read              n  a number, null for NaN
    w  any value, by the number of its kind      f  a number, never null
    r  any value, as bytes                       i  a whole number
    t  a text, as bytes                          d  a time, in microseconds since 1970
    .  the end
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from sluice.compiled import compiled
from sluice.windows import unmoved
from sluice.windows.coded import Coded
from sluice.windows.event import Event, defaults_of, names_of, read_events, route_of
from sluice.windows.facts import Whole, expanded, timed
from sluice.windows.grid import AGES, TIMES, Floats, Places
from sluice.windows.table import ANSWERED, CLASS, SCORES, Column, digest, scores_of

Path = tuple[str, ...]
Slot = tuple[bytes, str, Callable[[bytes], Any] | None]
Kinds = Callable[[str], str]  # by the name of a column "n", "w" or "-", as it is counted
Read = Callable[[tuple[Slot, ...], list[bytes]], tuple[list[int], list[Any]]]

_RECORD, _FEATURES = ("request", "inputs"), ("sluice", "features", "rows")
_OUTPUT, _STEPS = ("resp", "outputs"), ("sluice", "timings")
_OBJECTS = frozenset([(), ("request",), ("sluice",), ("resp",), _FEATURES[:-1], _STEPS])
_ROWS = frozenset([_RECORD, _FEATURES, _OUTPUT])
_MOST = 16  # templates that are kept
_LEAST = 32  # of so many events a template that is kept fits one at least

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_table = msgspec.json.Decoder(list[list[msgspec.Raw]]).decode
_word = msgspec.json.Decoder().decode
_ages = msgspec.json.Decoder(dict[str, float]).decode
_details = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_columns: Read | None = compiled("columns", "sluice.windows._alike")


def _route(raw: bytes) -> tuple[str, str]:
    policy, name = route_of(raw)
    if not name:
        raise ValueError("records may have gone different ways")
    return policy, name


def _detail(raw: bytes) -> dict[str, Any]:
    """Of the one record's output what is no column."""
    detail = _details(raw).get("0", {})
    if "route" in detail:
        raise ValueError("records may have gone different ways")
    return detail


def _defaults(raw: bytes) -> bytes:
    defaults_of(raw)
    return raw


_KINDS: Mapping[Path, tuple[str, Callable[[bytes], Any] | None]] = {
    ("host",): ("-", None),
    ("worker",): ("-", None),
    ("when",): ("d", None),
    ("microsec",): ("i", None),
    ("sampling_percentage",): ("-", None),
    ("request", "id"): ("t", None),
    ("sluice", "route"): ("w", _route),
    ("sluice", "propensity"): ("-", None),
    ("sluice", "ages"): ("w", _ages),
    ("sluice", "defaults"): ("w", _defaults),
    ("sluice", "details"): ("r", None),
    ("sluice", "lists"): ("-", None),
    ("sluice", "members"): ("-", None),
    ("resp", "id"): ("-", None),
    ("resp", "timestamp"): ("-", None),
}


class Alike:
    """Events of one template, each of one request with one record; as a Table has them.

    Raises as Table does where one does not hold what it should.
    """

    def __init__(self, version: str, read: Mapping[Path, Any]) -> None:
        whens: Places = read["when",]
        self._read, self._one = read, np.ones(len(whens), np.int64)
        self.when: Floats = whens / 1e6
        self.event = self.request = np.arange(len(whens))
        self.kind = np.full(len(whens), ANSWERED, np.int8)
        self.own = np.zeros(len(whens), np.bool_)
        self.versions = Coded([version], 0 * self._one)
        routes: Coded[Any] = read["sluice", "route"]
        self.routes = Coded.of(routes.words).some(routes.codes)
        self.columns: dict[str, Column] = {**_under(read, _RECORD), **_under(read, _FEATURES)}
        outputs = _under(read, _OUTPUT)
        plain = not outputs.keys().isdisjoint(SCORES)
        details = {} if plain else dict(enumerate(map(_detail, read["sluice", "details"])))
        self.scores = scores_of(outputs, details, len(whens))
        self.unmoved = unmoved.read(read["sluice", "details"], self.event.tolist(), {}, self.scores)

    def __len__(self) -> int:
        return len(self.when)

    @property
    def digests(self) -> list[bytes]:
        """Of each request's id and its one record's place."""
        return [digest(id + b"/0") for id in self._read["request", "id"]]

    @property
    def whole(self) -> Whole:
        """What the events tell of themselves."""
        read, one = self._read, self._one
        steps = _under(read, _STEPS)
        places = TIMES.place(np.array(list(steps.values())).reshape(len(steps), len(one)))
        ages: Coded[Any] = read["sluice", "ages"]
        return Whole(
            one,
            TIMES.place(read["microsec",]),
            0 * one,
            self.versions,
            read["sluice", "defaults"],
            {name: (self.event, column) for name, column in zip(steps, places, strict=True)},
            expanded(timed(AGES, ages.words, np.ones(len(ages.words), np.int64)), ages),
        )


class Template(NamedTuple):
    """What events have alike: their slots, of each that is read what it is, and the version."""

    slots: tuple[Slot, ...]
    paths: tuple[Path, ...]
    version: str

    @classmethod
    def of(cls, value: bytes, event: Event, kinds: Kinds) -> Template | None:
        """That of an event; None for one which is not plain. Raises ValueError for no event."""
        pieces = list(_pieces((), value, _names(event))) if _plain(event) else []
        if b"".join(text for _, text in pieces) != value:
            return None
        slots: list[Slot] = []
        paths, before = [], b""
        for path, text in pieces:
            kind, read = _kind(path, kinds)
            if kind:
                slots.append((before, kind, read))
                paths += [path] if kind != "-" else []
            before = b"" if kind else before + text
        slots.append((before, ".", None))
        return cls(tuple(slots), tuple(paths), str(event.sluice.version))

    def read(self, values: list[bytes], columns_of: Read) -> tuple[list[int], Alike | None]:
        """The places of values that are not so, and the others."""
        rest, columns = columns_of(self.slots, values)
        if len(rest) == len(values):
            return rest, None
        kinds = [kind for _, kind, _ in self.slots if kind not in "-."]
        read = zip(self.paths, map(_array, kinds, columns), strict=True)
        return rest, Alike(self.version, dict(read))


class Templates:
    """Templates that are learned from the events that fit none.

    Args:
        kinds: of an event the kinds of its columns.
        columns_of: the compiled part; without it no event fits.
    """

    def __init__(self, kinds: Callable[[Event], Kinds], columns_of: Read | None = _columns) -> None:
        self._kinds, self._columns_of = kinds, columns_of
        self._known: list[Template] = []  # the ones of late first

    def read(self, values: list[bytes]) -> tuple[list[Alike], list[int]]:
        """What could be read of events, and the places of the others."""
        found: list[Alike] = []
        rest = list(range(len(values)))
        if self._columns_of is None:
            return found, rest
        for template in list(self._known):
            if rest and self._fits(template, values, rest, found):
                self._known.remove(template)
                self._known.insert(0, template)
        while rest and (new := self._learned(values[rest[0]])):
            count = len(rest)
            self._fits(new, values, rest, found)
            if len(rest) == count or (count - len(rest)) * _LEAST < count:
                break
            self._known = [new, *self._known[: _MOST - 1]]
        return found, rest

    def _fits(
        self, template: Template, values: list[bytes], rest: list[int], found: list[Alike]
    ) -> bool:
        """Read those of the rest that fit, which are no rest then; whether there are any."""
        assert self._columns_of is not None
        some = values if len(rest) == len(values) else [values[place] for place in rest]
        left, read = template.read(some, self._columns_of)
        if read is not None:
            found.append(read)
            rest[:] = [rest[place] for place in left]
        return read is not None

    def _learned(self, value: bytes) -> Template | None:
        """The template of an event, if it is a new one."""
        try:
            [event] = read_events([value])
            template = Template.of(value, event, self._kinds(event))
        except ValueError:  # which says why when it is read by itself
            return None
        return None if template in self._known else template


def _plain(event: Event) -> bool:
    """Whether it is of one request with one record, which was answered."""
    block, response = event.sluice, event.resp
    return (
        response is not None
        and len(event.request.inputs) == len(response.outputs) == 1
        and (block.features is None or len(block.features.rows) == 1)
        and not (block.errors or block.ids or block.when or block.routes)
        and bool(block.version)
        and not {"version", unmoved.COLUMN} & {*names_of(bytes(response.output_schema))}
    )


def _names(event: Event) -> dict[Path, tuple[str, ...]]:
    """The names of columns, by where their rows are."""
    response, features = event.resp, event.sluice.features
    found: dict[Path, tuple[str, ...]] = {_RECORD: names_of(bytes(event.request.input_schema))}
    if response is not None:
        found[_OUTPUT] = names_of(bytes(response.output_schema))
    if features is not None:
        found[_FEATURES] = names_of(bytes(features.schema))
    return found


def _pieces(
    path: Path, text: bytes, names: Mapping[Path, tuple[str, ...]]
) -> Iterator[tuple[Path, bytes]]:
    """A value as texts, one after the other, and of those that may differ what they are."""
    if path in _OBJECTS:
        yield (), b"{"
        for place, (name, inner) in enumerate(_object(text).items()):
            yield (), b"," * (place > 0) + msgspec.json.encode(name) + b":"
            yield from _pieces((*path, name), bytes(inner), names)
        yield (), b"}"
    elif path in names:
        yield (), b"[["
        [row] = _table(text)
        for place, (name, inner) in enumerate(zip(names[path], row, strict=True)):
            yield (), b"," * (place > 0)
            yield (*path, name), bytes(inner)
        yield (), b"]]"
    else:
        yield path, text


def _kind(path: Path, kinds: Kinds) -> tuple[str, Callable[[bytes], Any] | None]:
    """What is in a slot, and what reads it; nothing for what events have alike."""
    group = path[:-1]
    if group in (_RECORD, _FEATURES):
        kind = kinds(path[-1])
        return kind, _word if kind == "w" else None
    if group == _OUTPUT:
        return "n" if path[-1] in SCORES or path[-1].startswith(CLASS) else "-", None
    return ("f", None) if group == _STEPS else _KINDS.get(path, ("", None))


def _array(kind: str, column: Any) -> Any:
    """What was read into a slot, as it is worked with."""
    if kind == "w":
        return Coded(column[0], np.frombuffer(column[1], np.int64))
    return (
        column if kind in "rt" else np.frombuffer(column, np.int64 if kind == "d" else np.float64)
    )


def _under(read: Mapping[Path, Any], group: Path) -> dict[str, Any]:
    return {path[-1]: column for path, column in read.items() if path[:-1] == group}
