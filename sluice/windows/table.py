"""The records of many events by column, so that they are counted at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.windows import unmoved
from sluice.windows.coded import Coded
from sluice.windows.event import Block, Event, Named, Row, names_of, route_of, told
from sluice.windows.grid import Floats, Places

# What became of a record: answered; not answered, in a request that was; in a request that failed;
# in the last place stands an event without records, so that its request counts.
ANSWERED, REFUSED, FAILED, ABSENT = range(4)
NONE = ""  # the version of what none answered
SCORES = ("probability", "prediction")  # the columns of an answer that is one number
CLASS = "probabilities."
_NOTHING = msgspec.Raw()
_LATEST = 253_402_300_800.0  # the year 10000
Route = tuple[str, str]
Column = Sequence[Any] | Coded[Any] | Floats


class Rows(Protocol):
    """What is counted of events by row; Table says what each is."""

    event: Places
    kind: npt.NDArray[np.int8]
    request: Places
    own: npt.NDArray[np.bool_]
    when: Floats
    versions: Coded[str]
    routes: Coded[Route]
    columns: dict[str, Column]
    scores: Floats
    unmoved: Floats

    @property
    def digests(self) -> list[bytes]:
        """Of the request's id and the record's place in it [n]."""

    def __len__(self) -> int: ...


class Table:
    """Events with the same columns. Per event [e], and per row [n], which is mostly a record:

    Attributes:
        events, blocks: the events, and Sluice's own part of each [e].
        moments: when they were, seconds since the epoch [e].
        event: which event a row is of [n].
        kind: what became of the record [n].
        request: rows with one number are one request's [n].
        own: whether a row is a request of its own, in an event that has `ids` [n].
        when: seconds since the epoch [n].
        ids: the request's id and the record's place in it, "id/0" [n].
        versions: who answered [n].
        routes: policy and name of the choice [n].
        columns: by name, the values of the record's fields, and of features if events have them.
        scores: [n, k], NaN where there is none; k is 1 for two classes and for numbers.
        unmoved: what the model itself answered where a correction moved it, else NaN [n].

    Raises ValueError, TypeError, LookupError or AttributeError where an event does not hold what
    it should.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        first = events[0]
        names = names_of(bytes(first.request.input_schema))
        blank: list[Row] = [[None] * len(names)]
        self.events, self.blocks = events, [e.sluice for e in events]
        inputs = [e.request.inputs or blank for e in events]
        sizes = np.array(list(map(len, inputs)))
        self.event: Places = np.repeat(np.arange(len(events)), sizes)
        self._starts = np.cumsum(sizes) - sizes
        self._simple = len(self.event) == len(events)
        self._check(sizes)
        self.kind = self._kinds()
        self.columns: dict[str, Column] = {**_columns(names, list(chain.from_iterable(inputs)))}
        if first.sluice.features is not None:
            self.columns |= _features([e.sluice.features for e in events])
        self._requests()
        self._answers(first)

    def __len__(self) -> int:
        return len(self.event)

    @property
    def digests(self) -> list[bytes]:
        """What stands for `ids`."""
        return [digest(place.encode()) for place in self.ids]

    def _check(self, sizes: Places) -> None:
        """What says something of each record says it of all."""
        self.moments: Floats = np.array([e.when.timestamp() for e in self.events])
        answered = [e for e in self.events if e.resp is not None]
        outputs = [len(e.resp.outputs) for e in answered if e.resp is not None]
        if [len(e.request.inputs) for e in answered] != outputs:
            raise ValueError("no event: as many outputs as records are expected")
        self._special = any([b.ids or b.when or b.routes for b in self.blocks])  # noqa: C419 (fast)
        if self._special:
            for block, n in zip(self.blocks, sizes.tolist(), strict=True):
                _check_lists(block, n)
        told = [len(b.features.rows) for b in self.blocks if b.features is not None]
        if told and told != sizes.tolist():
            raise ValueError("no event: as many rows of features as records are expected")

    def _kinds(self) -> npt.NDArray[np.int8]:
        answered = self.events[0].resp is not None
        kinds = np.full(len(self), ANSWERED if answered else FAILED, np.int8)
        kinds[
            [s for s, e in zip(self._starts, self.events, strict=True) if not e.request.inputs]
        ] = ABSENT
        for start, block in zip(self._starts, self.blocks, strict=True):
            if block.errors and kinds[start] != ABSENT:
                kinds[start + np.array([int(place) for place in block.errors])] = REFUSED
        return kinds

    def _requests(self) -> None:
        """When each row was asked, under which id, and which rows are one request."""
        self.when = self.moments[self.event]
        self.own = np.zeros(len(self), np.bool_)
        if self._simple and not self._special:
            self.ids = [f"{e.request.id}/0" for e in self.events]
            self.request = self.event
        else:
            own = [number for number, block in enumerate(self.blocks) if block.ids]
            self.own = np.isin(self.event, own)
            self.ids = list(chain.from_iterable(_ids(e) for e in self.events))
            begins = self.own.copy()
            begins[self._starts] = True
            self.request = np.cumsum(begins) - 1
            for number, event in enumerate(self.events):
                if event.sluice.when:
                    self.when[self.event == number] = event.sluice.when
        if not 0 <= self.when.min() <= self.when.max() < _LATEST:
            raise ValueError("no event: a time before 1970 or after 9999")

    def _answers(self, first: Event) -> None:
        """Who answered each row, why he, and what."""
        outputs: dict[str, Sequence[Any]] = {}
        if first.resp is not None:
            names = names_of(bytes(first.resp.output_schema))
            blank: list[Row] = [[None] * len(names)]
            found = (e.resp.outputs or blank for e in self.events if e.resp is not None)
            outputs = _columns(names, list(chain.from_iterable(found)))
        self.routes, self.versions = self._choices()
        plain = any(name in outputs for name in SCORES)
        details = self._details(plain) if first.resp is not None else {}
        if own := {row: told(d["route"]) for row, d in details.items() if "route" in d}:
            routes = [self.routes.words[code] for code in self.routes.codes.tolist()]
            self.routes = Coded.of([own.get(row, route) for row, route in enumerate(routes)])
        if "version" in outputs:
            versions = [self.versions.words[code] for code in self.versions.codes.tolist()]
            pairs = zip(outputs["version"], versions, strict=True)
            self.versions = Coded.of([str(one or version) for one, version in pairs])
        self.scores = scores_of(outputs, details, len(self))
        raw = (bytes(block.details) for block in self.blocks)
        self.unmoved = unmoved.read(raw, self._starts.tolist(), outputs, self.scores)

    def _choices(self) -> tuple[Coded[Route], Coded[str]]:
        """Of each row policy and name of its choice, and the version that was chosen."""
        blocks = self.blocks
        if self._simple and not self._special:
            chosen = Coded.of([bytes(block.route) for block in blocks])
            routes = Coded.of([route_of(raw) for raw in chosen.words])
            versions = Coded.of([block.version or NONE for block in blocks])
            return routes.some(chosen.codes), versions
        sizes = np.bincount(self.event, minlength=len(self.events)).tolist()
        found = [p for e, n in zip(self.events, sizes, strict=True) for p in _chosen(e, n)]
        return Coded.of([route for route, _ in found]), Coded.of([v for _, v in found])

    def _details(self, plain: bool) -> dict[int, dict[str, Any]]:
        """By row, of its output what is no column: the probabilities of many classes, and the
        choices of an event whose records went different ways."""
        codes, words = self.routes.codes, self.routes.words
        named = np.array([bool(name) for _, name in words])[codes[self._starts]]
        found = {}
        for place in np.flatnonzero(~named | (not plain)).tolist():
            raw, start = bytes(self.blocks[place].details), int(self._starts[place])
            by_place = msgspec.json.decode(raw, type=dict[str, dict[str, Any]])
            for record, detail in by_place.items():
                found[start + int(record)] = detail
        return found


