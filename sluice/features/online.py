"""Existing feature stores, read-only: entities whose rows another store keeps, and serves online.

entities:
  drivers:
    online: feast:driver_hourly_stats # or mlrun:project/vector
    timeout: 500ms                    # after which the defaults stand in
    keys: {driver_id: driver}
    features: {conv_rate: {type: number, default: 0.5}}

Such a store has the newest row of a key alone. One that is newer than what a look-up is as of is
not known yet, so it is missing. A store that does not answer in time gives no rows either: the
defaults stand in, as missing, the log says so, and no request waits for it any more (guard.py).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sluice.address import load
from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.features.entity import Entity
from sluice.features.guard import Guard, Reader, Work, in_thread
from sluice.features.store import (
    TIMELESS,
    Found,
    Key,
    Layout,
    OnlineStore,
    Row,
    Rows,
    Superseded,
    Trimmed,
    layout_of,
)
from sluice.schema import Field, Value

T = TypeVar("T")


class Beside:
    """An online store, with entities that are read from others.

    Args:
        store: the graph's own; closed with this one, as the readers are.
        readers, layouts: by entity.
        clock: seconds, monotonic: when a store that is away is tried again.
        start: runs such a try beside the requests.
    """

    def __init__(
        self,
        store: OnlineStore,
        readers: Mapping[str, Reader],
        layouts: Mapping[str, Layout],
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Work], None] = in_thread,
    ) -> None:
        self._store, self._layouts = store, layouts
        self._readers = {name: Guard(name, r, clock, start) for name, r in readers.items()}

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """See OnlineStore; one call to each of the other stores."""
        moments = [as_of] * len(keys) if isinstance(as_of, int | float) else as_of
        own = [place for place, (entity, _) in enumerate(keys) if entity not in self._readers]
        rows: list[Found | None] = [None] * len(keys)
        if own:
            kept = self._store.get_many([keys[i] for i in own], [moments[i] for i in own])
            for place, row in zip(own, kept, strict=True):
                rows[place] = row
        for entity in self._readers:
            asked = list(dict.fromkeys(key for name, key in keys if name == entity))
            if not asked:
                continue
            found = dict(zip(asked, self._readers[entity].read(asked), strict=True))
            for place, (name, key) in enumerate(keys):
                if name == entity:
                    rows[place] = _known(found[key], moments[place])
        return rows

    def commit(self) -> int | None:
        """See OnlineStore: nobody says when the others change."""
        return None

    def spans(
        self, entity: str, questions: Sequence[tuple[Key, Sequence[float]]]
    ) -> list[list[tuple[int, Found]]]:
        """See OnlineStore. Tables ask so, and nobody waits: another store is always asked."""
        if entity not in self._readers:
            return self._store.spans(entity, questions)
        asked = list(dict.fromkeys(key for key, _ in questions))
        found = dict(zip(asked, self._readers[entity].ask(asked), strict=True))
        return [_span(found[key], moments) for key, moments in questions]

    def layout(self, entity: str) -> Layout | None:
        """See OnlineStore: of an entity that is read from elsewhere, the declared one."""
        return self._layouts.get(entity) or self._store.layout(entity)

    def put_many(self, layout: Layout, rows: Iterable[Row]) -> int:
        """See OnlineStore."""
        return self._store.put_many(layout, rows)

    def publish(self, layout: Layout) -> None:
        """See OnlineStore."""
        self._store.publish(layout)

    def update(self, work: Callable[[Rows], T]) -> T:
        """See OnlineStore."""
        return self._store.update(work)

    def state(self, name: bytes) -> bytes | None:
        """See OnlineStore."""
        return self._store.state(name)

    def trim(self, layout: Layout, before: float, start: bytes, limit: int) -> Trimmed:
        """See OnlineStore."""
        return self._store.trim(layout, before, start, limit)

    def superseded(self, layout: Layout, start: bytes, limit: int) -> Superseded:
        """See OnlineStore."""
        return self._store.superseded(layout, start, limit)

    def close(self) -> None:
        """See OnlineStore."""
        for reader in self._readers.values():
            reader.close()
        self._store.close()


def _known(found: Found | None, moment: float) -> Found | None:
    """A row, if it had happened by a moment (NaN: before all time)."""
    if found is None or found[0] == TIMELESS or found[0] <= moment:
        return found
    return None


def _span(found: Found | None, moments: Sequence[float]) -> list[tuple[int, Found]]:
    place = len(moments) if found is None else bisect_left(moments, found[0])
    return [] if found is None or place == len(moments) else [(place, found)]


def beside(
    store: OnlineStore,
    definitions: Definitions,
    feast: str,
    clock: Callable[[], float] = time.monotonic,
    start: Callable[[Work], None] = in_thread,
) -> OnlineStore:
    """A graph's store with what its entities declare to be read from others.

    `feast` is the address of Feast's feature server; `clock` and `start` as in Beside. Raises
    DeclarationError.
    """
    declared = [entity for entity in definitions.entities.values() if entity.online]
    if not declared:
        return store
    layouts = {entity.name: layout_of(definitions, entity.name) for entity in declared}
    readers = {e.name: _reader(definitions, e, layouts[e.name], feast) for e in declared}
    return Beside(store, readers, layouts, clock, start)


def _reader(definitions: Definitions, entity: Entity, layout: Layout, feast: str) -> Reader:
    kind, _, place = entity.online.partition(":")
    what, where = "feature store", f"entities.{entity.name}.online"
    if kind == "mlrun":
        made: Reader = load(what, kind, "sluice.features.mlrun_vector", "mlrun").MlrunReader(
            place, layout, entity.timeout
        )
        return made
    from sluice.features.feast import FeastReader

    if not feast:
        hint = "the setting feast names Feast's feature server: http://127.0.0.1:6566"
        raise DeclarationError(definitions.file, where, "no feature server is named", hint)
    return FeastReader(feast, place, layout, entity.timeout)


def typed(layout: Layout, values: Sequence[Any], place: str) -> list[Value]:
    """Another store's values as the layout has them; null is None. Raises DeclarationError."""
    made: list[Value] = []
    for (name, kind), value in zip(layout.features, values, strict=True):
        try:
            made.append(
                None if value is None or value != value else Field(name, kind).convert(value)
            )
        except ValueError as error:
            problem = f"{place} has {value!r}, expected {error}"
            where = f"entities.{layout.entity}.features.{name}"
            raise DeclarationError("features.yaml", where, problem) from None
    return made


