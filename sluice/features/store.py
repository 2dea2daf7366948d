"""Online feature stores: what the enrich step asks, and what every store must answer.

A store keeps the history of rows per entity and key. A row has an event time (seconds since the
Unix epoch; minus infinity for a table without time) and its values in the order of a layout. All
names in a store are prefixed with project and graph, so that many graphs share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from sluice.address import load
from sluice.errors import DeclarationError
from sluice.features.aggregates import Accumulators
from sluice.features.definitions import Definitions
from sluice.schema import Value

Key = tuple[float | str, ...]
# Event time and values: numbers are float, text is str, null is None.
Found = tuple[float, list[Value]]
Row = tuple[Key, float, Sequence[Value]]
TIMELESS = float("-inf")
T = TypeVar("T")


class Layout(msgspec.Struct, frozen=True):
    """What the rows of an entity hold: where from, and which values in which order.

    `keys` and `features` are (column of the source, type). Rows written with one layout are never
    read with another.
    """

    entity: str
    source: str
    timestamp: str | None
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> list[str]:
        """The features' names without the entity's, in the order of the stored values."""
        return [name for name, _ in self.features]


class Rows(Protocol):
    """A transaction on a store: what it writes is there whole, or not at all.

    A state is a few bytes by a name of up to 200, for what ingesting has to remember.
    """

    def ensure(self, layout: Layout) -> Layout:
        """The published layout of an entity: `layout`, if there was none."""

    def around(self, layout: Layout, key: Key, moment: float) -> tuple[list[Found], Found | None]:
        """The rows of a key newer than `moment`, from new to old; its newest at or before it."""

    def put(self, layout: Layout, row: Row) -> None:
        """Write a row; see put_many."""

    def clear(self, layout: Layout, key: Key) -> None:
        """Delete all rows of a key."""

    def state(self, name: bytes) -> bytes | None:
        """The state of that name."""

    def keep(self, name: bytes, value: bytes) -> None:
        """Set a state."""

    def forget(self, name: bytes) -> None:
        """Delete a state, if it is there."""

    def states(self, first: bytes, end: bytes, limit: int) -> list[bytes]:
        """The first `limit` names of states from `first` to before `end`, sorted."""


class Trimmed(NamedTuple):
    """How many rows went, and the bytes freed; `resume` is where to go on, empty at the end."""

    rows: int
    freed: int
    resume: bytes


class Superseded(NamedTuple):
    """(event time of the next newer row of its key, else infinity; bytes) of rows; see Trimmed."""

    rows: list[tuple[float, int]]
    resume: bytes


class OnlineStore(Protocol):
    """A store of features. Every implementation passes tests/conformance/test_stores.py."""

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """The newest row of each (entity, key) whose event time is at or before `as_of`.

        Args:
            keys: n pairs of entity and key; the parts of a key are str or float.
            as_of: seconds since the Unix epoch, one for all or one for each key. NaN is before
                all time: it finds only rows that have no time.

        Returns:
            n rows as (event time, values in the order of the layout), None where there is none.

        Raises:
            StoreUnavailable: when the store does not answer.
        """

    def commit(self) -> int | None:
        """A number that is another one after each change to the store, and cheap to ask for.

        None: the store has none, and an answer says nothing of the next one. Raises
        StoreUnavailable.
        """

    def spans(
        self, entity: str, questions: Sequence[tuple[Key, Sequence[float]]]
    ) -> list[list[tuple[int, Found]]]:
        """The rows that answer many moments of each key: see get_many.

        Args:
            entity: whose rows.
            questions: n keys, each with moments in ascending order, none of them NaN.

        Returns:
            For each key pairs (place, row): the row answers the moments from that place on, up to
            the place of another one. Those before the first place have no answer.

        Raises StoreUnavailable.
        """

    def put_many(self, layout: Layout, rows: Iterable[Row]) -> int:
        """Write rows, all or none; a row with the same key and event time is replaced.

        Returns the number of rows. Raises ValueError for a row that does not fit the layout, and
        StoreUnavailable when the store does not answer.
        """

    def publish(self, layout: Layout) -> None:
        """Make `layout` the one that its entity is read with; rows of others are deleted."""

    def layout(self, entity: str) -> Layout | None:
        """The published layout of an entity; None when there is none yet."""

    def update(self, work: Callable[[Rows], T]) -> T:
        """`work(rows)` in one transaction: nobody reads half of what it writes, or writes between.

        It may run more than once, so it must change nothing but `rows`. When it raises, nothing
        is written. Raises as put_many does.
        """

    def state(self, name: bytes) -> bytes | None:
        """A state, as the last transaction left it."""

    def trim(self, layout: Layout, before: float, start: bytes, limit: int) -> Trimmed:
        """Delete rows that a newer row at or before `before` supersedes; see Trimmed.

        Looks at up to `limit` keys from `start` on (empty: the first), and deletes up to `limit`
        rows, in one transaction. Answers as of `before` and later stay the same.
        """

    def superseded(self, layout: Layout, start: bytes, limit: int) -> Superseded:
        """Since when up to `limit` rows from `start` on have been superseded, and their bytes."""

    def close(self) -> None:
        """Let go of what the store holds; safe to call twice."""


def layout_of(definitions: Definitions, entity: str) -> Layout:
    """The layout that features.yaml asks for."""
    declared = definitions.entities[entity]
    types = {name: definitions.record.by_name[name].type for name in declared.keys.values()}
    features = tuple(zip(declared.columns, (f.type for f in declared.features), strict=True))
    if declared.events is not None:
        features = tuple(Accumulators(definitions, declared).columns)
    return Layout(
        entity=entity,
        source=declared.source,
        timestamp=declared.timestamp,
        keys=tuple((column, types[name]) for column, name in declared.keys.items()),
        features=features,
    )


def stored_layout(definitions: Definitions, entity: str, store: OnlineStore) -> Layout:
    """The published layout of an entity, which must be the declared one.

    Raises DeclarationError that says what differs, and what to run.
    """
    declared, stored = layout_of(definitions, entity), store.layout(entity)
    if stored is None:
        where, hint = f"entities.{entity}", "run `sluice materialise GRAPH`"
        raise DeclarationError(definitions.file, where, "the store has no rows of it", hint)
    refuse_other(definitions, declared, stored)
    return declared


def refuse_other(definitions: Definitions, declared: Layout, stored: Layout) -> None:
    """Raise DeclarationError that says what differs between two layouts, and what to run."""
    if stored == declared:
        return
    fields = [n for n in Layout.__struct_fields__ if getattr(stored, n) != getattr(declared, n)]
    differs = "; ".join(
        f"{n}: the store has {_text(getattr(stored, n))}, "
        f"declared are {_text(getattr(declared, n))}"
        for n in fields
    )
    where, hint = f"entities.{declared.entity}", "run `sluice materialise GRAPH`"
    raise DeclarationError(definitions.file, where, differs, hint)


def _text(value: str | tuple[tuple[str, str], ...] | None) -> str:
    return ", ".join(map(" ".join, value)) if isinstance(value, tuple) else str(value)


# Per scheme the module, its function that opens a store, and the package that it needs.
_SERVERS = {
    "redis": ("sluice.features.redis", "open_redis", "redis"),
    "rediss": ("sluice.features.redis", "open_redis", "redis"),
    "dynamodb": ("sluice.features.dynamodb", "open_dynamodb", "boto3"),
    "v3io": ("sluice.features.v3io", "open_v3io", "v3io"),
}
_SUPPORTED = (
    "supported: a folder's path, the embedded store; redis://host:port/number;"
    " dynamodb://region/table; v3io://container/path"
)


def open_store(url: str | Path, prefix: tuple[str, str]) -> OnlineStore:
    """The store at `url`: a folder's path, for the embedded one; docs/features.md has the others.

    Args:
        url: where the store is.
        prefix: project and graph, in front of every name in the store.

    Raises:
        DeclarationError: for a kind of store that there is not, one whose package is not
            installed, a URL that is wrong, or an embedded store of a newer format.
    """
    scheme, found, _ = str(url).partition("://")
    if not found:
        from sluice.features.embedded import EmbeddedStore

        return EmbeddedStore(Path(url), prefix)
    if scheme not in _SERVERS:
        # The rest of the URL may hold a password.
        raise DeclarationError("feature store", "", f"no store of kind {scheme!r}", _SUPPORTED)
    module, name, package = _SERVERS[scheme]
    opener = getattr(load("feature store", scheme, module, package), name)
    store: OnlineStore = opener(url, prefix)
    return store