def digest(place: bytes) -> bytes:
    """What stands for a request's id and the record's place in it, "id/0"."""
    return blake2b(place, digest_size=12).digest()


def _check_lists(block: Block, n: int) -> None:
    lists: dict[str, Sequence[Any]] = {"ids": block.ids, "times": block.when}
    if block.routes is not None:
        lists["routes"] = block.routes.codes
    for name, found in lists.items():
        if found and len(found) != n:
            raise ValueError(f"no event: {n} records and {name} of {len(found)}")


def _ids(event: Event) -> Iterable[str]:
    if event.sluice.ids:
        return [f"{id}/0" for id in event.sluice.ids]
    return [f"{event.request.id}/{place}" for place in range(len(event.request.inputs) or 1)]


def _chosen(event: Event, size: int) -> Iterator[tuple[Route, str]]:
    block = event.sluice
    if block.routes is None:
        yield from [(route_of(bytes(block.route)), block.version or NONE)] * size
        return
    words = [(told(word), str(word.get("version") or NONE)) for word in block.routes.words]
    words.append((("", ""), NONE))  # what −1 finds
    for code in block.routes.codes:
        yield words[code]


def _columns(names: Sequence[str], rows: list[Row]) -> dict[str, Sequence[Any]]:
    """Rows [n] by column. Raises ValueError where their lengths differ."""
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _features(named: Sequence[Named | None]) -> dict[str, Sequence[Any]]:
    """What events tell of features that were looked up; nothing where one tells nothing."""
    told = [features for features in named if features is not None]
    rows = chain.from_iterable(features.rows for features in told)
    return _columns(names_of(bytes(told[0].schema)), list(rows))


def scores_of(
    outputs: Mapping[str, Sequence[Any]], details: Mapping[int, Mapping[str, Any]], n: int
) -> Floats:
    """Of each row what the version answered [n, k], as Message.scores has it."""
    for name in SCORES:
        if name in outputs:
            return _floats(outputs[name])[:, None]
    columns = [values for name, values in outputs.items() if name.startswith(CLASS)]
    if columns:
        return np.column_stack([_floats(values) for values in columns])
    by_row = {r: list(d["probabilities"].values()) for r, d in details.items()
              if "probabilities" in d}  # fmt: skip
    scores = np.full((n, max(map(len, by_row.values()), default=0)), np.nan)
    for row, values in by_row.items():
        scores[row] = _floats(values)
    return scores


def _floats(values: Sequence[Any]) -> Floats:
    """Numbers, NaN for what is none or is not finite. Raises ValueError for text."""
    found = np.array(values, np.float64)
    found[~np.isfinite(found)] = np.nan
    return found


def tables(events: Sequence[Event]) -> list[Table]:
    """Events by tables. Raises as Table does."""
    if not events or _alike(events):
        return [Table(events)] if events else []
    groups: dict[tuple[bytes, ...], list[Event]] = {}
    for event in events:
        groups.setdefault(tuple(map(bytes, _layout(event))), []).append(event)
    return [Table(group) for group in groups.values()]


def _layout(event: Event) -> tuple[msgspec.Raw, ...]:
    """What the events of one table have alike."""
    response, features = event.resp, event.sluice.features
    return (
        event.request.input_schema,
        _NOTHING if response is None else response.output_schema,
        _NOTHING if features is None else features.schema,
    )


def _alike(events: Sequence[Event]) -> bool:
    """Whether all of them are of one table; they mostly are, and comparing is cheaper."""
    parts = zip(*map(_layout, events), strict=True)
    return all(part.count(part[0]) == len(part) for part in parts)