class Recorded(Beside):
    """A graph's store for rows of a training: other stores have no history, so `values` answer.

    `values` are the columns of the row that is looked up next, as training had them; of its own
    entities the store answers by itself.
    """

    def __init__(self, store: OnlineStore, definitions: Definitions) -> None:
        declared = [entity for entity in definitions.entities.values() if entity.online]
        layouts = {entity.name: layout_of(definitions, entity.name) for entity in declared}
        super().__init__(store, {e.name: _Told(self, e) for e in declared}, layouts)
        self.values: Mapping[str, Any] = {}

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """See OnlineStore: what was recorded is as of the moment that is asked for."""
        moments = [as_of] * len(keys) if isinstance(as_of, int | float) else as_of
        rows = super().get_many(keys, as_of)
        for place, ((entity, _), row) in enumerate(zip(keys, rows, strict=True)):
            if entity in self._readers and row is not None:
                rows[place] = moments[place], row[1]
        return rows


class _Told:
    """What the values of a row say of an entity."""

    def __init__(self, recorded: Recorded, entity: Entity) -> None:
        self._recorded, self._names = recorded, [feature.name for feature in entity.features]

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """See Reader."""
        values = [self._recorded.values.get(name) for name in self._names]
        return [(TIMELESS, values) for _ in keys]

    def close(self) -> None:
        """There is nothing to let go of."""


def native(layout: Layout, key: Key) -> dict[str, Any]:
    """A key as another store takes it: whole numbers are whole."""
    kinds: dict[str, Callable[[Any], Any]] = {"integer": int, "boolean": bool}
    columns = zip(layout.keys, key, strict=True)
    return {name: kinds.get(kind, lambda part: part)(part) for (name, kind), part in columns}
